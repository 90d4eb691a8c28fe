"""Samples that no calibrated range cuts off are held to their own budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed, compare
from harness.comparison.quiet_samples import without_saturated
from reference.budgets.monte_carlo import SAFETY, calibrate, derived, make_hooks
from reference.network import evaluate
from tests.support.networks import document, lstm_weights, named, node

Array = NDArray[Any]
MODEL = document(node("l", "LSTM", units=6), node("d", "Dense", "l", units=2), x=[8, 3])
WEIGHTS = named("l", lstm_weights(6, 3)) | named(
    "d", [np.random.default_rng(2).normal(0, 1, (6, 2)), np.array([0.1, -0.1])]
)


def _samples(large: int) -> Array:
    """20 samples, so many of them six times as large."""
    x = np.random.default_rng(3).uniform(-1, 1, (20, 1, 8, 3))
    x[:large] *= 6
    return x


def _derived(large: int) -> Any:
    calibration = np.random.default_rng(4).uniform(-1, 1, (40, 1, 8, 3))
    ranges = calibrate(MODEL, WEIGHTS, {"x": calibration}, carry_state=False)
    return derived(MODEL, WEIGHTS, {"x": _samples(large)}, "int8", ranges), ranges


@pytest.mark.parametrize(("large", "told"), [(0, False), (4, True), (9, True), (14, False)])
def test_quiet_samples_are_told_where_others_saturate_and_are_fewer(large: int, told: bool) -> None:
    (quiet,) = _derived(large)[0].quiet
    assert (quiet is not None) is told
    if quiet is not None:
        assert not quiet.samples[:large].all()
        assert quiet.samples[large:].all()


def _expectation(found: Any) -> Expectation:
    (quiet,), (budget,) = found.quiet, found.budgets
    own = None if quiet is None else (quiet.samples, Allowed(quiet.value, quiet.rms))
    allowed = Allowed(budget.value, budget.rms)
    return Expectation(tuple(found.values), (allowed,), "", quiet=(own,))


def _held(expected: Expectation, answers: Array) -> Any:
    of_all = compare(expected.outputs, [answers], expected.budgets)
    return of_all, without_saturated(expected, [answers], of_all)


def test_a_fault_that_hides_behind_saturation_is_seen_on_the_quiet_samples() -> None:
    found, ranges = _derived(4)
    expected = _expectation(found)
    (quiet,) = found.quiet
    fault = 2 * quiet.value
    assert fault < found.budgets[0].value, "it hides behind the budget of all"
    of_all, held = _held(expected, found.values[0] + fault)
    assert of_all.result.agreed
    assert not held.result.agreed
    assert "of the 16 of 20 samples that no calibrated range cuts off" in held.result.message


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_sound_implementation_stays_within_both(seed: int) -> None:
    """One more draw of what the budgets are made of."""
    found, ranges = _derived(4)
    hooks = make_hooks("int8", ranges, 2, seed)
    draw = evaluate(MODEL, WEIGHTS, {"x": _samples(4)}, hooks)[0][1]
    _, held = _held(_expectation(found), draw)
    assert held.result.agreed
    assert held.budget_used is not None


def test_without_saturation_the_comparison_is_as_it_was() -> None:
    found, _ = _derived(0)
    of_all, held = _held(_expectation(found), found.values[0])
    assert held is of_all
    assert SAFETY == 3.0
