"""List what a project may set once for all its runs, in pyproject.toml."""

from __future__ import annotations

#: The table of the command `lstm-conformance`; pytest's own table has the same names with `lstm_`.
TABLE = "lstm-conformance"
PREFIX = "lstm_"
#: Setting -> the command line's, what pytest takes it for, what it is. Models and data come first.
MODELS = {
    "models": ("model", "paths", "Keras models to gate"),
    "tflite": ("tflite", "paths", "converted flatbuffers to gate"),
    "inputs": ("inputs", "path", "samples to compare on (.npz)"),
    "calibration": ("calibration", "path", "samples for integer recipes (.npz)"),
    "labels": ("labels", "path", "the class of each sample (.npy)"),
    "state_dict": ("state_dict", "path", "PyTorch weights of the flatbuffers"),
    "expected": ("expected", "path", "the original model's answers to the inputs (.npz)"),
}
REST = {
    "recipes": ("recipe", "args", "only these recipes"),
    "runtimes": ("runtime", "args", "only these runtimes"),
    "kernels": ("kernels", "args", "kernels of devices to answer for"),
    "streaming": ("streaming", "bool", "whether the models are streamed"),
    "budgets": ("budget", "linelist", "budgets: SUBJECT/RECIPE/RUNTIME=FACTOR:REASON"),
    "baseline": ("baseline", "path", "report that no case may get worse than"),
    "arena_limit": ("arena_limit", "number", "the most bytes that a tensor arena may take"),
    "size_limit": ("size_limit", "number", "the most bytes that a flatbuffer may have"),
}
