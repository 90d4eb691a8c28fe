"""Each rule of the comparison, and the faulty comparison that it must not be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.comparison import Allowed, Comparison, compare
from fixtures.outcomes import Kind

Array = NDArray[np.float64]


@pytest.fixture
def want() -> Array:
    """[4 samples, 1, 28 steps, 5 units]"""
    return np.random.default_rng(0).uniform(-1, 1, (4, 1, 28, 5))


def _diverged(comparison: Comparison, text: str) -> None:
    assert comparison.outcome.kind is Kind.DIVERGED
    assert text in comparison.outcome.message


def test_equal_agrees_and_counts_what_it_compared(want: Array) -> None:
    found = compare([want], [want.copy()], [Allowed(1e-6)])
    assert found.outcome.agreed
    assert (found.values, found.error, found.headroom) == (want.size, 0.0, 0.0)


def test_headroom_is_error_over_budget(want: Array) -> None:
    found = compare([want], [want + 5e-7], [Allowed(1e-6)])
    assert found.outcome.agreed
    assert found.headroom == pytest.approx(0.5)


def test_a_negative_difference_counts_like_a_positive_one(want: Array) -> None:
    """Published harnesses assert `expected - actual < tolerance`."""
    _diverged(compare([want], [want + 1.0], [Allowed(0.5)]), "differs by 1")
    _diverged(compare([want], [want - 1.0], [Allowed(0.5)]), "differs by 1")


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (3, 0, 27, 4), (2, 0, 14, 2)])
def test_one_wrong_value_anywhere_diverges_and_is_located(
    want: Array, place: tuple[int, ...]
) -> None:
    """Not the first step only, not the first row, not the mean."""
    got = want.copy()
    got[place] += 0.01
    _diverged(compare([want], [got], [Allowed(0.005)]), f"worst at {list(place)}: ")


def test_the_second_output_counts(want: Array) -> None:
    _diverged(compare([want, want], [want, want + 1], [Allowed(0.5), Allowed(0.5)]), "output 1")


def test_each_output_has_its_own_budget(want: Array) -> None:
    assert compare([want, want], [want, want + 0.4], [Allowed(1e-6), Allowed(0.5)]).outcome.agreed
    _diverged(compare([want, want], [want + 0.4, want], [Allowed(1e-6), Allowed(0.5)]), "output 0")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_diverge_under_any_budget(want: Array, bad: float) -> None:
    got = want.copy()
    got[1, 0, 3, 2] = bad
    _diverged(compare([want], [got], [Allowed(1e9)]), "NaN or infinite")


def test_nothing_compared_is_no_agreement(want: Array) -> None:
    empty = np.empty((0, 1, 28, 5))
    _diverged(compare([], [], []), "nothing to compare")
    _diverged(compare([want], [], [Allowed(1.0)]), "nothing to compare")
    _diverged(compare([empty], [empty], [Allowed(1.0)]), "empty")


def test_another_shape_is_not_broadcast(want: Array) -> None:
    _diverged(compare([want], [want[:, :, :1]], [Allowed(10.0)]), "shape")
    _diverged(compare([want], [want, want], [Allowed(10.0)]), "2 outputs, expected 1")


def test_a_constant_output_diverges_under_any_budget(want: Array) -> None:
    _diverged(compare([want], [np.zeros_like(want)], [Allowed(10.0)]), "constant")


def test_a_stale_output_diverges_under_any_budget(want: Array) -> None:
    stale = np.broadcast_to(want[:1], want.shape)
    _diverged(compare([want], [stale], [Allowed(10.0)]), "the same answer for every sample")


def test_a_saturated_output_diverges_under_any_budget(want: Array) -> None:
    _diverged(compare([want], [want], [Allowed(10.0)], [0.6]), "saturated")
    assert compare([want], [want], [Allowed(10.0)], [0.1]).outcome.agreed


def test_a_model_that_is_constant_may_answer_so() -> None:
    same = np.full((4, 1, 3), 0.25)
    assert compare([same], [same.copy()], [Allowed(1e-6)]).outcome.agreed


def test_a_budget_of_nothing_allows_nothing(want: Array) -> None:
    assert compare([want], [want.copy()], [Allowed(0.0)]).outcome.agreed
    _diverged(compare([want], [want + 1e-12], [Allowed(0.0)]), "differs")


def test_a_small_fault_that_is_everywhere_fails_by_its_root_mean_square(want: Array) -> None:
    """Each difference is within the largest allowed one, all of them together are not."""
    found = compare([want], [want + 0.01], [Allowed(0.02, 0.005)])
    _diverged(found, "root mean square of 0.01, budget 0.005")
    assert (found.measure, found.headroom) == ("rms", pytest.approx(2.0))
    got = want.copy()
    got[0, 0, 0, 0] += 0.01
    assert compare([want], [got], [Allowed(0.02, 0.005)]).outcome.agreed
