"""State dicts are read as PyTorch means them: the oracle then answers what PyTorch recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures import array_files
from harness.comparison.budgets import FLOAT32_WITHOUT_ORACLE
from harness.support.project import ROOT
from harness.weights.state_dict import StateDict, load
from reference.lstm.float64 import LstmOptions, lstm
from reference.lstm.weights import LstmWeights

Array = NDArray[Any]
GOLDEN = ROOT / "fixtures" / "golden" / "pytorch"
FILES = sorted(path.name for path in GOLDEN.glob("state.*"))


def _run(state: StateDict, layer: str, x: Array, turned: bool = False) -> Array:
    """The outputs [N, steps, units] of one layer and direction."""
    weights = LstmWeights.from_keras(*(state.weights[f"{layer}/{k}"] for k in range(3)))
    x = x[:, ::-1] if turned else x
    found = np.concatenate([lstm(weights, one[None], LstmOptions()).outputs for one in x])
    return np.asarray(found[:, ::-1] if turned else found)


def _both(state: StateDict, layer: str, x: Array) -> Array:
    ways = _run(state, layer, x), _run(state, f"{layer}_reverse", x, turned=True)
    return np.concatenate(ways, axis=-1)


@pytest.mark.parametrize("name", FILES)
def test_the_oracle_answers_what_pytorch_recorded(name: str) -> None:
    recorded = np.load(GOLDEN / "answers.npz")
    state, x = load(GOLDEN / name), recorded["samples"].astype(np.float64)
    one = _run(state, "one.l0", x)
    kernel, bias = state.linear["fc"]
    found = {
        "one": one,
        "fc": one[:, -1] @ kernel + bias,
        "deep": _both(state, "deep.l1", _both(state, "deep.l0", x)),
    }
    for part, values in found.items():
        assert np.abs(values - recorded[part]).max() < FLOAT32_WITHOUT_ORACLE, part
        assert np.ptp(recorded[part]) > 0.1


def test_another_reading_does_not() -> None:
    """What the test above sees: one bias left out, gates in TensorFlow 1's order."""
    recorded = np.load(GOLDEN / "answers.npz")
    state, x = load(GOLDEN / "state.npz"), recorded["samples"].astype(np.float64)
    kernel, recurrent, _ = (state.weights[f"one.l0/{k}"] for k in range(3))
    order = np.r_[0:4, 8:12, 4:8, 12:16]
    for changed in (
        [kernel, recurrent, state.biases["one.l0"][0]],
        [kernel[:, order], recurrent[:, order], state.weights["one.l0/2"][order]],
    ):
        weights = {f"one.l0/{k}": array for k, array in enumerate(changed)}
        wrong = _run(StateDict(weights, {}, {}, False), "one.l0", x)
        assert np.abs(wrong - recorded["one"]).max() > 0.01


def test_both_files_are_there() -> None:
    assert "state.npz" in FILES
    assert array_files.read(GOLDEN / "state.npz")
