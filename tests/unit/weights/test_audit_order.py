"""Differences come in the order of the operators, from all that can be compared and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from numpy.typing import NDArray

from harness.weights import audit as audits
from harness.weights.audit import audit, dense_behind, normalised
from harness.weights.differences import Difference
from harness.weights.layer_alignment import Aligned, align
from tests.support.networks import document, node
from tests.support.small_models import FEATURES, STEPS, converted, sampled, weights_of

Array = NDArray[Any]


STACK = document(
    node("before", "Dense", units=FEATURES, activation="tanh"),
    node("lstm", "LSTM", "before", units=4),
    node("head", "Dense", "lstm", units=3),
    x=[STEPS, FEATURES],
)


def _audited(change: Callable[[dict[str, Array]], Any]) -> list[Difference]:
    weights = weights_of(STACK)
    broken = {key: array.copy() for key, array in weights.items()}
    change(broken)
    return audit(converted(STACK, broken, sampled(STACK), "float32"), weights, STACK)


def test_differences_come_in_the_order_of_the_operators() -> None:
    def everything(weights: dict[str, Array]) -> None:
        for key in ("head/1", "lstm/2", "before/1"):
            weights[key][0] += 1.0

    found = _audited(everything)
    assert [one.layer for one in found] == ["before", "lstm", "head"]
    assert [one.operator for one in found] == sorted(one.operator or 0 for one in found)
    assert _audited(lambda weights: None) == []


def test_an_lstm_of_another_graph_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, told = weights_of(STACK), iter([[Difference("weight", "a", "inner")], []])
    content = converted(STACK, weights, sampled(STACK), "float32")
    last = [Difference("weight", "b", "main", 5)]
    monkeypatch.setattr(audits, "of_lstm", lambda number, match: next(told))
    monkeypatch.setattr(audits, "of_dense", lambda one, ahead: last if one.layer == "head" else [])
    assert [one.message for one in audit(content, weights, STACK)] == ["main", "inner"]
    assert audit(content, weights, None) == []


def test_without_a_description_only_lstms_are_compared() -> None:
    weights = weights_of(STACK)
    broken = {**weights, "head/1": weights["head/1"] + 1, "lstm/2": weights["lstm/2"] + 1}
    content = converted(STACK, broken, sampled(STACK), "float32")
    assert {one.layer for one in audit(content, weights, None)} == {"lstm"}
    assert {one.layer for one in audit(content, weights, STACK)} == {"lstm", "head"}


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization"])
def test_layers_beside_a_normalisation_are_left_out(kind: str) -> None:
    model = document(
        node("a", "Dense", units=4),
        node("n", kind, "a"),
        node("f", "Flatten", "n"),
        node("b", "Dense", "f", units=4),
        node("c", "Dense", "b", units=4),
        x=[STEPS, FEATURES],
    )
    assert normalised(model) == {"a", "f", "b"}
    plain = [n if n["name"] != "n" else {**n, "class": "Dense"} for n in model["nodes"]]
    assert normalised({**model, "nodes": plain}) == set()
    nodes = [n if n["name"] != "f" else {**n, "class": "LSTM"} for n in model["nodes"]]
    assert normalised({**model, "nodes": nodes}) == {"a", "f"}  # it ends at what computes


def test_affine_maps_follow_one_another_over_what_changes_nothing() -> None:
    def model(**between: Any) -> dict[str, Any]:
        middle = between or node("m", "Dropout", "a", rate=0.5)
        return document(
            node("a", "Dense", units=4),
            middle,
            node("b", "TimeDistributed", "m", layer={"class": "Dense", "config": {"units": 2}}),
            x=[STEPS, FEATURES],
        )

    assert dense_behind(model()) == {"a": "b"}
    assert dense_behind(model(**node("m", "Activation", "a", activation="linear"))) == {"a": "b"}
    assert dense_behind(model(**node("m", "ReLU", "a"))) == {}
    assert dense_behind(model(**node("m", "LSTM", "a", units=3))) == {}
    named = {**model(), "outputs": ["b", "m:0"]}
    assert dense_behind(named) == {}
    assert dense_behind({**model(), "outputs": ["b", "a:0"]}) == {}
    assert dense_behind({**model(), "outputs": []}) == {"a": "b"}


def test_an_operator_whose_kernel_is_computed_is_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = weights_of(STACK)
    content = converted(STACK, weights, sampled(STACK), "float32")
    seen: list[str] = []

    def dense(one: Aligned, ahead: Any) -> list[Difference]:
        seen.append(one.layer)
        return []

    monkeypatch.setattr(audits, "of_dense", dense)
    graph = align(content, STACK, weights)
    without = [replace(one, kernel=None) if one.layer == "head" else one for one in graph[1]]
    assert audit(content, weights, STACK) == []
    assert seen == ["before", "head"]
    monkeypatch.setattr(audits, "align", lambda *given: (graph[0], without))
    seen.clear()
    assert audit(content, weights, STACK) == []
    assert seen == ["before"]
