"""Compare convolutions and tables of a flatbuffer with the layers that they were made from.

The layer is the nearest of the operator's shape that no operator before has taken. A normalisation
behind a convolution is folded into it: kernel times gamma / sqrt(variance + epsilon), bias minus
the mean times the same, plus beta (Ioffe and Szegedy 2015, arXiv 1502.03167, and the 2.15.1
converter's passes). Beside any other layer that scales, a convolution is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.weights.differences import Difference
from harness.weights.twin import constants
from harness.weights.twin.graphs import LOOKING_UP, Graph, Operator, Value

Array = NDArray[Any]
_KINDS = {"CONV_2D": "CONV_2D", "DEPTHWISE_CONV_2D": "DEPTHWISE_CONV_2D"}


@dataclass(frozen=True, eq=False)
class Wanted:
    """A layer's kernel [filters, size, channels], or [1, size, channels] where each channel has its
    own, and its bias. size: one axis, of a layer of one dimension, or two."""

    name: str
    operator: str
    kernel: Array
    bias: Array

    def like(self, shape: Sequence[int]) -> Array | None:
        """The kernel in the shape of a flatbuffer's, [filters, height, width, channels]; None where
        it is another."""
        own = self.kernel.shape
        plain = tuple(size for size in shape[1:-1] if len(own) == 4 or size != 1)
        if len(own) == 3 and 1 not in shape[1:-1]:
            return None
        plain = plain or (1,)
        if (shape[0], *plain, shape[-1]) != own:
            return None
        return self.kernel.reshape(tuple(shape))


def convolutions(graph: Graph, layers: Sequence[Wanted]) -> Iterator[tuple[str, list[Difference]]]:
    """The layer of each convolution, and what of it is not the layer's. Shapes of which there are
    more operators than layers are left out: one of them may be something else."""
    found = [
        (one, value)
        for one in graph.operators
        if one.kind in _KINDS and (value := one.constants.get(1)) is not None and value.real
    ]
    shapes = Counter((one.kind, value.values.shape) for one, value in found)
    left = list(layers)
    for operator, value in found:
        fitting = [
            (wanted, kernel)
            for wanted in left
            if wanted.operator == operator.kind
            and (kernel := wanted.like(value.values.shape)) is not None
        ]
        key = operator.kind, value.values.shape
        if not fitting or shapes[key] > len(fitting):
            continue
        wanted, kernel = min(fitting, key=lambda one: _distance(value.values, one[1]))
        left.remove(wanted)
        shapes[key] -= 1
        yield (
            wanted.name,
            [
                *of_constant(operator, 1, value, kernel, wanted.name),
                *_bias(graph, operator, wanted),
            ],
        )


def _bias(graph: Graph, operator: Operator, wanted: Wanted) -> list[Difference]:
    """What of the bias is not the layer's. A dilated convolution may leave it to an ADD behind."""
    stored = operator.constants.get(2)
    lacks = (stored is None or not np.any(stored.values)) and bool(np.any(wanted.bias))
    if lacks and _added(graph, wanted):
        return []
    if stored is not None:
        return of_constant(operator, 2, stored, wanted.bias, wanted.name)
    if not np.any(wanted.bias):
        return []
    where = f"{operator.name} operator {operator.position} (layer {wanted.name!r})"
    message = f"the bias of {where} is missing"
    return [Difference("bias", wanted.name, message, operator.position)]


def _added(graph: Graph, wanted: Wanted) -> bool:
    """Whether some ADD adds the layer's bias."""
    return any(
        value.real and not of_constant(one, place, value, wanted.bias, wanted.name)
        for one in graph.operators
        if one.kind == "ADD"
        for place, value in one.constants.items()
        if value.values.size == wanted.bias.size
    )


def tables(graph: Graph, layers: Mapping[str, Array]) -> Iterator[tuple[str, list[Difference]]]:
    """The layer of each table that rows are looked up in, and what of it is not the layer's.

    layers: by name [rows, size].
    """
    left = dict(layers)
    for operator in graph.operators:
        place = min(LOOKING_UP.get(operator.kind, {-1}))
        value = operator.constants.get(place)
        if value is None or not value.real:
            continue
        fitting = [name for name, table in left.items() if table.shape == value.values.shape]
        if fitting:
            name = min(fitting, key=lambda one: _distance(value.values, left[one]))
            yield name, of_constant(operator, place, value, left.pop(name), name)


