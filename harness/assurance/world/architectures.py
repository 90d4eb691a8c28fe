"""Lay out the layers of a plan, as its author would have written them in Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fixtures.variants import Input, Node, Variant
from harness.assurance.world.plan import Plan

VOCABULARY = 24
_FUSED = {"return_sequences": True}


@dataclass
class _Graph:
    """Nodes as they are added; every method gives the name of the tensor that it made."""

    nodes: list[Node] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        layer: str,
        config: Mapping[str, Any],
        *inputs: str,
        initial_state: tuple[str, ...] = (),
    ) -> str:
        self.counts[layer] = self.counts.get(layer, 0) + 1
        name = f"{layer.lower()}_{self.counts[layer]}"
        self.nodes.append(Node(name, layer, dict(config), inputs, initial_state))
        return name


def variant_of(plan: Plan, name: str) -> Variant:
    """The description that a worker builds."""
    graph = _Graph()
    inputs = [_input(plan, "x")]
    outputs = _SHAPES.get(plan.shape, _chain)(graph, plan, inputs)
    return Variant(
        name, str(plan), tuple(inputs), tuple(graph.nodes), tuple(outputs), seed=plan.seed
    )


def _input(plan: Plan, name: str) -> Input:
    if plan.tokens:
        return Input(name, (plan.steps,), "int32", vocabulary=VOCABULARY)
    if plan.front == "conv2d":
        return Input(name, (plan.steps, plan.features + 2, 1))
    return Input(name, (plan.steps, plan.features))


def _front(graph: _Graph, plan: Plan, x: str) -> str:
    """Steps and features, whatever the input is. Pooling halves the steps where there are two."""
    front = plan.front
    config: dict[str, Any]
    if plan.tokens:
        masks = front == "embedding-mask"
        config = {"input_dim": VOCABULARY, "output_dim": plan.features, "mask_zero": masks}
        return graph.add("Embedding", config, x)
    if front == "dense":
        return graph.add("Dense", {"units": plan.features + 1, "activation": "relu"}, x)
    if front in ("conv1d", "conv1d-pool"):
        config = {"filters": plan.features + 1, "kernel_size": 3, "padding": "same"}
        x = graph.add("Conv1D", {**config, "activation": "relu"}, x)
        if front == "conv1d-pool" and plan.steps >= 2:
            x = graph.add("MaxPooling1D", {"pool_size": 2}, x)
        return x
    if front == "conv2d":
        config = {"filters": 2, "kernel_size": [3, 3], "padding": "same", "activation": "relu"}
        x = graph.add("Conv2D", config, x)
        return graph.add("Reshape", {"target_shape": [plan.steps, 2 * (plan.features + 2)]}, x)
    if front == "masking":
        return graph.add("Masking", {"mask_value": 0.0}, x)
    if front == "batchnorm":
        return graph.add("BatchNormalization", {}, x)
    if front == "layernorm":
        return graph.add("LayerNormalization", {}, x)
    if front == "noise":
        return graph.add("GaussianNoise", {"stddev": 0.1}, x)
    return x


def _recurrent(plan: Plan, units: int, sequences: bool) -> tuple[str, dict[str, Any]]:
    plain: dict[str, Any] = {"units": units, "return_sequences": sequences}
    kind = plan.layer
    if kind in ("GRU", "SimpleRNN", "LSTM"):
        return kind, plain
    if kind == "RNN":
        cell = {"class": "LSTMCell", "config": {"units": units}}
        return "RNN", {"cell": cell, "return_sequences": sequences}
    if kind.startswith("Bidirectional"):
        merge = "sum" if kind.endswith("sum") else "concat"
        return "Bidirectional", {"layer": {"class": "LSTM", "config": plain}, "merge_mode": merge}
    more: dict[str, dict[str, Any]] = {
        "LSTM-dropout": {"dropout": 0.2},
        "LSTM-backwards": {"go_backwards": True},
        "LSTM-no-bias": {"use_bias": False},
        "LSTM-unrolled": {"unroll": True},
    }
    return "LSTM", {**plain, **more[kind]}


def _body(graph: _Graph, plan: Plan, x: str, sequences: bool) -> str:
    """`depth` recurrent layers, the last with every output or with its last one only."""
    for level in range(plan.depth):
        last = level == plan.depth - 1
        layer, config = _recurrent(plan, plan.units, sequences or not last)
        before, x = x, graph.add(layer, config, x)
        if plan.shape == "residual" and level and not (last and not sequences):
            x = graph.add("Add", {}, before, x)
        if not last and plan.seed % 3 == 0:
            x = graph.add("Dropout", {"rate": 0.2}, x)
    return x


def _joined(graph: _Graph, plan: Plan, x: str) -> tuple[str, bool]:
    """What goes on from the recurrent layers, and whether it still has steps."""
    joint = plan.joint
    if joint == "states" and plan.layer == "LSTM":
        config = {"units": plan.units, "return_state": True}
        for _ in range(plan.depth - 1):
            x = graph.add("LSTM", {"units": plan.units, **_FUSED}, x)
        name = graph.add("LSTM", config, x)
        return graph.add("Concatenate", {}, f"{name}:1", f"{name}:2"), False
    if joint in ("last", "states"):
        return _body(graph, plan, x, sequences=False), False
    x = _body(graph, plan, x, sequences=True)
    if joint == "flatten":
        return graph.add("Flatten", {}, x), False
    if joint in ("average", "maximum"):
        kind = "Average" if joint == "average" else "Max"
        return graph.add(f"Global{kind}Pooling1D", {}, x), False
    if joint == "attention":
        x = graph.add("Attention", {}, x, x)
        return graph.add("GlobalAveragePooling1D", {}, x), False
    return x, True


def _head(graph: _Graph, plan: Plan, x: str, steps: bool, head: str = "") -> str:
    head = head or plan.head
    outputs = max(2, plan.outputs) if head == "softmax" else plan.outputs
    if head == "none":
        return x

    def dense(x: str, units: int, activation: str = "linear") -> str:
        config = {"units": units, "activation": activation}
        if steps and plan.seed % 2:
            inner = {"class": "Dense", "config": config}
            return graph.add("TimeDistributed", {"layer": inner}, x)
        return graph.add("Dense", config, x)

    if head in ("softmax", "sigmoid"):
        return dense(x, outputs, head)
    if head == "mlp":
        x = graph.add("Dropout", {"rate": 0.3}, dense(x, 6, "relu"))
    if head == "normalised":
        x = graph.add("BatchNormalization", {}, dense(x, 5, "tanh"))
    if head == "unfolded":
        x = dense(x, 5)
    return dense(x, outputs)


def _chain(graph: _Graph, plan: Plan, inputs: list[Input]) -> list[str]:
    x, steps = _joined(graph, plan, _front(graph, plan, inputs[0].name))
    return [_head(graph, plan, x, steps)]


def _two_outputs(graph: _Graph, plan: Plan, inputs: list[Input]) -> list[str]:
    x, steps = _joined(graph, plan, _front(graph, plan, inputs[0].name))
    return [_head(graph, plan, x, steps), _head(graph, plan, x, steps, "softmax")]


def _two_inputs(graph: _Graph, plan: Plan, inputs: list[Input]) -> list[str]:
    """A sequence, and figures beside it that join before the head."""
    inputs.append(Input("context", (2,), time_axis=None))
    x, steps = _joined(graph, plan, _front(graph, plan, inputs[0].name))
    if steps:
        x = graph.add("GlobalAveragePooling1D", {}, x)
    beside = graph.add("Dense", {"units": 3, "activation": "relu"}, "context")
    return [_head(graph, plan, graph.add("Concatenate", {}, x, beside), False)]


def _seq2seq(graph: _Graph, plan: Plan, inputs: list[Input]) -> list[str]:
    """An encoder whose states start a decoder with an input of its own."""
    inputs.append(Input("decoder", (max(1, plan.steps // 2), 2)))
    x = _front(graph, plan, inputs[0].name)
    encoder = graph.add("LSTM", {"units": plan.units, "return_state": True}, x)
    states = (f"{encoder}:1", f"{encoder}:2")
    config = {"units": plan.units, **_FUSED}
    x = graph.add("LSTM", config, "decoder", initial_state=states)
    return [_head(graph, plan, x, True)]


def _autoencoder(graph: _Graph, plan: Plan, inputs: list[Input]) -> list[str]:
    """Encoder, one vector, decoder, and the input's own features again."""
    x = _front(graph, plan, inputs[0].name)
    x = graph.add("LSTM", {"units": plan.units}, x)
    x = graph.add("RepeatVector", {"n": plan.steps}, x)
    x = graph.add("LSTM", {"units": plan.units, **_FUSED}, x)
    inner = {"class": "Dense", "config": {"units": plan.features}}
    return [graph.add("TimeDistributed", {"layer": inner}, x)]


_SHAPES = {
    "two-inputs": _two_inputs,
    "two-outputs": _two_outputs,
    "seq2seq": _seq2seq,
    "autoencoder": _autoencoder,
}
