"""Gate models: run the suites on those that are named, or on those of the project's settings.

    lstm-conformance gate model.tflite
    lstm-conformance gate model.keras --recipe int8 --inputs samples.npz

A file that ends in .tflite is a converted flatbuffer, which needs no TensorFlow; .keras, .h5, .hdf5
and folders of SavedModels are Keras models. A flatbuffer beside a Keras model is held to it. All
other words are options of the harness (--recipe, --runtime, --inputs, …) and of pytest. Without a
model those of the table [tool.lstm-conformance] in pyproject.toml are gated.

Exit status: 0 where everything agreed, 1 where something failed, 2 for bad usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.command import settings, suites

_KERAS = (".keras", ".h5", ".hdf5")
#: Options whose next word may look like a model and is none that has to be named.
_TAKE_A_WORD = ("--model", "--tflite", "-k", "-m", "-o", "-p", "--deselect")


def main(arguments: Sequence[str]) -> int:
    if any(word in ("-h", "--help") for word in arguments):
        print(__doc__.strip())
        print("\nAll options: lstm-conformance gate --options")
        return 0
    if list(arguments) == ["--options"]:
        return suites.run(["--help"])
    words = with_models(arguments)
    try:
        project = settings.read(Path("pyproject.toml"))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    named = any(word.partition("=")[0] in ("--model", "--tflite") for word in words)
    if not named and not settings.names_models(project):
        print(
            "error: nothing to gate: name a model (lstm-conformance gate my.tflite), or list "
            "models in pyproject.toml (lstm-conformance init)",
            file=sys.stderr,
        )
        return 2
    return suites.run(words, settings.overrides(project))


def with_models(words: Sequence[str]) -> list[str]:
    """The words, with the option before each model that stands alone."""
    found: list[str] = []
    before = ""
    for word in words:
        flag = "" if before in _TAKE_A_WORD else _flag_of(word)
        found.append(f"{flag}={word}" if flag else word)
        before = word
    return found


def _flag_of(word: str) -> str:
    """The option of a word that is a model, empty for any other word."""
    if word.startswith("-"):
        return ""
    path = Path(word)
    if path.suffix == ".tflite":
        return "--tflite"
    saved = (path / "saved_model.pb").is_file()
    return "--model" if path.suffix in _KERAS or saved else ""
