"""Write the models of some parts, each below FOLDER, in one process that imports TensorFlow once.

Usage: python -m tests.support.models.make FOLDER PART... The file PART.done says that one is
complete, the file `failed` that no more will come.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path


def main(folder: Path, *parts: str) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    try:
        for part in parts:
            tf.keras.backend.clear_session()
            (folder / part).mkdir()
            import_module(f"tests.support.models.{part}").main(folder / part)
            (folder / f"{part}.done").touch()
    except BaseException:
        (folder / "failed").touch()
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
