"""Each cause of a refusal by TFLite Micro, injected into a healthy graph, is predicted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.recipes import RECIPES
from harness.device.op_resolver import op_resolver, resolver_lines
from harness.flatbuffer.quantization_table import quantization_table
from harness.flatbuffer.structure import Structure
from harness.structure.recipe_rules import recipe_findings
from harness.structure.tflm_compatibility import tflm_findings
from tests.unit.structure.test_fusion import _fused, _loop


def test_the_resolver_names_what_the_firmware_registers() -> None:
    document = _fused()
    _add("FULLY_CONNECTED")(document)
    _add("REDUCE_ANY")(document)
    structure = Structure(document)
    assert op_resolver(structure) == [
        "FULLY_CONNECTED",
        "REDUCE_ANY",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    ]
    lines = resolver_lines(structure, "a model")
    assert "tflite::MicroMutableOpResolver<2> resolver;" in lines
    assert "resolver.AddUnidirectionalSequenceLSTM();" in lines
    assert "resolver.AddFullyConnected();" in lines
    assert "// REDUCE_ANY: TensorFlow Lite Micro has no such operator" in lines


def _add(name: str, dtypes: tuple[str, ...] = ()) -> Callable[[dict[str, Any]], None]:
    """Adds an operator that reads new tensors of these types."""

    def change(document: dict[str, Any]) -> None:
        graph = document["subgraphs"][0]
        first = len(graph["tensors"])
        for dtype in dtypes:
            tensor = copy.deepcopy(graph["tensors"][0])
            graph["tensors"].append({**tensor, "dtype": dtype, "name": f"t{first}"})
        inputs = list(range(first, len(graph["tensors"]))) or [0]
        graph["operators"].append(
            {"name": name, "inputs": inputs, "outputs": [2], "intermediates": [], "options": {}}
        )

    return change


def _open(axis: int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        tensor = document["subgraphs"][0]["tensors"][0]
        tensor["signature"] = [-1 if k == axis else n for k, n in enumerate(tensor["shape"])]
        tensor["shape"] = [1 if k == axis else n for k, n in enumerate(tensor["shape"])]

    return change


def _hybrid(document: dict[str, Any]) -> None:
    document["subgraphs"][0]["tensors"][1]["dtype"] = "int8"


@pytest.mark.parametrize(
    ("fault", "rule", "predicted"),
    [
        (_add("REDUCE_ANY"), "tflm-operator", "refuses"),
        (_add("FlexTensorListReserve"), "tflm-operator", "refuses"),
        (_add("GATHER", ("bool", "int32")), "tflm-gather-bool", "refuses"),
        (_add("DEQUANTIZE", ("float16",)), "tflm-float16", "refuses"),
        (_add("FULLY_CONNECTED", ("float32", "int8")), "tflm-hybrid", "refuses"),
        (_add("FILL", ("int32", "float32")), "tflm-dynamic", "refuses"),
        (_hybrid, "tflm-hybrid-lstm", "wrong"),
        (_open(1), "tflm-open-size", "refuses"),
    ],
)
def test_each_cause_is_named(
    fault: Callable[[dict[str, Any]], None], rule: str, predicted: str
) -> None:
    document = _fused()
    assert tflm_findings(Structure(document), [(1, 5, 3)]) == []
    fault(document)
    (finding,) = tflm_findings(Structure(document), [(1, 5, 3)])
    assert (finding.rule, finding.predicts) == (rule, {"tflm": predicted})


def test_an_open_size_of_one_is_no_trouble() -> None:
    document = _fused()
    _open(0)(document)
    assert tflm_findings(Structure(document), [(1, 5, 3)]) == []


def test_a_loop_that_collects_every_output_is_predicted() -> None:
    document = _loop()
    assert tflm_findings(Structure(document)) == []
    body = document["subgraphs"][1]
    body["operators"].append(
        {"name": "SLICE", "inputs": [1, 1, 1], "outputs": [1], "intermediates": [], "options": {}}
    )
    (finding,) = tflm_findings(Structure(document))
    assert finding.predicts == {"tflm": "hangs or wrong"}


def test_float_islands_are_named() -> None:
    document = _fused()
    assert recipe_findings(Structure(document), RECIPES["float32"]) == []
    (finding,) = recipe_findings(Structure(document), RECIPES["int8"])
    assert finding.rule == "not-quantised"
    _add("QUANTIZE")(document)
    (finding,) = recipe_findings(Structure(document), RECIPES["int8"])
    assert finding.rule == "float-island"
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM (y)" in finding.message


def _in_float(name: str, reads: int, writes: int) -> dict[str, Any]:
    return {"name": name, "inputs": [reads], "outputs": [writes], "intermediates": []}


def test_an_operator_that_has_no_int8_form_is_the_cause_and_not_the_calibration() -> None:
    """Also where another one hands its numbers on; what has such a form is an island still."""
    document = _fused()
    graph = document["subgraphs"][0]
    plain = {**graph["tensors"][0], "dtype": "float32", "bytes": 0}
    graph["tensors"] += [{**plain, "name": name} for name in ("e", "r", "f")]
    e, r, f = range(len(graph["tensors"]) - 3, len(graph["tensors"]))
    graph["operators"] = [
        {"name": "QUANTIZE", "inputs": [0], "outputs": [0], "intermediates": []},
        _in_float("ELU", 0, e),
        _in_float("RESHAPE", e, r),
    ]
    (finding,) = recipe_findings(Structure(document), RECIPES["int8"])
    assert finding.rule == "float-operator"
    assert "ELU (e), RESHAPE (r)" in finding.message
    assert "no int8 form of ELU" in finding.message
    assert "calibration samples" not in finding.cure
    graph["operators"].append(_in_float("FULLY_CONNECTED", r, f))
    of_both = recipe_findings(Structure(document), RECIPES["int8"])
    assert [found.rule for found in of_both] == ["float-operator", "float-island"]
    assert "FULLY_CONNECTED (f)" in of_both[1].message
    assert "ELU" not in of_both[1].message


def test_resource_states_are_named() -> None:
    document = _fused()
    _add("READ_VARIABLE")(document)
    _add("ASSIGN_VARIABLE")(document)
    (finding,) = recipe_findings(Structure(document), RECIPES["float32"])
    assert finding.predicts == {"tflite": "wrong"}


def test_the_table_shows_scale_zero_point_and_range() -> None:
    document = _fused()
    tensor = document["subgraphs"][0]["tensors"][0]
    tensor.update(dtype="int8", scale=[0.5], zero_point=[-1])
    table = quantization_table(Structure(document))
    (line,) = [line for line in table.splitlines() if "serving_default_x" in line]
    assert line.split()[-4:] == ["0.5", "-1", "-63.5", "64"]
