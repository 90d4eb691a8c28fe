"""Budgets allow for values below the smallest normal float32, which may be flushed to zero."""

from __future__ import annotations

import numpy as np
import pytest

from reference.budgets import monte_carlo
from reference.budgets.monte_carlo import budgets
from reference.budgets.precision_schemes import SMALLEST, UNIT_ROUNDOFF, Float32
from reference.network import evaluate
from reference.network.activations import sigmoid
from tests.support.networks import document, named, node


def test_the_sigmoid_of_a_gate_that_is_almost_shut_keeps_its_digits() -> None:
    """Written with tanh it is 0 below -37, and where such a gate lets through all that there is,
    the whole answer is. Keras's float32 says 6e-31 where that oracle said 0."""
    x = np.array([-700.0, -300.0, -80.0, -37.0, -1.0, 0.0, 3.0, 40.0])
    exact = np.exp(x) / (1 + np.exp(x))
    np.testing.assert_allclose(sigmoid(x), exact, rtol=4e-16)
    assert sigmoid(np.array([-1e9, 1e9])).tolist() == [pytest.approx(0, abs=1e-300), 1.0]


@pytest.mark.parametrize("size", [1e-38, 1e-42, 1e-60])
def test_what_underflows_may_be_off_by_the_smallest_normal_number(size: float) -> None:
    hooks = Float32(64, 0)
    total = hooks.total("t", np.array([[size]]), 1, lambda: np.array([[size]])) - size
    of_function = hooks.function("f", "tanh", np.array([[size]])) - size
    assert SMALLEST / 10 < np.abs(total).max() < 2 * SMALLEST
    assert SMALLEST / 2 < np.abs(of_function).max() <= 1.01 * SMALLEST


def test_an_exact_zero_and_what_is_far_from_underflow_are_as_they_were() -> None:
    hooks = Float32(64, 0)
    zero = np.zeros((1, 3))
    assert not hooks.total("t", zero, 9, lambda: zero).any()
    assert not hooks.function("f", "tanh", zero).any()
    one = np.ones((1, 3))
    drawn = np.random.default_rng(0).standard_normal((64, 3), np.float32)
    wanted = one + drawn * (UNIT_ROUNDOFF * np.sqrt(9) / 3)
    assert np.array_equal(Float32(64, 0).total("t", one, 9, lambda: one), wanted)


def test_a_budget_is_not_below_what_the_output_itself_may_lose() -> None:
    exact = np.array([[1e-40]])
    found = monte_carlo._budget(exact, np.stack([exact, exact]), 3.0)
    assert found.random == SMALLEST
    zero = np.zeros((1, 1))
    assert monte_carlo._budget(zero, np.stack([zero, zero]), 3.0).value == 0


def test_a_model_of_which_shut_gates_leave_almost_nothing() -> None:
    """Its float32 value is within the budget, and another one is not."""
    units = 3
    random = np.random.default_rng(0)
    kernel = np.zeros((1, 4 * units), np.float32)
    kernel[0, :units] = -70.0  # the input gate
    kernel[0, 2 * units : 3 * units] = 1.0
    recurrent = random.normal(0, 0.3, (units, 4 * units)).astype(np.float32)
    bias = np.zeros(4 * units, np.float32)
    model = document(node("l", "LSTM", units=units), x=[5, 1])
    weights = named("l", [kernel, recurrent, bias])
    x = {"x": np.ones((2, 1, 5, 1), np.float32)}
    (value,) = evaluate(model, weights, x)
    (budget,) = budgets(model, weights, x, "float32")
    assert 1e-32 < np.abs(value).max() < 1e-29
    assert 0 < budget.value < 1e-4 * np.abs(value).max()
