"""Read .keras files of tf_keras in Keras 2.15, which is the same code in another package.

tf_keras (Keras 2 beside TensorFlow 2.16 and later) writes where each class is from, as
`tf_keras.src.engine.functional`; in Keras 2.15 that is `keras.src.engine.functional`. .h5 files and
SavedModels name no modules. Runs in a worker: needs TensorFlow only.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Iterator

from harness.workers.remote.keras import compatibility

_CONFIGURATION = "config.json"
_THEIRS, _OURS = "tf_keras", "keras"


@contextlib.contextmanager
def readable(tf: Any, path: Path) -> Iterator[Path]:
    """The file itself, or a copy whose classes are looked for in the Keras at hand.

    What it carries was checked before: only names of Keras's own modules are rewritten.
    """
    if compatibility.versions(tf)["keras_package"] == _THEIRS or not zipfile.is_zipfile(path):
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        content = archive.read(_CONFIGURATION) if _CONFIGURATION in names else b""
        if _THEIRS.encode() not in content:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            with zipfile.ZipFile(copy, "w") as written:
                for entry in archive.infolist():
                    own = entry.filename == _CONFIGURATION
                    text = _renamed(content) if own else archive.read(entry)
                    written.writestr(entry, text)
            yield copy


def _renamed(content: bytes) -> bytes:
    return json.dumps(json.loads(content, object_hook=_of_keras)).encode()


def _of_keras(found: Any) -> Any:
    module = found.get("module")
    if isinstance(module, str) and module.split(".")[0] == _THEIRS:
        found["module"] = _OURS + module[len(_THEIRS) :]
    return found
