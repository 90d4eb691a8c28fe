"""A bias that the converter folds is not missed, nor is a layer that is called twice unknown."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.weights.audit import audit, dense_behind
from harness.weights.lstm_matching import matches
from reference.lstm.weights import LstmWeights
from tests.support.networks import document, lstm_weights, named, node
from tests.support.small_models import FEATURES, UNITS, Weights, converted, weights_of

Array = NDArray[Any]
X = {"x": np.random.default_rng(0).uniform(-1, 1, (3, 2, 5, FEATURES)).astype(np.float32)}
INT8 = pytest.mark.parametrize("form", ["float32", "int8"])


def _model(activation: str = "linear", between: str = "") -> dict[str, Any]:
    nodes = [node("a", "Dense", units=4, activation=activation)]
    if between:
        nodes.append(node("m", "Activation", "a", activation=between))
    return document(
        *nodes,
        node("b", "Dense", nodes[-1]["name"], units=3, activation="linear"),
        node("c", "Dense", "b", units=2, activation="linear"),
        x=[5, FEATURES],
    )


def _folded(weights: Weights, layers: str = "ab") -> Weights:
    """The weights that the converter stores: each bias is added in the next Dense."""
    found = dict(weights)
    for first, second in itertools.pairwise(layers):
        found[f"{second}/1"] = found[f"{second}/1"] + found[f"{first}/1"] @ found[f"{second}/0"]
        found[f"{first}/1"] = np.zeros_like(found[f"{first}/1"])
    return found


def _said(model: dict[str, Any], stored: Weights, form: Any, without: str = "") -> list[str]:
    """What the audit says of a file with other weights than the model's; without: layers whose
    operator has no bias at all, or, in an int8 file, one of zeros."""
    weights = weights_of(model)
    gone = [k for k in stored if k[0] in without and k.endswith("/1")]
    if form == "int8":
        kept = {k: np.zeros_like(v) if k in gone else v for k, v in stored.items()}
    else:
        kept = {k: v for k, v in stored.items() if k not in gone}
    content = converted(model, kept, X, form)
    return [f"{one.layer}: {one.kind}" for one in audit(content, weights, model)]


@INT8
@pytest.mark.parametrize("layers", ["ab", "bc", "abc"])
def test_a_bias_that_the_next_dense_takes_up_is_not_missed(form: str, layers: str) -> None:
    model = _model()
    stored = _folded(weights_of(model), layers)
    assert _said(model, weights_of(model), form) == []
    assert _said(model, stored, form, without=layers[:-1]) == []
    assert _said(model, stored, form) == []  # a bias of zeros


@INT8
def test_a_bias_that_nothing_takes_up_is_missed(form: str) -> None:
    model = _model()
    weights = weights_of(model)
    assert _said(model, weights, form, without="a") == ["b: bias"]
    assert _said(model, weights, form, without="c") == ["c: bias"]  # none is behind the last
    half = _folded(weights)
    half["b/1"] = (half["b/1"] + weights["b/1"]) / 2
    assert _said(model, half, form, without="a") == ["b: bias"]


@INT8
def test_a_bias_behind_an_activation_is_not_folded(form: str) -> None:
    for model in (_model("relu"), _model(between="tanh")):
        assert dense_behind(model) == {"b": "c"}
        stored = _folded(weights_of(model))
        assert "a: bias" in _said(model, stored, form, without="a")


def test_what_is_read_twice_is_not_folded() -> None:
    model = _model()
    assert dense_behind(model) == {"a": "b", "b": "c"}
    assert dense_behind({**model, "outputs": ["c", "a"]}) == {"b": "c"}
    nodes = [*model["nodes"], node("d", "Dense", "a", units=2)]
    assert dense_behind({**model, "nodes": nodes, "outputs": ["c", "d"]}) == {"b": "c"}


# Layers that are called twice -------------------------------------------------------------------


def _two(first: list[Array], second: list[Array], *more: list[Array]) -> bytes:
    """A flatbuffer with an LSTM for each of the layers' weights, one behind the other."""
    from harness.flatbuffer.schema import pack, unpack

    models = []
    for own in (first, second, *more):
        made = build(OperatorLstm(LstmWeights.from_keras(*own), 5, 2)).content
        models.append(unpack(made))
    whole = models[0]
    for other in models[1:]:
        graph, first_tensor = whole.subgraphs[0], len(whole.subgraphs[0].tensors)
        for tensor in other.subgraphs[0].tensors:
            tensor.buffer += len(whole.buffers)
        whole.buffers = [*whole.buffers, *other.buffers]
        graph.tensors = [*graph.tensors, *other.subgraphs[0].tensors]
        for operator in other.subgraphs[0].operators:
            operator.inputs = [k if k < 0 else k + first_tensor for k in operator.inputs]
            operator.outputs = [k + first_tensor for k in operator.outputs]
            graph.operators = [*graph.operators, operator]
    return pack(whole)


A, B, C = (
    [w.astype(np.float32) for w in lstm_weights(UNITS, UNITS, seed=seed)] for seed in (3, 4, 5)
)


def test_a_layer_that_is_called_twice_has_two_operators() -> None:
    weights = named("a", A)
    assert [match.layer for match in matches(_two(A, A), weights)] == ["a", "a"]
    assert audit(_two(A, A), weights, None) == []


def test_a_layer_that_is_called_twice_beside_one_of_its_shapes() -> None:
    weights = named("a", A) | named("b", B)
    for stored, layers in (((A, A, B), "aab"), ((A, B, A), "aba"), ((B, A, A), "baa")):
        content = _two(*stored)
        assert "".join(match.layer for match in matches(content, weights)) == layers
        assert audit(content, weights, None) == []


def test_an_operator_with_another_layers_weights_is_held_to_its_own() -> None:
    """As many operators as layers: none is called twice, one has the weights of the other."""
    weights = named("a", A) | named("b", B)
    found = audit(_two(A, A), weights, None)
    assert {one.layer for one in found} == {"b"}


def test_an_operator_of_no_layer_is_another_model() -> None:
    """One more than layers, and its weights are nobody's."""
    found = audit(_two(A, C), named("a", A), None)
    assert found
    assert {one.operator for one in found} == {1}