def _distance(own: Array, wanted: Array) -> float:
    return float(np.abs(wanted - own).mean())


def of_constant(
    operator: Operator, place: int, value: Value, want: Array, name: str
) -> list[Difference]:
    """What of one constant is not the layer's."""
    where = f"{operator.name} operator {operator.position} (layer {name!r})"
    told = constants.compared(operator, place, value, Value(name, want, 0.0, "float32"))
    return [
        Difference(kind, name, f"{where}: {words}", operator.position, share)
        for kind, words, share in told
    ]


def of_keras(
    document: Mapping[str, Any], weights: Mapping[str, Array], scaled: set[str]
) -> tuple[list[Wanted], dict[str, Array]]:
    """The convolutions and the tables of a Keras model.

    document: the model's description. weights: by `layer/index`. scaled: the layers beside one that
    scales (`harness.weights.audit.normalised`), of which only those are here that have nothing but
    a normalisation behind them.
    """
    calls = Counter(node.get("layer", node["name"]) for node in document["nodes"])
    if any(count > 1 for count in calls.values()):
        return [], {}
    found: list[Wanted] = []
    looked_up = {}
    for node in document["nodes"]:
        name, kind, config = node["name"], node["class"], node["config"]
        own = _weights_of(name, weights)
        if kind == "Embedding" and own:
            looked_up[name] = own[0]
        if kind not in ("Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D") or not own:
            continue
        if config.get("groups", 1) != 1:
            continue
        if kind.startswith("Depthwise"):
            kernel = own[0].reshape(1, *own[0].shape[:-2], -1)
            operator = "DEPTHWISE_CONV_2D"
        else:
            kernel, operator = np.moveaxis(own[0], -1, 0), "CONV_2D"
        channels = kernel.shape[-1] if kind.startswith("Depthwise") else len(kernel)
        bias = own[1] if len(own) > 1 else np.zeros(channels)
        one = Wanted(name, operator, kernel, bias)
        if name in scaled:
            folded = _folded(one, node, document, weights, scaled)
            if folded is None:
                continue
            one = folded
        found.append(one)
    return found, looked_up


def _weights_of(name: str, weights: Mapping[str, Array]) -> list[Array]:
    own: list[Array] = []
    while f"{name}/{len(own)}" in weights:
        own.append(np.asarray(weights[f"{name}/{len(own)}"], np.float64))
    return own


def _folded(
    one: Wanted,
    node: Mapping[str, Any],
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    scaled: set[str],
) -> Wanted | None:
    """With the BatchNormalization that alone reads it; None where that is not all that scales."""
    readers = [n for n in document["nodes"] if {one.name, f"{one.name}:0"} & set(n["inputs"])]
    before = {str(name).partition(":")[0] for name in node["inputs"]} & scaled
    if before or len(readers) != 1 or node["config"].get("activation", "linear") != "linear":
        return None
    norm = readers[0]
    if norm["class"] != "BatchNormalization" or one.name in document["outputs"]:
        return None
    behind = [
        n for n in document["nodes"] if {norm["name"], f"{norm['name']}:0"} & set(n["inputs"])
    ]
    if any(n["name"] in scaled and n["class"] not in _PLAIN for n in behind):
        return None
    config, own = norm["config"], _weights_of(norm["name"], weights)
    count = 2 + int(config.get("scale", True)) + int(config.get("center", True))
    if len(own) != count or config.get("axis", -1) not in (-1, [-1], [len(one.kernel.shape) - 1]):
        return None
    gamma = own.pop(0) if config.get("scale", True) else np.ones_like(own[0])
    beta = own.pop(0) if config.get("center", True) else np.zeros_like(own[0])
    mean, variance = own
    factor = gamma / np.sqrt(variance + float(config.get("epsilon", 1e-3)))
    last = one.operator == "DEPTHWISE_CONV_2D"
    shaped = factor if last else factor.reshape(-1, *(1,) * (one.kernel.ndim - 1))
    return Wanted(one.name, one.operator, one.kernel * shaped, (one.bias - mean) * factor + beta)


#: Layers that change no weights of what stands before a normalisation.
_PLAIN = ("Activation", "ReLU", "Dropout", "LSTM", "Bidirectional", "GRU", "MaxPooling1D")
