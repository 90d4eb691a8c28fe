"""Compute the float64 value of a whole Keras model, the oracle of the float comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reference.network.activation_layers import ACTIVATION_LAYERS
from reference.network.attention import ATTENTION
from reference.network.config import call_options, options
from reference.network.convolution import CONVOLUTION
from reference.network.hooks import Array, Hooks, UnsupportedLayer
from reference.network.layers import FUNCTIONS, Layer, Run, Tensor
from reference.network.merging import MERGING
from reference.network.normalization import NORMALIZATION
from reference.network.operations import OPERATIONS_LAYER
from reference.network.pooling import POOLING
from reference.network.recurrent import RECURRENT
from reference.network.shaping import SHAPING
from reference.network.shared_weights import SharedWeights

# The model is the JSON document of `fixtures.variants.Variant.document()`: inputs, nodes in
# topological order, outputs. A node is one call of a layer: its name, class, config, inputs and
# initial_state. Of a layer that is called more than once each node has the key `layer`, the name
# that the weights go by. `call` has options of the call, `{"input": k}` in them the k-th input.
# A model inside of the model is written out, its nodes named `model/layer`; one inside of a
# TimeDistributed stands between a FoldTime and an UnfoldTime. Semantics are those of Keras 2.15
# in inference, stateful layers reset before each sample.

__all__ = ["Hooks", "UnsupportedLayer", "evaluate", "run"]

for _functions in (
    *(ACTIVATION_LAYERS, ATTENTION, CONVOLUTION, MERGING, NORMALIZATION),
    *(OPERATIONS_LAYER, POOLING, RECURRENT, SHAPING),
):
    FUNCTIONS.update(_functions)
#: Both directions of a Bidirectional that does not merge them, and two states of each.
_MOST_OUTPUTS = 6


def evaluate(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    noise: Hooks | None = None,
    cell_clip: float = 0.0,
) -> list[Array]:
    """Every output of the model, in order, for every sample.

    weights: by `layer_name/index`, in the order of Keras's layer.get_weights(). inputs: by input
    name, [samples, batch, …], in Keras's own layout after the samples (so [samples, time, batch,
    …] for a time-major model). noise: where lower precision enters; None is exact.
    cell_clip: limit of the cell state in the LSTMs that the converter fuses (it writes 10.0),
    0 for none, as in Keras.
    Returns float64 [samples, batch, …], or with noise [trials, samples, batch, …].
    Raises UnsupportedLayer for a layer or option the oracle does not know, ValueError for
    inputs or weights that are missing, superfluous, or of a wrong shape.
    """
    if noise is None:
        return [value[0] for value in run(document, weights, inputs, Run(Hooks(), cell_clip))]
    return run(document, weights, inputs, Run(noise, cell_clip))


def run(
    document: Mapping[str, Any], weights: Mapping[str, Array], inputs: Mapping[str, Array], how: Run
) -> list[Array]:
    """As `evaluate`; every output is [trials, samples, batch, …]."""
    tensors = _inputs(document, inputs, how)
    left = set(weights)
    read = _read(document)
    shared: dict[str, Array] = {}
    for node in document["nodes"]:
        layer = _layer(node, weights, read)
        owner = node.get("layer", layer.name)
        left -= {f"{owner}/{index}" for index in range(len(layer.weights))}
        names = [*node["inputs"], *node["initial_state"]]
        arguments = [tensors[name] for name in names]
        if node["initial_state"] and layer.kind not in RECURRENT:
            raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): initial_state")
        if layer.kind in RECURRENT and len(node["inputs"]) != 1:
            raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): several inputs")
        hooks = how.hooks
        if "layer" in node:
            hooks = SharedWeights(hooks, layer.name, owner, shared)
        found = FUNCTIONS[layer.kind](replace(how, hooks=hooks), layer, arguments)
        tensors.update({f"{layer.name}:{index}": part for index, part in enumerate(found)})
        if len(found) == 1:
            tensors[layer.name] = found[0]
    if left:
        raise ValueError(f"weights of no layer: {', '.join(sorted(left))}")
    trials = how.hooks.trials
    outputs = [tensors[name].value for name in document["outputs"]]
    return [np.array(np.broadcast_to(v, (trials, *v.shape[1:]))) for v in outputs]


def _inputs(
    document: Mapping[str, Any], inputs: Mapping[str, Array], how: Run
) -> dict[str, Tensor]:
    names = [entry["name"] for entry in document["inputs"]]
    if sorted(names) != sorted(inputs):
        raise ValueError(f"inputs {sorted(inputs)}, expected {sorted(names)}")
    tensors = {}
    for entry in document["inputs"]:
        value = np.asarray(inputs[entry["name"]])
        shape = value.shape[2:]
        wanted = entry["shape"]
        if len(shape) != len(wanted) or any(
            b is not None and a != b for a, b in zip(shape, wanted, strict=True)
        ):
            raise ValueError(
                f"input {entry['name']!r} is {list(value.shape)}, expected [samples, batch, "
                f"{', '.join(str(size) for size in wanted)}]"
            )
        lifted = value.astype(np.float64)[np.newaxis]
        if np.dtype(entry["dtype"]).kind == "f":
            lifted = how.hooks.tensor(entry["name"], lifted)
        tensors[entry["name"]] = Tensor(lifted)
    return tensors


def _layer(node: Mapping[str, Any], weights: Mapping[str, Array], read: set[str]) -> Layer:
    name, kind = node["name"], node["class"]
    owner = node.get("layer", name)
    found: list[Array] = []
    while f"{owner}/{len(found)}" in weights:
        found.append(np.asarray(weights[f"{owner}/{len(found)}"], np.float64))
    chosen = options(name, kind, node["config"])
    if kind not in FUNCTIONS:
        raise UnsupportedLayer(f"layer {name!r}: {kind} is no layer of its own")
    # Both directions' outputs come first where Bidirectional does not merge them.
    first_state = 2 if kind == "Bidirectional" and chosen["merge_mode"] is None else 1
    states_read = any(f"{name}:{k}" in read for k in range(first_state, _MOST_OUTPUTS))
    call = call_options(name, kind, node.get("call", {}))
    return Layer(name, kind, chosen, found, states_read, call)


def _read(document: Mapping[str, Any]) -> set[str]:
    """The names of all tensors that something reads."""
    names = set(document["outputs"])
    for node in document["nodes"]:
        names |= {*node["inputs"], *node["initial_state"]}
    return names
