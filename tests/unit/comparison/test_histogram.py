"""A histogram counts errors by steps for integers and by shares of the budget for floats."""

from __future__ import annotations

import numpy as np

from harness.comparison.compare import Allowed
from harness.comparison.histogram import histogram

WANT = np.zeros((2, 3))
BUDGET = [Allowed(1.0)]


def test_integers_are_counted_in_steps_with_their_sign() -> None:
    got = np.array([[0.0, 0.5, -0.5], [1.0, 0.0, 50.0]])
    found = histogram([WANT], [got], BUDGET, [0.5])
    assert found is not None
    assert found["counts"] == {"-1": 1, "0": 2, "1": 1, "2": 1, "8": 1}
    assert (found["unit"], found["most"]) == ("steps", 8)


def test_floats_are_counted_as_shares_of_the_budget() -> None:
    got = np.array([[0.0, 0.001, 0.002], [0.5, 1.0, -1.5]])
    found = histogram([WANT], [got], BUDGET, [None])
    assert found == {
        "unit": "budget",
        "counts": {"0": 1, "0.001": 1, "0.01": 1, "0.5": 1, "1": 1, "more": 1},
    }


def test_what_cannot_be_spread_has_none() -> None:
    assert histogram([WANT], [np.full((2, 3), np.nan)], BUDGET, [None]) is None
    assert histogram([WANT], [np.zeros((3, 2))], BUDGET, [None]) is None
    assert histogram([WANT], [], BUDGET, []) is None
    assert histogram([WANT], [WANT], [Allowed(0.0)], [None]) is None
