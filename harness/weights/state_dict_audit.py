"""Compare a flatbuffer's LSTMs and layers of weights with those of a PyTorch state dict."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.weights import convolutions
from harness.weights.audit import Ahead, of_dense, of_lstm
from harness.weights.differences import Difference
from harness.weights.layer_alignment import Aligned
from harness.weights.lstm_matching import matches
from harness.weights.operator_graph import OperatorGraph, constant_of
from harness.weights.state_dict import StateDict
from harness.weights.twin.graphs import Graph

Array = NDArray[Any]
_GATES = ("i", "f", "c", "o")
#: Kernels of four gates, twice, and their biases.
_TENSORS = 12


def audit(content: bytes, state: StateDict) -> list[Difference]:
    """What of the flatbuffer is not the state dict's. kind `uncompared`: what cannot be said.

    Raises ValueError when the bytes are no .tflite file.
    """
    found: list[Difference] = []
    plain: list[Difference] = []
    compared: set[str] = set()
    fused = matches(content, state.weights)
    for number, match in enumerate(fused):
        if match.weights is None:
            message = f"fused LSTM {number}: no LSTM of the state dict has weights of its shapes"
            found.append(Difference("unknown", "", message, match.lstm.position))
            continue
        compared.add(match.layer)
        for one in of_lstm(number, match, _bias_parts(state, match.layer)):
            (plain if one.kind in ("weight", "bias") else found).append(one)
    if 2 * len(plain) > _TENSORS * len(compared):
        message = (
            f"{len(plain)} of the {_TENSORS * len(compared)} weight tensors of the fused LSTMs are "
            f"not the state dict's, and nothing of it either: another checkpoint; "
            f"{plain[0].message}"
        )
        plain = [Difference("weight", plain[0].layer, message, plain[0].operator, plain[0].share)]
    found += plain
    for layer in state.biases:
        if layer not in compared:
            message = f"LSTM {layer!r} of the state dict is no fused LSTM of the file: not compared"
            found.append(Difference("uncompared", layer, message))
    graph = Graph(content)
    rows = {name: kernel.T for name, (kernel, bias) in state.linear.items() if not np.any(bias)}
    tables = dict(convolutions.tables(graph, rows))
    found += [one for told in tables.values() for one in told]
    found += _convolutions(graph, state)
    linear = {name: both for name, both in state.linear.items() if name not in tables}
    return [*found, *_linear(content, replace(state, linear=linear))]


def _convolutions(graph: Graph, state: StateDict) -> list[Difference]:
    """What of the CONV_2D operators is not the Conv1d layers'."""
    if state.scales:
        told = "there are layers that scale, which converters fold into it: not compared"
        return [Difference("uncompared", name, f"{name!r}: {told}") for name in state.convolutions]
    # [filters, channels, size] of PyTorch, [filters, size, channels] of TensorFlow Lite.
    layers = [
        convolutions.Wanted(name, "CONV_2D", np.moveaxis(kernel, 1, 2), bias)
        for name, (kernel, bias) in state.convolutions.items()
    ]
    found, compared = [], set()
    for name, told_of in convolutions.convolutions(graph, layers):
        compared.add(name)
        found += told_of
    for name in state.convolutions:
        if name not in compared:
            message = f"Conv1d {name!r} of the state dict is no CONV_2D of the file: not compared"
            found.append(Difference("uncompared", name, message))
    return found


def _bias_parts(state: StateDict, layer: str) -> dict[str, dict[str, Array]]:
    """By gate what else its bias might be."""
    parts = {}
    ih, hh = (np.split(bias, 4) for bias in state.biases[layer])
    for k, gate in enumerate(_GATES):
        parts[gate] = {
            "bias_ih alone: the bias lacks bias_hh": ih[k],
            "bias_hh alone: the bias lacks bias_ih": hh[k],
            **{
                f"bias of the {other} gate (PyTorch's order is i, f, g, o)": ih[n] + hh[n]
                for n, other in enumerate(_GATES)
                if n != k
            },
        }
    return parts


def _linear(content: bytes, state: StateDict) -> list[Difference]:
    """FULLY_CONNECTED operators of the main graph, each with the nearest linear layer of its shape
    that no operator before has taken."""
    if state.scales:
        told = "it has layers that scale, which converters fold into linear ones: not compared"
        return [Difference("uncompared", name, f"{name!r}: {told}") for name in state.linear]
    graph, left = OperatorGraph(content), dict(state.linear)
    found: list[Difference] = []
    names = list(left)
    ahead = Ahead(
        {
            one: other
            for one, other in pairwise(names)
            if left[one][0].shape[1] == left[other][0].shape[0]
        }
    )
    for position, name in enumerate(graph.names):
        inputs = [int(k) for k in graph.operators[position].inputs]
        kernel = constant_of(graph, inputs[1]) if name == "FULLY_CONNECTED" else None
        if kernel is None:
            continue
        fitting = [x for x in left if left[x][0].shape == kernel.values.T.shape]
        if not fitting:
            continue
        nearest = min(fitting, key=lambda x: float(np.abs(left[x][0].T - kernel.values).mean()))
        bias = constant_of(graph, inputs[2]) if len(inputs) > 2 else None
        one = Aligned(position, name, nearest, left.pop(nearest), kernel=kernel, bias=bias)
        found += of_dense(one, ahead)
    return [*found, *ahead.lost()]
