"""A layer whose constants the converter folds into its neighbours excuses those alone."""

from __future__ import annotations

from typing import Any

import pytest

from harness.weights.audit import normalised
from tests.support.networks import document, node

CALL = {"function": "math.multiply", "arguments": [{"input": 0}], "keywords": {"y": 2.0}}


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("BatchNormalization", {}),
        ("Rescaling", {"scale": 2.0}),
        ("Normalization", {}),
        ("Activation", {"activation": "hard_sigmoid"}),
        ("TimeDistributed", {"layer": {"class": "BatchNormalization", "config": {}}}),
        ("TFOpLambda", CALL),
    ],
)
def test_what_scales_goes_into_the_layers_around_it(kind: str, config: dict[str, Any]) -> None:
    model = document(
        node("far", "Dense", units=2),
        node("before", "Dense", "far", units=2),
        node("scaling", kind, "before", **config),
        node("flat", "Flatten", "scaling"),
        node("behind", "Dense", "flat", units=2),
        node("last", "Dense", "behind", units=2),
    )
    assert {"before", "behind"} <= normalised(model)
    assert not {"far", "last"} & normalised(model)


def test_an_activation_that_scales_goes_into_its_own_layer() -> None:
    model = document(
        node("a", "Dense", units=2, activation="hard_sigmoid"),
        node("b", "Dense", "a", units=2),
        node("c", "Dense", "b", units=2),
    )
    assert "a" in normalised(model)
    assert "c" not in normalised(model)


@pytest.mark.parametrize("kind", ["Flatten", "Dropout", "LeakyReLU", "MaxPooling1D", "Conv2D"])
def test_other_layers_excuse_nothing(kind: str) -> None:
    model = document(node("a", "Dense", units=2), node("b", kind, "a"), node("c", "Dense", "b"))
    assert normalised(model) == set()
