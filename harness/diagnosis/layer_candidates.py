"""List what single layers could be instead: another activation, direction, gate order, or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnosis.source_model import Source, described_weights

Array = NDArray[Any]
Change = Callable[[Source], Source]
#: Layer, name, what it says, cure, the change.
LayerFault = tuple[str, str, str, str, Change]

_FUNCTIONS = ("linear", "relu", "tanh", "sigmoid", "softmax", "hard_sigmoid", "elu")
_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("update", "reset", "candidate")}
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM1D")
_SAME_SHAPE = ("BatchNormalization", "LayerNormalization", "Activation", "ReLU", "Softmax")
_OTHER_FILE = "convert this model again, and look for an older or changed copy of it"
#: Epsilons of other frameworks and versions.
_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-12)


def of_layers(source: Source) -> Iterator[LayerFault]:
    """Every change of one layer that is a known fault, the layers nearest to the output first."""
    for node in reversed(source.document["nodes"]):
        name, kind, config = node["name"], node["class"], node["config"]
        inner = config.get("layer") or {}
        own, chosen = inner.get("class", kind), inner.get("config", config)
        yield from _functions(name, own, chosen)
        if own in RECURRENT:
            yield from _recurrent(source, name, own, chosen)
        if kind == "Bidirectional":
            yield from _bidirectional(source, name, config)
        yield from _options(name, own, chosen)
        if node["initial_state"]:
            yield _fault(
                name,
                "initial-state-dropped",
                "starts from zeros, not from its initial state",
                methodcaller("with_node", name, initial_state=[]),
                "feed the initial state as an input: the converter drops a constant one",
            )
        if own in _SAME_SHAPE and len(node["inputs"]) == 1:
            yield _fault(name, "layer-missing", "is left out", methodcaller("without", name))
        yield from _biases(source, name)
        yield from _statistics(source, name, own)
    if any(node["class"] in ("LSTM", "Bidirectional") for node in source.document["nodes"]):
        yield (
            "all LSTMs",
            "cell-clip",
            "the cell states are clipped at 10, the limit that the converter writes into every "
            "fused LSTM and Keras does not have",
            "set cell_clip to 0 in the flatbuffer, or train with smaller states",
            lambda given: replace(given, cell_clip=10.0),
        )


def _fault(layer: str, name: str, says: str, change: Change, cure: str = _OTHER_FILE) -> LayerFault:
    return layer, name, f"layer {layer!r} {says}", cure, change


def _functions(name: str, kind: str, config: Mapping[str, Any]) -> Iterator[LayerFault]:
    """Another activation function."""
    for option in ("activation", "recurrent_activation"):
        given = config.get(option)
        if given is None and kind in ("LSTM", "GRU") and option == "recurrent_activation":
            given = "sigmoid"
        if given is None and kind in ("LSTM", "GRU", "SimpleRNN"):
            given = "tanh"
        if not isinstance(given, str) or (given == "linear" and kind == "Activation"):
            continue
        word = option.replace("_", " ")
        for other in _FUNCTIONS:
            if other == given or (kind in ("LSTM", "GRU") and other == "softmax"):
                continue
            says = f"has the {word} {other}, not {given}"
            if other == "linear":
                says = f"lacks its {word} {given}"
            yield _fault(
                name,
                "activation-missing" if other == "linear" else "another-activation",
                says,
                methodcaller("with_options", name, **{option: other}),
            )


def _recurrent(
    source: Source, name: str, kind: str, config: Mapping[str, Any]
) -> Iterator[LayerFault]:
    backwards = bool(config.get("go_backwards"))
    yield _fault(
        name,
        "direction",
        "reads its sequence " + ("forwards" if backwards else "backwards"),
        methodcaller("with_options", name, go_backwards=not backwards),
        "look for go_backwards, or a reversal, that one of the two lacks",
    )
    keys = [weight.key for weight in described_weights(source.document, source.weights)]
    own = [key for key in keys if key.rpartition("/")[0] == name]
    gates = _GATES.get(kind, ())
    for a, b in combinations(range(len(gates)), 2):
        yield _fault(
            name,
            "gates-swapped",
            f"has its {gates[a]} and {gates[b]} gates swapped",
            partial(_regated, keys=own, count=len(gates), order={a: b, b: a}),
            "look for the order of the gates: Keras has "
            + ", ".join(gates)
            + ", other frameworks another",
        )
    if kind == "LSTM":
        for order in ({1: 2, 2: 3, 3: 1}, {1: 3, 2: 1, 3: 2}):
            yield _fault(
                name,
                "gates-permuted",
                "has its gates in another framework's order",
                partial(_regated, keys=own, count=4, order=order),
                "look for the order of the gates: Keras has input, forget, cell, output",
            )
        for by in (-1.0, 1.0):
            yield _fault(
                name,
                "forget-bias",
                f"has a forget bias that is off by {by:+g}",
                partial(_forget_bias, keys=own, by=by),
                "the unit forget bias is in Keras's weights already: do not add it again",
            )
    for key in own:
        values = source.weights[key]
        recurrent = values.ndim == 2 and len(gates) * values.shape[0] == values.shape[1]
        if recurrent and key.endswith(("/1", "/4")):
            yield _fault(
                name,
                "recurrent-kernel-transposed",
                "has its recurrent kernels transposed",
                methodcaller("with_weight", key, _transposed(np.asarray(values))),
            )


def _regated(source: Source, keys: list[str], count: int, order: Mapping[int, int]) -> Source:
    """The layer's arrays, their last axis cut into gates, in another order."""
    weights = dict(source.weights)
    for key in keys:
        gates = np.split(np.asarray(weights[key]), count, axis=-1)
        weights[key] = np.concatenate([gates[order.get(k, k)] for k in range(count)], axis=-1)
    return replace(source, weights=weights)


