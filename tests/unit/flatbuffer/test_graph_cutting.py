"""A cut graph computes what is wanted from what is given, with the operators between them only."""

from __future__ import annotations

import pytest

from harness.flatbuffer.graph_cutting import cut, resource_operators
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.schema import shared
from tests.support.lcg_lstms import recorded


def test_a_part_has_its_operators_inputs_and_outputs() -> None:
    made = build(OperatorLstm(recorded("A")[0], 3))
    part, inputs = cut(made.content, (), [made.output])
    graph = shared(part).subgraphs[0]
    assert inputs == [made.input]
    assert (list(graph.inputs), list(graph.outputs)) == ([made.input], [made.output])
    assert len(graph.operators) == 1


def test_what_is_known_is_not_computed() -> None:
    made = build(OperatorLstm(recorded("A")[0], 3))
    for given, wanted in (([made.output], [made.output]), ([], [made.input]), ([], [])):
        with pytest.raises(ValueError, match="nothing to compute"):
            cut(made.content, given, wanted)


def test_an_operator_that_is_not_needed_is_left_out() -> None:
    """The LSTM's output is given, and nothing else is wanted of the graph but its input's user."""
    made = build(OperatorLstm(recorded("A")[0], 3))
    part, inputs = cut(made.content, [made.output], [made.hidden_state])
    assert not shared(part).subgraphs[0].operators
    assert inputs == []


def test_a_plain_graph_keeps_nothing_outside_of_its_tensors() -> None:
    assert resource_operators(build(OperatorLstm(recorded("A")[0], 3)).content) == []
