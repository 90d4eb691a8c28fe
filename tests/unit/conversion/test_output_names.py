"""The outputs of a given file are matched with its model's by what says which is which."""

from __future__ import annotations

from typing import Any

import pytest

from harness.conversion.output_names import Matched, fitting, match
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.structure import Structure
from tests.support.small_models import structure

SHAPES = ((1, 3), (1, 3))


def _file(
    names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...] = SHAPES, signed: bool = True
) -> Structure:
    """A file with outputs of these names, in this order; signed: by its signature."""
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 3], "float32")
    outputs = []
    for k, shape in enumerate(shapes):
        outputs.append(graph.tensor(names[k] if not signed else f"t{k}", list(shape), "float32"))
        graph.operator("TANH", [x], [outputs[-1]])
    found = structure(graph.pack([x], outputs))
    if not signed:
        return found
    # Signatures list their outputs by name, in whatever order.
    sides = sorted(zip(names, outputs, strict=True), reverse=True)
    signature = {"key": "serving", "inputs": [["x", x]], "outputs": [list(s) for s in sides]}
    return Structure({**found.document, "signatures": [{**signature, "subgraph": 0}]})


def _keras(*names: str, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[dict[str, Any]]:
    return [
        {"name": n, "shape": [None, *shape[1:]]} for n, shape in zip(names, shapes, strict=True)
    ]


@pytest.mark.parametrize(
    ("names", "wanted", "by"),
    [
        (("zeta", "alpha"), ("alpha", "zeta"), "names"),
        (("output_1", "output_0"), ("output_0", "output_1"), "numbers in names"),
        (("model_1", "model"), ("model", "model_1"), "numbers in names"),
        (("Identity_1", "Identity"), ("Identity", "Identity_1"), "numbers in names"),
        (("b", "a"), ("b", "a"), ""),
        (("StatefulPartitionedCall:1", "StatefulPartitionedCall:0"), None, ""),
    ],
)
def test_names_then_numbers(
    names: tuple[str, ...], wanted: tuple[str, ...] | None, by: str
) -> None:
    found = match(_file(names), _keras("alpha", "zeta"))
    assert found == Matched(wanted or names, by)
    assert found == match(_file(names, signed=False), _keras("alpha", "zeta"))


def test_shapes_decide_where_names_do_not() -> None:
    shapes = ((1, 3), (1, 5))
    found = match(_file(("b", "a"), shapes), _keras("p", "q", shapes=shapes[::-1]))
    assert found == Matched(("a", "b"), "shapes")


def test_the_matched_names_are_the_files_positions() -> None:
    file = _file(("output_1", "output_0"))
    assert file.output_positions(match(file, _keras("p", "q")).names) == (1, 0)
    unsigned = _file(("Identity_1", "Identity"), signed=False)
    assert unsigned.output_positions(match(unsigned, _keras("p", "q")).names) == (1, 0)


def test_all_orders_that_fit_are_tried_the_files_own_first() -> None:
    assert list(fitting(_file(("b", "a")), SHAPES)) == [("b", "a"), ("a", "b")]
    assert list(fitting(_file(("b", "a")), [(1, 3)])) == []
    assert list(fitting(_file(("b", "a"), ((1, 3), (1, 4))), [(1, 4), (1, 3)])) == [("a", "b")]


def test_another_number_of_outputs_is_not_matched() -> None:
    assert match(_file(("b", "a")), _keras("a", shapes=((1, 3),))).by == ""
