"""A budget as large as the answers' own spread is seen, and no other one."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.outcomes import Outcome
from harness.comparison.compare import Allowed, compare
from harness.comparison.fitness import unfit

RANDOM = np.random.default_rng(1)
WANT = RANDOM.normal(0, 1, (40, 1, 3))


def test_a_budget_as_large_as_the_spread_decides_nothing() -> None:
    got = WANT + RANDOM.normal(0, 0.5, WANT.shape)
    found = unfit([WANT], [got], [Allowed(5.0, 1.5)])
    assert found is not None
    assert found.output == 0
    assert found.spread == pytest.approx(WANT.std(axis=0).mean(), rel=0.05)
    assert "rounding alone may be off by 1.5" in str(found)


def test_an_ordinary_budget_decides() -> None:
    got = WANT + RANDOM.normal(0, 0.02, WANT.shape)
    assert unfit([WANT], [got], [Allowed(0.3, 0.08)]) is None


def test_a_runtime_that_is_far_better_than_its_budget_is_fit() -> None:
    """The budget proves nothing, and the answers are good all the same."""
    got = WANT + RANDOM.normal(0, 0.02, WANT.shape)
    assert unfit([WANT], [got], [Allowed(5.0, 1.5)]) is None


def test_answers_of_no_variety_show_nothing_of_a_recipe() -> None:
    want = 50 + 0.05 * WANT
    got = want + RANDOM.normal(0, 0.05, want.shape)
    assert unfit([want], [got], [Allowed(1.0, 0.2)]) is None


def test_the_worst_of_several_outputs_is_named() -> None:
    noise = RANDOM.normal(0, 0.5, WANT.shape)
    found = unfit([WANT, WANT], [WANT, WANT + noise], [Allowed(0.1, 0.1), Allowed(5.0, 1.5)])
    assert found is not None
    assert found.output == 1


# Samples that show nothing ----------------------------------------------------------------------


def test_where_all_answers_are_one_the_samples_show_nothing() -> None:
    want = np.full((6, 1, 2), 1.0)
    found = compare([want], [want - 0.003], [Allowed(0.01)])
    assert found.result.agreed
    assert "the samples show nothing" in found.idle


def test_nearly_one_answer_may_be_given_as_one() -> None:
    """A saturated sigmoid: what an int8 output can hold of it is one value."""
    want = 1.0 - 1e-4 * RANDOM.uniform(0, 1, (6, 1, 2))
    found = compare([want], [np.full_like(want, 255 / 256)], [Allowed(0.01)])
    assert found.result.agreed
    assert "the samples show nothing" in found.idle


def test_a_wrong_answer_to_them_is_wrong_all_the_same() -> None:
    want = np.full((6, 1, 2), 1.0)
    found = compare([want], [want - 0.5], [Allowed(0.01)])
    assert found.result.outcome is Outcome.DIVERGED


@pytest.mark.parametrize("got", [np.zeros((40, 1, 3)), np.broadcast_to(WANT[:1], WANT.shape)])
def test_a_constant_is_wrong_where_the_model_is_not(got: np.ndarray) -> None:  # type: ignore[type-arg]
    """Under any budget: were it the budget that says so, a wide one would hide it."""
    found = compare([WANT], [got], [Allowed(10.0)])
    assert found.result.outcome is Outcome.DIVERGED
    assert not found.idle


def test_one_output_that_varies_shows_something() -> None:
    want = np.full((40, 1, 3), 1.0)
    found = compare([want, WANT], [want, WANT], [Allowed(0.01), Allowed(0.01)])
    assert found.result.agreed
    assert found.idle == ""
