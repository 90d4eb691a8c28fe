"""A picture of a comparison shows its worst value, and nothing but numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.comparison.shown_answers import MOST, shown


@dataclass(frozen=True)
class Allowed:
    largest: float


def test_values_of_many_samples_hold_the_worst_and_are_capped() -> None:
    want = np.linspace(-1, 1, 5000).reshape(1000, 1, 5)
    got = want.copy()
    got[777, 0, 3] += 0.5
    found = shown([want], [got], [Allowed(0.1)])
    assert found is not None
    assert len(found["expected"]) == len(found["actual"]) <= MOST
    errors = np.abs(np.subtract(found["actual"], found["expected"]))
    assert errors.max() > 0.49
    assert found["budget"] == 0.1


def test_a_sequence_is_shown_step_by_step_where_it_is_furthest_off() -> None:
    want = np.zeros((4, 1, 9, 3))
    got = want + 0.01
    got[2, 0, 7, 1] = 1.0
    found = shown([want], [got], [Allowed(0.1)])
    assert found is not None
    assert (found["steps"], found["sample"], found["unit"]) == (9, 2, 1)
    assert found["actual"][7] == 1.0
    assert found["by_step"] == [0.01] * 7 + [1.0, 0.01]


def test_the_output_that_uses_most_of_its_budget_is_shown() -> None:
    want = [np.zeros((3, 1, 2)), np.zeros((3, 1, 2))]
    got = [want[0] + 0.5, want[1] + 0.1]
    found = shown(want, got, [Allowed(10.0), Allowed(0.01)])
    assert found is not None
    assert (found["output"], found["of"]) == (1, 2)


def test_what_is_no_number_is_none_and_what_has_another_shape_is_not_shown() -> None:
    want = np.zeros((3, 1, 2))
    bad = want.copy()
    bad[1, 0, 1] = np.nan
    found = shown([want], [bad], [Allowed(float("inf"))])
    assert found is not None
    assert found["budget"] is None
    assert found["actual"].count(None) == 1
    assert shown([want], [np.zeros((3, 1, 4))], [Allowed(1.0)]) is None
    assert shown([], [], []) is None


def test_a_signalling_nan_is_shown_without_a_warning() -> None:
    """What a runtime leaves in memory may be one; converting it raises the invalid flag."""
    want = np.zeros((3, 1, 2), np.float32)
    got = np.full((3, 1, 2), 0x7F800001, np.uint32).view(np.float32)
    found = shown([want], [got], [Allowed(0.1)])
    assert found is not None
    assert found["actual"] == [None] * 6
