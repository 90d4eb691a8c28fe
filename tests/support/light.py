"""Make what the light path is tested with: a small healthy flatbuffer, and no TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.quantizer import integer_lstm
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import Gates, LstmWeights

#: What hides TensorFlow from a Python that has it: its folder goes on PYTHONPATH.
_HIDING = """\
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
"""


def small_flatbuffer() -> bytes:
    """One int8 LSTM whose scales are right, as a converter would write it."""
    random = np.random.default_rng(5)

    def four(*shape: int) -> Gates:
        return Gates(*(random.uniform(-1, 1, shape).astype(np.float32) for _ in range(4)))

    weights = LstmWeights(four(8, 4), four(8, 8), four(8))
    x = random.uniform(-1, 1, (16, 1, 10, 4)).astype(np.float32)
    return build(OperatorLstm(integer_lstm(weights, x, LstmOptions()), timesteps=10)).content


def without_tensorflow(folder: Path) -> dict[str, str]:
    """Environment variables under which Python finds no TensorFlow, and the file behind them."""
    (folder / "sitecustomize.py").write_text(_HIDING)
    return {"PYTHONPATH": str(folder)}
