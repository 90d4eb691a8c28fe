"""Dynamic range leaves an LSTM with one small kernel in float, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.structure import Structure
from harness.structure.recipe_rules import faults, recipe_findings
from reference.lstm.weights import LstmWeights
from tests.support.networks import lstm_weights
from tests.support.small_models import structure

DYNAMIC = RECIPES["dynamic-range"]


def _lstm(units: int, features: int, hybrid: bool = False) -> Structure:
    weights = [w.astype(np.float32) for w in lstm_weights(units, features)]
    operator = OperatorLstm(LstmWeights.from_keras(*weights), 3, 1, hybrid=hybrid)
    return structure(build(operator).content)


def _dense(rows: int, columns: int, dtype: str = "float32", operator: str = "") -> Structure:
    graph = GraphBuilder()
    x, y = graph.tensor("x", (1, columns), "float32"), graph.tensor("y", (1, rows), "float32")
    scale = 0.1 if dtype == "int8" else None
    w = graph.tensor("w", (rows, columns), dtype, scale, 0, data=np.ones((rows, columns)))
    graph.operator(operator or "FULLY_CONNECTED", [x, w, -1] if not operator else [x, w], [y])
    return structure(graph.pack([x], [y]))


@pytest.mark.parametrize(
    ("units", "features", "kernel", "elements"),
    [(64, 5, "input kernel", "320"), (32, 40, "", ""), (8, 200, "recurrent kernel", "64"),
     (16, 16, "input kernel", "256")],
)  # fmt: skip
def test_an_lstm_with_one_small_kernel_stays_in_float(
    units: int, features: int, kernel: str, elements: str
) -> None:
    found = _lstm(units, features)
    notes = recipe_findings(found, DYNAMIC)
    assert recipe_findings(found, RECIPES["float32"]) == []
    if not kernel:
        # All of its kernels are large, and it was left in float all the same.
        assert notes == []
        assert "no int8 weights" in "; ".join(faults(found, DYNAMIC, None))
        return
    (note,) = notes
    assert (note.rule, note.level) == ("dynamic-range-idle", "note")
    assert f"its {kernel} has {elements} of 1,024 elements" in note.message
    assert faults(found, DYNAMIC, None) == []


def test_an_lstm_that_was_quantised_is_no_note() -> None:
    found = _lstm(32, 40, hybrid=True)
    assert recipe_findings(found, DYNAMIC) == []
    assert faults(found, DYNAMIC, None) == []


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (_dense(32, 32), False),
        (_dense(32, 31), True),
        (_dense(32, 32, "int8"), True),
        (_dense(32, 32, operator="ADD"), True),  # a table that is added, such as of positions
    ],
)
def test_what_the_converter_quantises_has_to_be_int8(found: Structure, right: bool) -> None:
    assert (faults(found, DYNAMIC, None) == []) is right