def _forget_bias(source: Source, keys: list[str], by: float) -> Source:
    weights = dict(source.weights)
    for key in keys:
        values = np.array(weights[key], np.float64)
        if values.ndim == 1 and values.size % 4 == 0:
            units = values.size // 4
            values[units : 2 * units] += by
            weights[key] = values
    return replace(source, weights=weights)


def _transposed(values: Array) -> Array:
    units = values.shape[0]
    return np.concatenate(
        [values[:, k : k + units].T for k in range(0, values.shape[1], units)], axis=1
    )


def _bidirectional(source: Source, name: str, config: Mapping[str, Any]) -> Iterator[LayerFault]:
    keys = [k for k in source.weights if k.rpartition("/")[0] == name]
    half = len(keys) // 2

    def exchanged(given: Source) -> Source:
        weights = dict(given.weights)
        for k in range(half):
            a, b = f"{name}/{k}", f"{name}/{k + half}"
            weights[a], weights[b] = weights[b], weights[a]
        return replace(given, weights=weights)

    yield _fault(name, "directions-swapped", "has its two directions' weights swapped", exchanged)
    merged = config.get("merge_mode", "concat")
    for other in ("sum", "ave", "mul"):
        if merged in ("sum", "ave", "mul") and other != merged:
            yield _fault(
                name,
                "merge-mode",
                f"merges by {other}, not {merged}",
                methodcaller("with_options", name, merge_mode=other),
            )


def _options(name: str, kind: str, config: Mapping[str, Any]) -> Iterator[LayerFault]:
    """Options that keep every shape."""
    if config.get("mask_zero"):
        yield _fault(
            name,
            "mask-dropped",
            "masks nothing: padding is read as any other id",
            methodcaller("with_options", name, mask_zero=False),
            "pad on the right and read the last real step, or train without mask_zero",
        )
    if kind == "Masking":
        yield _fault(
            name,
            "mask-dropped",
            "masks nothing: padding is read as data",
            methodcaller("without", name),
        )
    if kind.endswith("Normalization"):
        chosen = float(config.get("epsilon", 1e-3))
        for other in _EPSILONS:
            if not np.isclose(other, chosen, rtol=0.01):
                yield _fault(
                    name,
                    "epsilon",
                    f"has the epsilon {other:g}, not {chosen:g}",
                    methodcaller("with_options", name, epsilon=other),
                )
    if kind == "Conv1D" and config.get("padding") in ("same", "causal"):
        padding = "causal" if config["padding"] == "same" else "same"
        yield _fault(
            name,
            "padding",
            f"pads as {padding!r}, not {config['padding']!r}",
            methodcaller("with_options", name, padding=padding),
        )


def _biases(source: Source, name: str) -> Iterator[LayerFault]:
    for weight in described_weights(source.document, source.weights):
        values = np.asarray(source.weights[weight.key])
        if weight.layer == name and weight.title.endswith(("bias", "beta")) and np.any(values):
            yield _fault(
                name,
                "bias-dropped",
                f"lacks its {weight.title}",
                methodcaller("with_weight", weight.key, np.zeros_like(values)),
            )


def _statistics(source: Source, name: str, kind: str) -> Iterator[LayerFault]:
    if kind != "BatchNormalization":
        return
    by_title = {
        w.title: w.key
        for w in described_weights(source.document, source.weights)
        if w.layer == name
    }
    for title, value in (("moving mean", 0.0), ("moving variance", 1.0), ("gamma", 1.0)):
        if title in by_title:
            yield _fault(
                name,
                "statistics",
                f"has the {title} of a model that was never trained ({value:g})",
                methodcaller(
                    "with_weight",
                    by_title[title],
                    np.full_like(source.weights[by_title[title]], value),
                ),
            )
