"""Cut a part out of a flatbuffer's main graph, between tensors that are given and wanted."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

from harness.flatbuffer.schema import builtin_name, pack, shared


def cut(content: bytes, given: Collection[int], wanted: Sequence[int]) -> tuple[bytes, list[int]]:
    """The operators that compute the wanted tensors of the main graph from the given ones.

    given: tensors that somebody else computes, beside the model's own inputs.
    Returns a model with the wanted tensors as its outputs, and which tensors its inputs are.
    Raises ValueError when a wanted tensor is given, or nothing has to be computed.
    """
    model = copy.copy(shared(content))
    graph = copy.copy(model.subgraphs[0])
    known = {*map(int, graph.inputs), *given}
    if not wanted or known & set(wanted):
        raise ValueError("the tensors are known: there is nothing to compute")
    needed, kept = set(map(int, wanted)), []
    for operator in reversed(graph.operators):
        if (needed - known) & set(map(int, operator.outputs)):
            kept.append(operator)
            needed |= {int(k) for k in operator.inputs if k >= 0}
    graph.operators = kept[::-1]
    inputs = sorted(known & needed)
    graph.inputs, graph.outputs = inputs, list(wanted)
    model.subgraphs, model.signatureDefs = [graph, *model.subgraphs[1:]], []
    return pack(model), inputs


def resource_operators(content: bytes) -> list[str]:
    """The operators of the main graph that keep something outside of its tensors, or run other
    graphs: such a graph cannot be cut."""
    model: Any = shared(content)
    names = {builtin_name(model, operator) for operator in model.subgraphs[0].operators}
    apart = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "WHILE", "IF")
    return sorted(names & set(apart))
