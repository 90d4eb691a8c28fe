"""A model's weights are found among a file's constants, and the one that is another is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison.compare import Allowed
from harness.diagnosis.file_weights import folded, held, of_file
from harness.diagnosis.source_model import Source
from harness.diagnosis.trial import Answered, explain
from harness.flatbuffer.graph_builder import GraphBuilder
from reference.budgets.monte_carlo import budgets
from tests.support.networks import document, node
from tests.support.small_models import (
    FEATURES,
    STEPS,
    UNITS,
    Form,
    Weights,
    converted,
    sampled,
    weights_of,
)

Array = NDArray[Any]
STACK = document(
    node("first", "LSTM", units=UNITS, return_sequences=True),
    node("second", "LSTM", "first", units=UNITS),
    node("head", "Dense", "second", units=3, activation="tanh"),
    x=[STEPS, FEATURES],
)


def _changed(key: str, change: Callable[[Array], Array]) -> Callable[[Weights], Weights]:
    return lambda weights: {**weights, key: change(weights[key])}


def _stale(weights: Weights) -> Weights:
    drawn = np.random.default_rng(2)
    return {key: value + drawn.normal(0, 0.3, value.shape) for key, value in weights.items()}


def _explained(broken: Callable[[Weights], Weights], form: Form = "float32") -> Any:
    """What the file of broken weights is said to be, from the answers of those weights."""
    weights, samples = weights_of(STACK), sampled(STACK)
    content = converted(STACK, broken(dict(weights)), samples, form)
    source = Source(STACK, weights, samples)
    answers = Source(STACK, broken(dict(weights)), samples).answers()
    allowed = [Allowed(b.value, b.rms) for b in budgets(STACK, weights, samples, "float32")]
    found = [y.astype(np.float32) for y in answers]
    return explain(source, Answered(found, allowed, "float32"), of_file(source, content))


@pytest.mark.parametrize("form", ["float32", "int8", "int8-float-io"])
def test_every_weight_of_a_healthy_file_is_found_and_right(form: Form) -> None:
    weights = weights_of(STACK)
    content = converted(STACK, weights, sampled(STACK), form)
    found = held(content, STACK, weights)
    assert [one.weight.key for one in found] == list(weights)
    assert [one.wrong for one in found] == [0] * len(weights)
    for one in found:
        limit = 1e-6 if form == "float32" else 0.02
        assert one.values == pytest.approx(weights[one.weight.key], abs=limit)
    assert list(of_file(Source(STACK, weights, sampled(STACK)), content)) == []


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize("key", ["first/0", "first/1", "first/2", "second/1", "head/0", "head/1"])
def test_one_weight_that_is_another_is_the_only_one(key: str, form: Form) -> None:
    weights = weights_of(STACK)
    broken = _changed(key, lambda a: np.where(a == a.max(), a - 1.5, a))
    content = converted(STACK, broken(dict(weights)), sampled(STACK), form)
    wrong = [one for one in held(content, STACK, weights) if one.wrong]
    assert [one.weight.key for one in wrong] == [key]
    assert f"layer {key.partition('/')[0]!r}" in wrong[0].told()


@pytest.mark.parametrize(
    ("key", "change", "text"),
    [
        ("first/2", np.zeros_like, "the bias of layer 'first' is zero"),
        ("head/1", lambda a: 1.5 * a, "is 1.5 times the layer's"),
        ("head/0", lambda a: a + np.eye(*a.shape), "the kernel of layer 'head' (tensor 'head/k"),
    ],
)
def test_what_is_wrong_is_proven_and_said(key: str, change: Any, text: str) -> None:
    found = _explained(_changed(key, change))
    assert found.name == "weight"
    assert text in found.says
    assert found.budget_used <= 1


def test_other_weights_everywhere_are_one_cause() -> None:
    found = _explained(_stale)
    assert found.name == "other-weights"
    assert "in layers 'first', 'second', 'head'" in found.says
    assert _explained(lambda weights: weights) is None


# Other layers ------------------------------------------------------------------------------------

NORMAL = document(
    node("conv", "Conv1D", filters=4, kernel_size=2, activation="linear"),
    node("norm", "BatchNormalization", "conv"),
    node("words", "Embedding", "conv", input_dim=9, output_dim=4),
    x=[STEPS, FEATURES],
)


def _normal_weights() -> Weights:
    drawn = np.random.default_rng(6)
    found = {"conv/0": drawn.normal(0, 1, (2, FEATURES, 4)), "conv/1": drawn.normal(0, 1, 4)}
    found |= {"norm/0": drawn.uniform(0.5, 2, 4), "norm/1": drawn.normal(0, 1, 4)}
    found |= {"norm/2": drawn.normal(0, 1, 4), "norm/3": drawn.uniform(0.5, 2, 4)}
    return {**found, "words/0": drawn.normal(0, 1, (9, 4))}


def _file(weights: Weights, *, folds: bool) -> bytes:
    """Constants as the converter writes them, and the operators that read them."""
    factor, offset = folded(NORMAL["nodes"][1], weights)
    kernel, bias = weights["conv/0"], weights["conv/1"]
    if folds:
        kernel, bias = kernel * factor, bias * factor + offset
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 1, STEPS, FEATURES], "float32")
    y = graph.tensor("y", [1, 1, STEPS, 4], "float32")

    def constant(name: str, values: Array) -> int:
        return graph.tensor(name, list(values.shape), "float32", data=values.astype(np.float32))

    turned = kernel.transpose(2, 0, 1)[:, None]
    graph.operator("CONV_2D", [x, constant("k", turned), constant("b", bias)], [y])
    if not folds:
        for name, operator, values in (("a", "MUL", factor), ("c", "ADD", offset)):
            before, y = y, graph.tensor(f"y/{name}", [1, 1, STEPS, 4], "float32")
            graph.operator(operator, [before, constant(name, values)], [y])
    z = graph.tensor("z", [1, 4], "float32")
    graph.operator("GATHER", [constant("table", weights["words/0"]), x], [z])
    return graph.pack([x], [y, z])


@pytest.mark.parametrize("folds", [False, True])
def test_a_normalisation_is_found_beside_its_layer_or_within(folds: bool) -> None:
    weights = _normal_weights()
    found = {one.weight.key: one for one in held(_file(weights, folds=folds), NORMAL, weights)}
    expected = {"conv/0", "conv/1", "words/0"} | (set() if folds else {"norm/0", "norm/1"})
    assert set(found) == expected
    assert {one.wrong for one in found.values()} == {0}


@pytest.mark.parametrize("folds", [False, True])
@pytest.mark.parametrize("key", ["conv/0", "conv/1", "words/0"])
def test_a_wrong_constant_beside_a_normalisation_is_named(key: str, folds: bool) -> None:
    weights = _normal_weights()
    broken = {**weights, key: weights[key] + np.where(weights[key] == weights[key].max(), 1.0, 0)}
    found = held(_file(broken, folds=folds), NORMAL, weights)
    (wrong,) = [one for one in found if one.wrong]
    assert wrong.weight.key == key
    assert wrong.put(weights)[key] == pytest.approx(broken[key], abs=1e-5)


@pytest.mark.parametrize(("key", "title"), [("norm/1", "offset"), ("norm/0", "factor")])
def test_a_wrong_statistic_is_the_normalisations(key: str, title: str) -> None:
    weights = _normal_weights()
    broken = {**weights, key: 2 * weights[key]}
    found = held(_file(broken, folds=False), NORMAL, weights)
    wrong = [one for one in found if one.wrong]
    assert wrong[0].weight.layer == "norm"
    assert title in " ".join(one.told() for one in wrong)
