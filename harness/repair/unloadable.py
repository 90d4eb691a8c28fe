"""Read a .keras file that Keras writes and cannot load: a constant initial state of zeros.

Keras 2.15 saves `lstm(x, initial_state=[tf.zeros(…), tf.zeros(…)])` as lists of numbers, which it
then takes for tensors ("'float' object has no attribute 'shape'"). Without them it is the same
model, and loads.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from harness.repair.rules.document import Document
from harness.repair.rules.states import no_state_of_zeros

_CONFIGURATION = "config.json"
#: Of all that a file unpacks to: a model's configuration and weights are read into memory.
_MOST_BYTES = 1 << 30


def without_states_of_zeros(path: Path) -> tuple[Document, bytes] | None:
    """The document as it stands in the file, without weights, and the file without constant
    initial states of zeros; None where it has none or is no such file."""
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                return None
            contents = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        model = json.loads(contents[_CONFIGURATION])
        before = Document.of(model["config"], {})
        after = Document.of(model["config"], {})
        no_state_of_zeros(after)
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # whatever is wrong with it, the way it failed to load says it
    if not after.rewritings:
        return None
    contents[_CONFIGURATION] = json.dumps({**model, "config": after.config}).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return before, made.getvalue()
