"""A fault lies behind the values that some tensor holds, and never before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.diagnosis.first_divergence import Divergence, Row
from harness.diagnosis.reached import first_outputs, holds, reached, suspects
from reference.budgets.monte_carlo import Budget
from tests.support.networks import document, node

Array = NDArray[Any]
CHAIN = document(
    node("conv", "Conv1D"),
    node("norm", "BatchNormalization", "conv"),
    node("lstm", "LSTM", "norm", units=3),
    node("head", "Dense", "lstm", units=2),
    x=[4, 3],
)
FORK = document(
    node("left", "LSTM", units=3),
    node("right", "LSTM", units=3),
    {**node("both", "Concatenate"), "inputs": ["left", "right"]},
    node("head", "Dense", "both:0", units=2),
    x=[4, 3],
)


def _budget(value: float, rms: float | None = None) -> Budget:
    return Budget(value, value if rms is None else rms, 0.0, value, value, 1.0)


@pytest.mark.parametrize(
    ("right", "found"),
    [
        (set(), ["conv", "norm", "lstm", "head"]),
        ({"conv"}, ["norm", "lstm", "head"]),
        ({"norm"}, ["lstm", "head"]),  # the convolution has no tensor of its own
        ({"lstm"}, ["head"]),
        ({"head"}, []),
    ],
)
def test_everything_behind_what_is_right_is_suspect(right: set[str], found: list[str]) -> None:
    assert suspects(CHAIN, "head", right) == found


def test_a_layer_on_another_way_proves_nothing() -> None:
    assert suspects(FORK, "head", {"left"}) == ["right", "both", "head"]
    assert suspects(FORK, "both", {"left", "right"}) == ["both"]
    assert suspects(FORK, "left", {"head"}) == ["left"]  # what comes later is no evidence
    assert suspects(FORK, "x", set()) == []  # an input is no layer


VALUES = np.random.default_rng(3).normal(0, 1, (4, 1, 5, 3))


def test_a_value_is_found_whatever_its_axes_of_one_element() -> None:
    allowed = _budget(0.1)
    assert holds(VALUES, allowed, VALUES.reshape(4, 5, 1, 3))
    assert holds(VALUES, allowed, VALUES + 0.09)
    assert not holds(VALUES, allowed, VALUES + 0.11)
    assert not holds(VALUES, _budget(0.1, 0.01), VALUES + 0.09)
    assert not holds(VALUES, allowed, VALUES.swapaxes(2, 3))
    assert not holds(VALUES, allowed, VALUES.reshape(4, 1, 15, 1))
    assert not holds(VALUES, allowed, np.full_like(VALUES, np.nan))


def test_a_budget_that_tells_nothing_finds_nothing() -> None:
    exact = [VALUES, VALUES + 1, VALUES, np.zeros((4, 1, 2))]
    wide = float(np.ptp(VALUES))
    tensors = [VALUES, np.zeros((4, 1, 2))]
    assert first_outputs(CHAIN) == ["conv:0", "norm:0", "lstm:0", "head:0"]
    found = reached(CHAIN, exact, [_budget(0.01)] * 4, tensors)
    assert found == {"conv", "lstm"}  # a constant holds everywhere
    assert reached(CHAIN, exact, [_budget(wide)] * 4, tensors) == set()


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((), "it starts in layer 'head'"),
        (("head",), "it starts in layer 'head'"),
        (("norm", "head"), "it starts in layers 'norm' or 'head'"),
        (("conv", "norm", "lstm", "head"), "it starts between layers 'conv' and 'head'"),
    ],
)
def test_the_start_is_said_in_a_few_words(layers: tuple[str, ...], text: str) -> None:
    row = Row(3, "t", "ADD", "head", 2.0, 1.0)
    found = Divergence((row,), suspects=layers)
    assert found.start == text
    assert found.document()["start"] == text
    before = len(layers) > 1
    assert ("the values before layer" in found.text) is before


def test_an_input_that_is_wrong_is_where_it_starts() -> None:
    row = Row(0, "x", "input", "x", 2.0, 1.0)
    assert Divergence((row,)).start == "it starts at input 'x'"
    assert Divergence(()).start == ""
    assert "start" not in Divergence(()).document()
