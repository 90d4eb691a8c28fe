"""The fusion rule finds each cause of a missing fusion that is injected into healthy graphs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fixtures.recipes import AS_CONVERTED, RECIPES, Recipe
from harness.conversion.recurrent_layers import recurrent_layers
from harness.flatbuffer.structure import Structure
from harness.structure.findings import errors
from harness.structure.fusion import failed_conditions, fusion_findings

LSTM: dict[str, Any] = {
    "nodes": [
        {"name": "lstm", "class": "LSTM", "config": {"units": 4}, "inputs": ["x"]},
    ],
    "outputs": ["lstm"],
}


@pytest.mark.parametrize(
    ("config", "argument"),
    [
        ({"use_bias": False}, "use_bias=False"),
        ({"activation": "relu"}, "activation='relu'"),
        ({"activation": {"class_name": "function", "config": "mine"}}, "activation='mine'"),
        ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation='hard_sigmoid'"),
        ({"recurrent_dropout": 0.3}, "recurrent_dropout=0.3"),
        ({"unroll": True}, "unroll=True"),
        ({"stateful": True}, "stateful=True"),
    ],
)
def test_each_argument_that_prevents_fusion_is_named(config: dict[str, Any], argument: str) -> None:
    document = copy.deepcopy(LSTM)
    assert failed_conditions(recurrent_layers(document)[0]) == ()
    document["nodes"][0]["config"].update(config)
    (condition,) = failed_conditions(recurrent_layers(document)[0])
    assert condition.argument == argument
    assert condition.cure


@pytest.mark.parametrize(
    ("kind", "config", "told"),
    [
        ("LSTM", {"use_bias": False, "unroll": True}, "repair my.keras -o fused.keras"),
        ("LSTM", {"stateful": True}, "(where every recurrent layer is stateful)"),
        ("RNN", {"cell": {"class": "LSTMCell", "config": {"units": 4}}}, "-o fused.keras"),
        ("LSTM", {"use_bias": False, "activation": "relu"}, ""),
        ("GRU", {}, ""),
        ("RNN", {"cell": {"class": "GRUCell", "config": {"units": 4}}}, ""),
        (
            "RNN",
            {"cell": {"class": "LSTMCell", "config": {"units": 4, "activation": "relu"}}},
            "",
        ),
    ],
)
def test_the_cure_names_the_repair_where_there_is_one(
    kind: str, config: dict[str, Any], told: str
) -> None:
    document = copy.deepcopy(LSTM)
    document["nodes"][0]["class"] = kind
    document["nodes"][0]["config"].update(config)
    found = fusion_findings(document, Structure(_loop()), RECIPES["float32"])
    cure = next(finding.cure for finding in found if finding.rule in ("not-fused", "fusion-rule"))
    assert ("harness repair" in cure) == bool(told)
    assert told in cure


# Graphs -------------------------------------------------------------------------------------


def _tensor(name: str, shape: list[int], size: int = 0, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "dtype": "float32",
        "scale": [],
        "zero_point": [],
        "axis": None,
        "variable": False,
    }
    return {"name": name, "shape": shape, "signature": shape, "bytes": size, **plain, **more}


def _fused() -> dict[str, Any]:
    """A graph with one fused LSTM of 4 units, as far as the fusion rule reads it."""
    return {
        "version": 3,
        "signatures": [],
        "subgraphs": [
            {
                "inputs": [0],
                "outputs": [2],
                "tensors": [
                    _tensor("serving_default_x:0", [1, 5, 3]),
                    _tensor("w", [4, 3], 48),
                    _tensor("y", [1, 5, 4]),
                ],
                "operators": [
                    {
                        "name": "UNIDIRECTIONAL_SEQUENCE_LSTM",
                        "inputs": [0, 1, 1],
                        "outputs": [2],
                        "intermediates": [],
                        "options": {},
                    }
                ],
            }
        ],
    }


def _loop(*extra: str) -> dict[str, Any]:
    """The same as a WHILE loop of an LSTM's step."""
    document = _fused()
    main = document["subgraphs"][0]
    main["operators"] = [
        {
            "name": "WHILE",
            "inputs": [0],
            "outputs": [2],
            "intermediates": [],
            "options": {"bodySubgraphIndex": 1, "condSubgraphIndex": 1},
        }
    ]
    names = ["ADD", "SPLIT", *["LOGISTIC"] * 3, *["TANH"] * 2, *extra]
    document["subgraphs"].append(
        {
            "inputs": [],
            "outputs": [],
            "tensors": [_tensor("bias", [16], 64), _tensor("v", [1, 4])],
            "operators": [
                {
                    "name": name,
                    "inputs": [1, 0],
                    "outputs": [1] * (4 if name == "SPLIT" else 1),
                    "intermediates": [],
                    "options": {},
                }
                for name in names
            ],
        }
    )
    return document


def _rules(document: dict[str, Any], model: Any = LSTM) -> list[str]:
    return [f.rule for f in fusion_findings(model, Structure(document), RECIPES["float32"])]


def test_a_fused_layer_raises_nothing() -> None:
    assert _rules(_fused()) == []


def test_a_loop_without_a_cause_is_an_error() -> None:
    assert _rules(_loop()) == ["fusion-unexplained"]


