"""The hybrid LSTM rounds rows as its kernel does, and its budget is float32's.

Answers of TensorFlow Lite itself are held to it by the dynamic-range cases of the suites.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from reference.budgets.float_lstm import float_budget
from reference.budgets.hybrid_lstm import JITTER, hybrid_budget, quantised_rows
from reference.lstm.float64 import LstmOptions, LstmState, lstm
from reference.lstm.weights import LstmWeights
from tests.support.reference_models import float_weights

Array = NDArray[Any]
X = np.random.default_rng(4).normal(0, 1, (3, 9, 3)).astype(np.float32)


def _hybrid(seed: int = 3) -> LstmWeights:
    """Weights as a hybrid file has them, read back."""
    (found,) = lstm_operators(build(OperatorLstm(float_weights(seed), hybrid=True)).content)
    assert isinstance(found.parameters, LstmWeights)
    return found.parameters


def test_each_row_has_its_own_step() -> None:
    rows = np.array([[1.0, -0.5, 0.25], [10.0, 0.04, 0.03], [0.0, 0.0, 0.0]], np.float32)
    found = quantised_rows(rows)
    np.testing.assert_allclose(found[0], np.array([127, -64, 32]) / 127, rtol=1e-7)
    np.testing.assert_allclose(found[1], [10.0, 10 / 127, 0.0], rtol=1e-6)
    np.testing.assert_array_equal(found[2], 0.0)


def test_with_a_zero_point_a_row_has_255_steps_over_its_range() -> None:
    rows = np.array([[0.0, 1.0, 0.3], [-1.0, -0.5, -0.2], [2.0, -0.55, 1.0]], np.float32)
    found = quantised_rows(rows, asymmetric=True)
    steps = (np.maximum(rows.max(1), 0) - np.minimum(rows.min(1), 0)) / 255
    assert np.all(np.abs(found - rows) <= 0.5001 * steps[:, None])
    np.testing.assert_allclose(found / steps[:, None], np.rint(found / steps[:, None]), atol=1e-4)


def test_only_a_value_near_a_middle_goes_either_way() -> None:
    random = np.random.default_rng(1)
    near = np.full((200, 2), 127.0, np.float32)
    near[:, 1] = 40.5 + 0.2 * JITTER
    assert len(np.unique(quantised_rows(near, random)[:, 1])) == 2
    near[:, 1] = 40.6
    assert len(np.unique(quantised_rows(near, random)[:, 1])) == 1


@pytest.mark.parametrize("asymmetric", [False, True])
def test_it_is_the_float_lstm_of_rounded_rows(asymmetric: bool) -> None:
    """Written out, one step after another."""
    weights = _hybrid()
    run, budget = hybrid_budget(weights, X, asymmetric=asymmetric)
    state = LstmState(np.zeros((3, 5)), np.zeros((3, 5)))
    for t in range(X.shape[1]):
        rounded = LstmState(quantised_rows(state.hidden, None, asymmetric), state.cell)
        x = quantised_rows(X[:, t], None, asymmetric)[:, None]
        one = lstm(weights, x, LstmOptions(), rounded)
        state = one.state
        np.testing.assert_allclose(run.outputs[:, t], one.outputs[:, 0], atol=1e-12)
    np.testing.assert_allclose(run.state.cell, state.cell, atol=1e-12)
    np.testing.assert_array_equal(run.state.hidden, run.outputs[:, -1])
    assert budget.outputs.shape == run.outputs.shape


@pytest.mark.parametrize("seed", range(6))
def test_a_float32_kernel_stays_within_the_budget_and_another_rounding_does_not(seed: int) -> None:
    weights = _hybrid(seed)
    run, budget = hybrid_budget(weights, X)
    single = _float32(weights, 0.5)
    assert np.all(np.abs(single - run.outputs) <= budget.outputs)
    # No rounding at all, and truncation: both far outside.
    for other in (lstm(weights, X).outputs, _float32(weights, 0.0)):
        assert float((np.abs(other - run.outputs) / budget.outputs).max()) > 30
    plain = float_budget(weights, X).outputs
    assert float(np.median(budget.outputs / plain)) < 3


def _float32(weights: LstmWeights, half: float) -> Array:
    """The kernel's arithmetic in float32; half: what is added before the integer part is taken."""

    def rows(values: Array) -> Array:
        most = np.abs(values).max(axis=-1, keepdims=True)
        scaled = values * (np.float32(127) / np.where(most > 0, most, np.float32(1)))
        codes = np.copysign(np.floor(np.abs(scaled) + np.float32(half)), scaled)
        return np.asarray(codes * (most / np.float32(127)), np.float32)

    def sigmoid(v: Array) -> Array:
        return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-v)), np.float32)

    gates = {
        gate: [np.asarray(getattr(group, gate), np.float32) for group in (
            weights.input_kernel, weights.recurrent_kernel, weights.bias
        )]
        for gate in "ifco"
    }  # fmt: skip
    hidden, cell = np.zeros((3, 5), np.float32), np.zeros((3, 5), np.float32)
    found = []
    for t in range(X.shape[1]):
        x, h = rows(X[:, t]), rows(hidden)
        z = {g: x @ k.T + h @ r.T + b for g, (k, r, b) in gates.items()}
        cell = sigmoid(z["f"]) * cell + sigmoid(z["i"]) * np.tanh(z["c"])
        hidden = (sigmoid(z["o"]) * np.tanh(cell)).astype(np.float32)
        found.append(hidden)
    return np.stack(found, axis=1)


def test_time_before_batch_and_an_initial_state() -> None:
    weights = _hybrid()
    state = LstmState(np.full((3, 5), 0.2), np.full((3, 5), -0.4))
    run, budget = hybrid_budget(weights, X, initial=state)
    major = LstmOptions(time_major=True)
    turned, allowed = hybrid_budget(weights, X.swapaxes(0, 1), major, state)
    np.testing.assert_allclose(turned.outputs.swapaxes(0, 1), run.outputs)
    np.testing.assert_allclose(allowed.outputs.swapaxes(0, 1), budget.outputs)
    at_rest, _ = hybrid_budget(weights, X)
    assert np.abs(at_rest.outputs - run.outputs).max() > 0.01


def test_float32_decides_a_tie_at_the_end_of_a_symmetric_range() -> None:
    """The zero point is −1 (−0.5, half away from zero), the inverse of the float32 step of 2 / 255
    a little below 127.5: 1.0 becomes 126.49999, which rounds to code 126."""
    step = float(np.float32(2 / 255))
    found = quantised_rows(np.array([[-1.0, 1.0, 0.0]], np.float32), asymmetric=True)
    inverse = np.float32(1 / step)
    code = np.floor(np.float32(-1) + np.float32(1) * inverse + 0.5)
    np.testing.assert_allclose(found[0, 1], (code + 1) * step, rtol=1e-9)
    assert found[0, 2] == 0
