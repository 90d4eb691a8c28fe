"""The structure check names each fault in the description of a healthy flatbuffer."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fixtures.recipes import RECIPES
from harness.flatbuffer.structure import Structure
from harness.structure.recipe_rules import faults


def _tensor(name: str, dtype: str, shape: list[int], **values: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"scale": [], "zero_point": [], "axis": None, "variable": False}
    plain["bytes"] = 0
    return {"name": name, "dtype": dtype, "shape": shape, "signature": shape, **plain, **values}


def _document(io: str, weights: str) -> dict[str, Any]:
    quantised = {"scale": [0.1], "zero_point": [3]} if io != "float32" else {}
    return {
        "version": 3,
        "subgraphs": [
            {
                "inputs": [0, 1],
                "outputs": [3, 4],
                "tensors": [
                    _tensor("b:0", io, [1, 5, 3], **quantised),
                    _tensor("a:0", io, [1, 4], **quantised),
                    _tensor("w", weights, [64, 28], bytes=64 * 28),
                    _tensor("y0", io, [1, 5, 4], **quantised),
                    _tensor("y1", io, [1, 4], **quantised),
                ],
                "operators": [
                    {
                        "name": "UNIDIRECTIONAL_SEQUENCE_LSTM",
                        "inputs": [0, 2, -1],
                        "outputs": [3],
                        "intermediates": [],
                    }
                ],
            }
        ],
        "signatures": [
            {
                "key": "serving_default",
                "inputs": [["a", 1], ["b", 0]],
                "outputs": [["output_0", 4], ["output_1", 3]],
                "subgraph": 0,
            }
        ],
    }


FLOAT = _document("float32", "float32")
INT8 = _document("int8", "int8")


def test_names_decide_and_not_positions() -> None:
    structure = Structure(FLOAT)
    assert structure.input_positions(("a", "b")) == (1, 0)
    assert structure.output_positions(("output_0", "output_1")) == (1, 0)
    assert structure.input_names == ("b", "a")


def test_a_signature_of_something_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected \\['a', 'c'\\]"):
        Structure(FLOAT).input_positions(("a", "c"))
    with pytest.raises(ValueError, match="output_2"):
        Structure(FLOAT).output_positions(("output_2",))


def test_other_names_are_told_apart_by_shape_where_that_decides() -> None:
    structure = Structure(FLOAT)
    assert structure.input_positions(("c", "d"), ((1, 4), (1, 5, 3))) == (1, 0)
    with pytest.raises(ValueError, match="expected"):
        structure.input_positions(("c", "d"), ((1, 5, 3), (1, 5, 3)))


def test_a_flatbuffer_without_signature_is_taken_in_its_order() -> None:
    document = copy.deepcopy(FLOAT)
    document["signatures"] = []
    assert Structure(document).input_positions(("a", "b")) == (0, 1)
    with pytest.raises(ValueError, match="2 inputs, expected 1"):
        Structure(document).input_positions(("a",))


@pytest.mark.parametrize(
    ("document", "recipe"),
    [(FLOAT, "float32"), (INT8, "int8"), (_document("float32", "int8"), "dynamic-range")],
)
def test_a_healthy_flatbuffer_has_no_faults(document: dict[str, Any], recipe: str) -> None:
    assert faults(Structure(document), RECIPES[recipe], "fused") == []


@pytest.mark.parametrize(
    ("document", "recipe", "message"),
    [
        (FLOAT, "int8", "input b:0 is float32, the recipe asks for int8"),
        (INT8, "float32", "input b:0 is int8, the recipe asks for float32"),
        (INT8, "int16x8", "asks for int16"),
        (FLOAT, "dynamic-range", "no int8 weights, although the converter quantises 1"),
        (FLOAT, "float16", "no float16 weights"),
        (_document("int8", "float32"), "int8", "float32 weights in a quantised model: w"),
    ],
)
def test_a_recipe_that_did_not_do_what_it_says_is_found(
    document: dict[str, Any], recipe: str, message: str
) -> None:
    assert message in "; ".join(faults(Structure(document), RECIPES[recipe], "fused"))


@pytest.mark.parametrize(("operator", "fusion"), [("WHILE", "while"), ("ADD", "unrolled")])
def test_an_lstm_that_did_not_fuse_is_found(operator: str, fusion: str) -> None:
    document = copy.deepcopy(FLOAT)
    document["subgraphs"][0]["operators"][0]["name"] = operator
    assert Structure(document).fusion == fusion
    found = faults(Structure(document), RECIPES["float32"], "fused")
    assert found == [f"recurrent layers are {fusion}, expected fused"]


def test_small_weights_may_stay_float_in_dynamic_range() -> None:
    document = copy.deepcopy(FLOAT)
    document["subgraphs"][0]["tensors"][2]["shape"] = [4, 28]
    assert faults(Structure(document), RECIPES["dynamic-range"], "fused") == []