def _given(document: dict[str, Any], recipe: Recipe = AS_CONVERTED) -> tuple[str, str]:
    (finding,) = fusion_findings(LSTM, Structure(document), recipe)
    return finding.rule, f"{finding.message} → {finding.cure}"


@pytest.mark.parametrize("graph", [0, 1])
@pytest.mark.parametrize("shape", [[16, 4], [4, 16], [4, 4]], ids=str)
def test_a_given_loop_with_the_layers_kernel_may_be_of_a_later_tensorflow(
    shape: list[int], graph: int
) -> None:
    document = _loop()
    document["subgraphs"][graph]["tensors"].append(_tensor("kernel", shape, 256))
    rule, told = _given(document)
    assert rule == "fusion-unexplained"
    assert "give the Keras model that the file was converted from" in told
    assert "if a later TensorFlow did, convert with TensorFlow 2.15" in told


@pytest.mark.parametrize("shape", [[16, 5], [5, 20], [4], [16, 4, 1]], ids=str)
def test_a_given_file_without_the_layers_kernel_is_another_model(shape: list[int]) -> None:
    document = _loop()
    document["subgraphs"][1]["tensors"].append(_tensor("kernel", shape, 256))
    rule, told = _given(document)
    assert rule == "fusion-contradicted"
    assert "has the shape of the recurrent kernel of layer 'lstm' (LSTM): another model" in told
    assert "2.15" not in told
    # What the harness converted itself is this model, whatever became of it.
    assert _given(document, RECIPES["float32"])[0] == "fusion-unexplained"


def test_a_given_file_whose_loops_have_a_mask_is_another_model() -> None:
    document = _loop("SELECT_V2")
    document["subgraphs"][1]["tensors"].append(_tensor("kernel", [16, 4], 256))
    rule, told = _given(document)
    assert rule == "fusion-contradicted"
    assert "reads no mask, and every LSTM loop of the file has one: another model" in told
    assert "2.15" not in told


def test_a_given_file_without_weights_is_no_other_model() -> None:
    document = _loop()
    for graph in document["subgraphs"]:
        for tensor in graph["tensors"]:
            tensor["bytes"] = 0
    assert _given(document)[0] == "fusion-unexplained"
    document = _loop()
    names = document["subgraphs"][1]["tensors"]
    names[0]["name"] = "model/lstm/Read_2/ReadVariableOp/resource"
    assert _given(document)[0] == "missing-trackable"


def test_a_missing_trackable_is_named() -> None:
    document = _loop()
    document["subgraphs"][1]["tensors"][0]["name"] = "model/lstm/Read_2/ReadVariableOp/resource"
    assert _rules(document) == ["missing-trackable"]
    assert _rules(document, None) == ["missing-trackable"]


def test_an_open_batch_is_named() -> None:
    document = _loop()
    document["subgraphs"][0]["tensors"][0]["signature"] = [-1, 5, 3]
    (finding,) = fusion_findings(LSTM, Structure(document), RECIPES["float32"])
    assert finding.rule == "open-batch"
    assert "serving_default_x" in finding.message


def test_a_loop_that_does_not_show_the_configurations_reason_is_another_model() -> None:
    model = copy.deepcopy(LSTM)
    model["nodes"][0]["config"]["use_bias"] = False
    assert _rules(_loop(), model) == ["not-fused", "fusion-contradicted"]
    document = _loop()
    document["subgraphs"][1]["tensors"][0]["bytes"] = 0
    assert _rules(document, model) == ["not-fused"]


def test_a_file_without_weights_says_nothing_of_its_biases() -> None:
    document = _loop()
    body = document["subgraphs"][1]
    body["tensors"][0]["bytes"] = 0
    (finding,) = fusion_findings(None, Structure(document), RECIPES["float32"])
    assert "use_bias=False" in finding.message
    body["tensors"].append(_tensor("kernel", [8, 3]))
    product = {"name": "FULLY_CONNECTED", "inputs": [0, len(body["tensors"]) - 1], "outputs": [0]}
    body["operators"].append(product)
    (finding,) = fusion_findings(None, Structure(document), RECIPES["float32"])
    assert "use_bias" not in finding.message
    # Kernels of float16 are there, and a step turns them into float32 first.
    body["tensors"].append(_tensor("halves", [8, 3], 48, dtype="float16"))
    turned = {"name": "DEQUANTIZE", "inputs": [len(body["tensors"]) - 1]}
    body["operators"].append(turned | {"outputs": [len(body["tensors"]) - 2]})
    (finding,) = fusion_findings(None, Structure(document), RECIPES["float32"])
    assert "use_bias=False" in finding.message


def test_a_graph_alone_tells_of_a_mask() -> None:
    (finding,) = fusion_findings(None, Structure(_loop("SELECT_V2")), RECIPES["float32"])
    assert "because of a mask" in finding.message


def test_a_layer_that_is_fused_against_the_rule_is_an_error() -> None:
    model = copy.deepcopy(LSTM)
    model["nodes"][0]["config"]["activation"] = "relu"
    found = errors(fusion_findings(model, Structure(_fused()), RECIPES["float32"]))
    assert [finding.rule for finding in found] == ["fusion-rule"]


def test_a_fused_operator_of_no_layer_is_an_error() -> None:
    model = copy.deepcopy(LSTM)
    model["nodes"][0]["config"]["units"] = 5
    assert "fusion-unaccounted" in _rules(_fused(), model)
