"""Decisions are counted as a classifier makes them, and labels are held to them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.comparison import accuracy
from harness.comparison.decisions import deciders, decisions
from tests.support.networks import document, node

WANT = np.array([[[0.1, 0.7, 0.2]], [[0.4, 0.3, 0.3]], [[0.2, 0.2, 0.6]], [[0.3, 0.4, 0.3]]])


def test_what_decides() -> None:
    nodes = [
        node("d", "Dense", "x", units=3, activation="softmax"),
        node("s", "Dense", "x", units=1, activation="sigmoid"),
        node("r", "Dense", "x", units=1),
        node("l", "Dense", "x", units=3),
        node("p", "Softmax", "l"),
        node("q", "Activation", "l", activation="softmax"),
        node("h", "LSTM", "x", units=3, activation="sigmoid"),
        node("t", "TimeDistributed", "x", layer={"class": "Dense", "config": {"units": 2}}),
    ]
    model = document(*nodes, outputs="d s r p q h d:0 t")
    expected = ["argmax", "threshold", None, "argmax", "argmax", None, "argmax", None]
    assert deciders(model) == expected


def test_the_largest_score_decides() -> None:
    got = WANT.copy()
    got[1, 0] = [0.31, 0.35, 0.34]
    found = decisions([WANT], [got], ["argmax"])
    assert found is not None
    assert (found.changed, found.of, found.share) == (1, 4, 0.25)
    assert str(found) == "1 of 4 decisions change (25.0%, largest score)"
    unchanged = decisions([WANT], [WANT + 0.2], ["argmax"])
    assert unchanged is not None
    assert unchanged.changed == 0


def test_a_half_decides_of_one_score() -> None:
    want = np.array([[[0.9]], [[0.51]], [[0.1]]])
    got = np.array([[[0.6]], [[0.49]], [[0.4]]])
    found = decisions([want], [got], ["threshold"])
    assert found is not None
    assert (found.changed, found.of) == (1, 3)
    assert decisions([WANT], [WANT], ["threshold"]) is None  # several scores of their own
    assert decisions([want], [got], ["argmax"]) is None
    assert decisions([want], [got], [None]) is None


def test_labels_of_one_score_are_held_to_a_half() -> None:
    scores = np.array([[[0.9]], [[0.2]], [[0.6]], [[0.4]]])
    assert accuracy.top1(scores, np.array([1, 0, 1, 0])) == 1.0
    assert accuracy.top1(scores, np.array([0, 0, 0, 0])) == 0.5
    assert accuracy.top1(WANT, np.array([1, 0, 2, 0])) == 0.75


@pytest.mark.parametrize(("samples", "most"), [(50, 3), (10_000, 124)])
def test_an_integer_model_may_lose_what_chance_explains(samples: int, most: int) -> None:
    for lost, fails in ((most, False), (most + 1, True)):
        found = accuracy.fault(0.9 - lost / samples, 0.9, "int8", samples)
        assert bool(found) is fails
    assert accuracy.fault(0.9 - 1 / samples, 0.9, "float32", samples)
    assert accuracy.fault(0.9, 0.9, "float32", samples) == ""
