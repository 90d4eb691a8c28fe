"""Convolutions and tables are held to their layers, with a normalisation folded in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.assurance.certificate.constants import edits
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import schema
from harness.weights.audit import audit, normalised
from harness.weights.convolutions import of_keras
from tests.support.networks import document, named, node

Array = NDArray[Any]
STEPS, CHANNELS, FILTERS, SIZE = 8, 3, 4, 3
CONV = "CONV_2D"
_RANDOM = np.random.default_rng(7)
KERNEL = _RANDOM.normal(size=(SIZE, CHANNELS, FILTERS))
BIAS = _RANDOM.normal(size=FILTERS)
GAMMA, BETA, MEAN = (_RANDOM.normal(size=FILTERS) for _ in range(3))
VARIANCE = _RANDOM.uniform(0.5, 2.0, FILTERS)
EPSILON = 1e-2


def _model(*layers: dict[str, Any]) -> dict[str, Any]:
    return document(*layers, x=[STEPS, CHANNELS])


def _conv(**config: Any) -> dict[str, Any]:
    return node("conv", "Conv1D", "x", filters=FILTERS, kernel_size=SIZE, **config)


PLAIN = _model(_conv(), node("pool", "MaxPooling1D", "conv"))
FOLDED = _model(_conv(), node("norm", "BatchNormalization", "conv", epsilon=EPSILON))
WEIGHTS = {
    **named("conv", [KERNEL, BIAS]),
    **named("norm", [GAMMA, BETA, MEAN, VARIANCE]),
}


def _file(kernel: Array, bias: Array) -> bytes:
    graph = GraphBuilder()
    x = graph.tensor("x", (1, 1, STEPS, CHANNELS), "float32")
    values = np.moveaxis(kernel, -1, 0)[:, None].astype(np.float32)
    w = graph.tensor("w", values.shape, "float32", data=values)
    b = graph.tensor("b", bias.shape, "float32", data=bias.astype(np.float32))
    y = graph.tensor("y", (1, 1, STEPS, FILTERS), "float32")
    graph.operator(CONV, [x, w, b], [y], options=schema().Conv2DOptionsT())
    return graph.pack([x], [y])


def _with_epsilon(epsilon: float) -> bytes:
    factor = GAMMA / np.sqrt(VARIANCE + epsilon)
    return _file(KERNEL * factor, (BIAS - MEAN) * factor + BETA)


def test_a_convolution_is_its_layers() -> None:
    assert audit(_file(KERNEL, BIAS), WEIGHTS, PLAIN) == []
    (told,) = audit(edits.constant(CONV, 2, lambda v: 0.5 * v)(_file(KERNEL, BIAS)), WEIGHTS, PLAIN)
    assert "CONV_2D operator 0 (layer 'conv'): the bias is 0.5 times the model's" in told.message


def test_a_normalisation_behind_it_is_folded_with_its_epsilon() -> None:
    assert audit(_with_epsilon(EPSILON), WEIGHTS, FOLDED) == []
    for epsilon in (0.0, 1e-3, 2 * EPSILON):
        found = audit(_with_epsilon(epsilon), WEIGHTS, FOLDED)
        assert {one.layer for one in found} == {"conv"}, epsilon
    assert audit(_file(KERNEL, BIAS), WEIGHTS, FOLDED)  # lost altogether


@pytest.mark.parametrize(
    "model",
    [
        _model(_conv(activation="relu"), node("norm", "BatchNormalization", "conv")),
        _model(node("norm", "BatchNormalization", "x"), {**_conv(), "inputs": ["norm"]}),
        _model(
            _conv(),
            node("norm", "BatchNormalization", "conv"),
            node("again", "BatchNormalization", "norm"),
        ),
        _model(_conv(groups=3)),
    ],
    ids=["function between", "before", "two", "groups"],
)
def test_what_is_folded_in_another_way_is_left_out(model: dict[str, Any]) -> None:
    assert of_keras(model, WEIGHTS, normalised(model))[0] == []


def test_more_operators_than_layers_of_a_shape_are_left_out() -> None:
    twice = _model(_conv(), {**_conv(), "name": "other", "layer": "conv", "inputs": ["conv"]})
    assert of_keras(twice, WEIGHTS, set()) == ([], {})


def test_the_function_of_an_elu_layer_is_its_own() -> None:
    """An ELU behind a Dense, as a layer: the file has it, and so has the model."""
    graph = GraphBuilder()
    kernel = np.eye(CHANNELS, dtype=np.float32)
    x, between, y = (graph.tensor(name, (1, CHANNELS), "float32") for name in "xby")
    w = graph.tensor("w", kernel.shape, "float32", data=kernel)
    options = schema().FullyConnectedOptionsT()
    graph.operator("FULLY_CONNECTED", [x, w], [between], options=options)
    graph.operator("ELU", [between], [y])
    content = graph.pack([x], [y])
    weights = named("dense", [kernel, np.zeros(CHANNELS)])
    dense = node("dense", "Dense", "x", units=CHANNELS)
    model = document(dense, node("elu", "ELU", "dense"), x=[CHANNELS])
    assert audit(content, weights, model) == []
    (told,) = audit(content, weights, document(dense, x=[CHANNELS]))
    assert "is ELU, the model's is none" in told.message
