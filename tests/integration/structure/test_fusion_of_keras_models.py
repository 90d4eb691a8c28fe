"""The fusion rule against Keras's own knowledge of built models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.variants import VARIANTS
from harness.conversion.recurrent_layers import recurrent_layers
from harness.structure.fusion import failed_conditions


@pytest.fixture(scope="module")
def described(described_models: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((described_models / "models.json").read_text())
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
