"""Each rule of the comparison is kept, and a comparison without it is caught."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase
from harness.comparison.compare import Allowed, Comparison, compare

Array = NDArray[np.float64]


@pytest.fixture
def want() -> Array:
    """[4 samples, 1, 28 steps, 5 units]"""
    return np.random.default_rng(0).uniform(-1, 1, (4, 1, 28, 5))


def _diverged(comparison: Comparison, text: str) -> None:
    assert comparison.result.outcome is Outcome.DIVERGED
    assert text in comparison.result.message


def test_equal_agrees_and_counts_what_it_compared(want: Array) -> None:
    found = compare([want], [want.copy()], [Allowed(1e-6)])
    assert found.result.agreed
    assert (found.values, found.error, found.budget_used) == (want.size, 0.0, 0.0)


def test_budget_used_is_error_over_budget(want: Array) -> None:
    found = compare([want], [want + 5e-7], [Allowed(1e-6)])
    assert found.result.agreed
    assert found.budget_used == pytest.approx(0.5)


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
    assert compare([want, want], [want, want + 0.4], [Allowed(1e-6), Allowed(0.5)]).result.agreed
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
    assert compare([want], [want], [Allowed(10.0)], [0.1]).result.agreed


def test_a_model_that_is_constant_may_answer_so() -> None:
    same = np.full((4, 1, 3), 0.25)
    assert compare([same], [same.copy()], [Allowed(1e-6)]).result.agreed


def test_a_budget_of_nothing_allows_nothing(want: Array) -> None:
    assert compare([want], [want.copy()], [Allowed(0.0)]).result.agreed
    _diverged(compare([want], [want + 1e-12], [Allowed(0.0)]), "differs")


def test_a_small_fault_that_is_everywhere_fails_by_its_root_mean_square(want: Array) -> None:
    """Each difference is within the largest allowed one, all of them together are not."""
    found = compare([want], [want + 0.01], [Allowed(0.02, 0.005)])
    _diverged(found, "root mean square of 0.01, budget 0.005")
    assert found.measure == "rms"
    assert found.budget_used == pytest.approx(2.0)
    got = want.copy()
    got[0, 0, 0, 0] += 0.01
    assert compare([want], [got], [Allowed(0.02, 0.005)]).result.agreed


def test_the_outcomes_phase_is_compare_whatever_it_is(want: Array) -> None:
    for got, budget in ((want, 1.0), (want + 2, 1.0), (want[:0], 1.0)):
        assert compare([want], [got], [Allowed(budget)]).result.phase is Phase.COMPARE


def test_every_output_must_have_a_budget(want: Array) -> None:
    with pytest.raises(ValueError, match="zip"):
        compare([want, want], [want, want], [Allowed(1.0)])


def test_integers_are_compared_as_numbers_and_do_not_wrap() -> None:
    """127 − (−128) is −1 in int8, and the range of such an array is too."""
    want = np.array([[[-128, 0, 5]], [[127, 3, 5]]], np.int8)
    got = np.array([[[127, 0, 5]], [[-128, 3, 5]]], np.int8)
    found = compare([want], [got], [Allowed(10.0)])
    _diverged(found, "differs by 255")
    assert found.error == 255.0
    _diverged(compare([want], [np.full_like(want, 5)], [Allowed(1e3)]), "every value is 5")
    _diverged(compare([want], [want[[0, 0]]], [Allowed(1e3)]), "the same answer for every sample")
    assert compare([want], [want.copy()], [Allowed(0.0)]).result.agreed


def test_all_values_are_counted_and_the_worst_is_told(want: Array) -> None:
    more = np.stack([want[..., 0]] * 2, -1)
    found = compare([want, more], [want + 0.1, more + 0.2], [Allowed(1.0), Allowed(1.0)])
    assert found.values == want.size + more.size
    assert found.error == found.budget_used == pytest.approx(0.2)
    assert (found.budget, found.measure) == (1.0, "largest")
    first = compare([want, more], [want + 0.3, more + 0.2], [Allowed(1.0), Allowed(1.0)])
    assert first.error == pytest.approx(0.3)


def test_a_budget_that_is_just_met_is_met() -> None:
    want = np.array([[0.0, 1.0]])
    found = compare([want], [want + 0.5], [Allowed(0.5, 0.5)])
    assert found.result.agreed
    assert (found.budget_used, found.measure) == (1.0, "largest")
    _diverged(
        compare([want], [want + 0.5], [Allowed(0.25, 1.0)]), "it would pass with a budget of 0.5"
    )


def test_no_budget_and_no_error_uses_none_of_it() -> None:
    want = np.array([[0.0, 1.0]])
    assert compare([want], [want.copy()], [Allowed(0.0, 0.0)]).budget_used == 0.0
    assert compare([want], [want + 1], [Allowed(0.0, 0.0)]).budget_used == float("inf")


def test_one_value_is_a_comparison() -> None:
    """A model with one output of one value: no constant, no emptiness."""
    one = np.array([[0.25]])
    found = compare([one], [one + 0.5], [Allowed(1.0)])
    assert (found.result.agreed, found.values, found.error) == (True, 1, 0.5)
    _diverged(compare([np.empty((1, 0))], [one], [Allowed(1.0)]), "empty")
    _diverged(compare([one], [np.empty((1, 0))], [Allowed(1.0)]), "empty")


def test_two_equal_values_where_they_should_differ_are_constant() -> None:
    _diverged(compare([np.array([[0.0, 0.1]])], [np.full((1, 2), 0.05)], [Allowed(1.0)]), "0.05")


def test_two_samples_that_differ_may_not_have_one_answer() -> None:
    want = np.array([[0.0, 1.0], [0.5, 1.0]])
    got = np.array([[0.1, 1.0], [0.1, 1.0]])
    _diverged(compare([want], [got], [Allowed(1.0)]), "the same answer for every sample")
    same = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert compare([same], [same + 0.1], [Allowed(1.0)]).result.agreed


def test_a_range_that_does_not_fit_its_type_is_no_constant() -> None:
    """-128 and 127 are 255 apart, which is -1 in int8: less than the range of the equal values."""
    want = np.array([[-128, 5], [127, 5]], np.int8)
    assert compare([want], [want.copy()], [Allowed(0.0)]).result.agreed
    assert compare([want[:, :1]], [want[:, :1]], [Allowed(0.0)]).result.agreed


def test_the_output_nearest_to_its_budget_is_told_wherever_it_is(want: Array) -> None:
    for order in ((0.0, 0.5, 0.25), (0.25, 0.0, 0.5), (0.5, 0.25, 0.0)):
        found = compare([want] * 3, [want + by for by in order], [Allowed(1.0)] * 3)
        assert found.error == found.budget_used == pytest.approx(0.5)
        assert found.values == 3 * want.size
    found = compare([want] * 2, [want + 0.5, want + 0.5], [Allowed(1.0, 0.75), Allowed(0.6)])
    assert (found.measure, found.budget) == ("largest", 0.6)


def test_what_cannot_be_an_answer_is_told_in_these_words(want: Array) -> None:
    bad = np.full_like(want, np.nan)
    for expected, got, words in (
        (bad, want, "output 0: the expected output holds NaN or infinity"),
        (want, want[[0, 0, 0, 0]], "output 0: the same answer for every sample"),
    ):
        found = compare([expected], [got], [Allowed(1.0)])
        assert (found.result.message, found.values) == (words, 0)
        assert found.error is found.budget is found.budget_used is None


def test_the_expectation_itself_must_be_finite(want: Array) -> None:
    bad = want.copy()
    bad[0, 0, 0, 0] = np.inf
    _diverged(compare([bad], [want], [Allowed(1.0)]), "the expected output holds NaN or infinity")


def test_half_of_the_values_may_be_saturated(want: Array) -> None:
    assert compare([want], [want], [Allowed(1.0)], [0.5]).result.agreed
