"""The fusion rule agrees with Keras's own knowledge of built models.

In healthy graphs each cause of a missing fusion is injected and found.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest

from fixtures.recipes import RECIPES
from fixtures.variants import VARIANTS
from harness.conversion.recurrent_layers import recurrent_layers
from harness.flatbuffer.structure import Structure
from harness.structure.findings import errors
from harness.structure.fusion import failed_conditions, fusion_findings
from harness.support.project import ROOT

LSTM = {
    "nodes": [
        {"name": "lstm", "class": "LSTM", "config": {"units": 4}, "inputs": ["x"]},
    ],
    "outputs": ["lstm"],
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("described") / "models.json"
    script = ROOT / "tests" / "support" / "describe_models.py"
    subprocess.run([sys.executable, script, path], check=True, capture_output=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_masks_are_those_that_keras_hands_on(described: dict[str, Any]) -> None:
    """Read from the configuration alone, for the whole catalogue and a dozen other models."""
    for name, model in described.items():
        found = {layer.name: bool(layer.masked) for layer in recurrent_layers(model["config"])}
        found = {layer: masked for layer, masked in found.items() if "/" not in layer}
        assert found == model["masked"], name


def test_a_keras_configuration_and_a_description_tell_the_same(described: dict[str, Any]) -> None:
    for name, variant in VARIANTS.items():
        ours = recurrent_layers(variant.document())
        keras = recurrent_layers(described[name]["config"])
        assert [layer.units for layer in ours] == [layer.units for layer in keras], name
        for one, other in zip(ours, keras, strict=True):
            arguments = {c.argument for c in failed_conditions(one)}
            assert arguments == {c.argument for c in failed_conditions(other)}, name


@pytest.mark.parametrize(
    ("model", "layer", "argument"),
    [
        ("mask-through-dropout", "lstm", "the mask from Embedding"),
        ("mask-through-lstm", "lstm", "the mask from Embedding"),
        ("states-read-by-layer", "lstm", "return_state=True"),
        ("sequential", "lstm", "use_bias=False"),
        ("sequential", "lstm", "the mask from Masking"),
        ("model-inside", "/lstm", "recurrent_dropout=0.2"),
    ],
)
def test_a_users_layer_and_argument_are_named(
    described: dict[str, Any], model: str, layer: str, argument: str
) -> None:
    named = [
        (found.name, condition.argument)
        for found in recurrent_layers(described[model]["config"])
        for condition in failed_conditions(found)
    ]
    assert any(layer in name and text.startswith(argument) for name, text in named), named


def test_healthy_layers_of_users_meet_every_condition(described: dict[str, Any]) -> None:
    for model in ("states-not-read", "mask-ends-at-conv"):
        for layer in recurrent_layers(described[model]["config"]):
            assert failed_conditions(layer) == ()


def test_a_constant_initial_state_is_seen(described: dict[str, Any]) -> None:
    (layer,) = recurrent_layers(described["constant-state"]["config"])
    assert layer.initial_state == "constant"


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
    document["nodes"][0]["config"].update(config)  # type: ignore[attr-defined]
    (condition,) = failed_conditions(recurrent_layers(document)[0])
    assert condition.argument == argument
    assert condition.cure


# Graphs -------------------------------------------------------------------------------------


def _tensor(name: str, shape: list[int], size: int = 0, **more: Any) -> dict[str, Any]:
    plain = {"dtype": "float32", "scale": [], "zero_point": [], "axis": None, "variable": False}
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
    model["nodes"][0]["config"]["use_bias"] = False  # type: ignore[index]
    assert _rules(_loop(), model) == ["not-fused", "fusion-contradicted"]
    document = _loop()
    document["subgraphs"][1]["tensors"][0]["bytes"] = 0
    assert _rules(document, model) == ["not-fused"]


def test_a_graph_alone_tells_of_a_mask() -> None:
    (finding,) = fusion_findings(None, Structure(_loop("SELECT_V2")), RECIPES["float32"])
    assert "because of a mask" in finding.message


def test_a_layer_that_is_fused_against_the_rule_is_an_error() -> None:
    model = copy.deepcopy(LSTM)
    model["nodes"][0]["config"]["activation"] = "relu"  # type: ignore[index]
    found = errors(fusion_findings(model, Structure(_fused()), RECIPES["float32"]))
    assert [finding.rule for finding in found] == ["fusion-rule"]


def test_a_fused_operator_of_no_layer_is_an_error() -> None:
    model = copy.deepcopy(LSTM)
    model["nodes"][0]["config"]["units"] = 5  # type: ignore[index]
    assert "fusion-unaccounted" in _rules(_fused(), model)
