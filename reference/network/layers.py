"""Compute Keras 2.15's layers without recurrence in float64.

Every array has three leading axes: trials, samples, and then Keras's own shape, batch first.
Formulas: keras/layers 2.15, in the folder of each layer's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from reference.network.config import single, wrapped
from reference.network.hooks import (
    ACTIVATIONS,
    Array,
    Hooks,
    UnsupportedLayer,
    align,
    magnitude_of,
    matmul,
)

#: Axes before Keras's own: trials and samples.
LEAD = 2


class Tensor(NamedTuple):
    """value: [trials, samples, batch, …]. mask: bool [trials, samples, batch, time] or None."""

    value: Array
    mask: Array | None = None


@dataclass
class Layer:
    """One layer of the network: options with defaults, weights in get_weights() order."""

    name: str
    kind: str
    options: Mapping[str, Any]
    weights: Sequence[Array]
    #: Whether something reads the states that it returns.
    states_read: bool = False


@dataclass
class Run:
    """What all layers of one evaluation share.

    cell_clip: limit of the cell state in LSTMs that the converter fuses, 0 for none.
    carried: recurrent states by layer, kept from one run to the next; None to start from zero.
    """

    hooks: Hooks
    cell_clip: float = 0.0
    carried: dict[str, list[Array]] | None = field(default=None)


Function = Callable[[Run, Layer, list[Tensor]], list[Tensor]]


def expect_weights(layer: Layer, *shapes: tuple[int, ...]) -> list[Array]:
    """The layer's weights. Raises ValueError unless number and shapes are these."""
    found = [tuple(weight.shape) for weight in layer.weights]
    if found != list(shapes):
        raise ValueError(f"layer {layer.name!r}: weights {found}, expected {list(shapes)}")
    return list(layer.weights)


def one(layer: Layer, inputs: list[Tensor]) -> Tensor:
    """The only input of a layer that has one."""
    if len(inputs) != 1:
        raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): {len(inputs)} inputs")
    return inputs[0]


def activated(run: Run, name: str, function: str, value: Array) -> Array:
    """An activation function at the end of a layer, and the layer's output tensor."""
    if function not in ("linear", "relu"):  # the others are operators of their own
        value = run.hooks.tensor(f"{name}/logits", value)
    bounds = {"softmax": (0.0, 1.0), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
    result = run.hooks.function(name, function, ACTIVATIONS[function](value))
    return run.hooks.tensor(name, result, bounds.get(function))


def product(
    run: Run, layer: Layer, x: Array, kernel: Array, bias: Array | None, row_axes: int = 1
) -> Array:
    """x [.., n] times kernel [n, units] plus bias [units]; see Hooks.operand for row_axes."""
    w = run.hooks.weight(f"{layer.name}/kernel", "kernel", kernel)
    x = run.hooks.operand(f"{layer.name}/kernel", x, row_axes)
    result = matmul(x, w)
    added: tuple[Array, ...] = ()
    if bias is not None:
        added = (align(run.hooks.weight(f"{layer.name}/bias", "bias", bias), result.ndim),)
        result = result + added[0]
    terms = len(kernel) + len(added)
    return run.hooks.total(f"{layer.name}/total", result, terms, magnitude_of(x, w, *added))


def dense(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """activation(x kernel + bias) over the last axis."""
    x, options = one(layer, inputs), layer.options
    units = options["units"]
    shapes = [(x.value.shape[-1], units)] + [(units,)] * bool(options["use_bias"])
    kernel, *bias = expect_weights(layer, *shapes)
    result = product(run, layer, x.value, kernel, bias[0] if bias else None)
    return [Tensor(activated(run, layer.name, options["activation"], result), x.mask)]


def padding(kind: str, size: int, stride: int, dilation: int, length: int) -> tuple[int, int]:
    """Zeros before and after an axis. same: output ceil(length / stride), the odd zero last."""
    span = (size - 1) * dilation
    if kind == "causal":
        return span, 0
    if kind == "same":
        needed = max((-(-length // stride) - 1) * stride + span + 1 - length, 0)
        return needed // 2, needed - needed // 2
    return 0, 0


def patches(x: Array, size: int, stride: int = 1, dilation: int = 1, kind: str = "valid") -> Array:
    """Windows along the last but one axis: [.., length, channels] to [.., out, size * channels]."""
    pad = padding(kind, size, stride, dilation, x.shape[-2])
    if any(pad):
        x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [pad, (0, 0)])
    count = (x.shape[-2] - (size - 1) * dilation - 1) // stride + 1
    last = stride * (count - 1) + 1
    parts = [x[..., k * dilation : k * dilation + last : stride, :] for k in range(size)]
    return np.concatenate(parts, axis=-1)


def conv_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Cross-correlation along time, kernel [size, channels, filters]."""
    x, options = one(layer, inputs).value, layer.options
    size, stride, dilation = (
        single(layer.name, key, options[key]) for key in ("kernel_size", "strides", "dilation_rate")
    )
    filters = options["filters"]
    shapes: list[tuple[int, ...]] = [(size, x.shape[-1], filters)]
    kernel, *bias = expect_weights(layer, *shapes, *[(filters,)] * bool(options["use_bias"]))
    windows = patches(x, size, stride, dilation, options["padding"])
    flat = kernel.reshape(-1, filters)
    result = product(run, layer, windows, flat, bias[0] if bias else None, row_axes=2)
    return [Tensor(activated(run, layer.name, options["activation"], result))]


def embedding(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Rows of a table by token; with mask_zero, token 0 is masked."""
    tokens = one(layer, inputs).value
    rows, columns = layer.options["input_dim"], layer.options["output_dim"]
    (table,) = expect_weights(layer, (rows, columns))
    indices = tokens[0].astype(np.int64)  # trials share the tokens
    if indices.size and not 0 <= indices.min() <= indices.max() < rows:
        raise ValueError(f"layer {layer.name!r}: a token lies outside of 0 to {rows - 1}")
    result = run.hooks.weight(f"{layer.name}/table", "embedding", table)[:, indices]
    return [Tensor(result, (indices != 0)[np.newaxis] if layer.options["mask_zero"] else None)]


def masking(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Masks the steps whose features all equal mask_value, and sets them to zero."""
    x = one(layer, inputs).value
    mask = np.any(x != layer.options["mask_value"], axis=-1)
    return [Tensor(x * mask[..., np.newaxis], mask)]


def layer_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta (Ba et al. 2016) along the last axis."""
    (x, mask), options, hooks, name = one(layer, inputs), layer.options, run.hooks, layer.name
    axes = options["axis"] if isinstance(options["axis"], (list, tuple)) else [options["axis"]]
    if [axis % (x.ndim - LEAD) for axis in axes] != [x.ndim - LEAD - 1]:
        raise UnsupportedLayer(f"layer {name!r}: axis={axes!r} is not only the last one")
    size = x.shape[-1]
    weights = expect_weights(layer, *[(size,)] * (options["scale"] + options["center"]))
    mean = x.mean(axis=-1, keepdims=True)
    mean = hooks.total(
        f"{name}/mean", mean, size, lambda: np.abs(x[:1]).mean(axis=-1, keepdims=True)
    )
    mean = hooks.tensor(f"{name}/mean", mean)
    centred = x - mean
    squared = hooks.tensor(f"{name}/squared", np.square(centred))
    variance = squared.mean(axis=-1, keepdims=True)
    variance = hooks.total(f"{name}/variance", variance, size, lambda: variance[:1])
    variance = hooks.tensor(f"{name}/variance", variance)
    inverse = 1 / np.sqrt(np.maximum(variance, 0) + options["epsilon"])
    factor = hooks.tensor(f"{name}/inverse", hooks.function(f"{name}/inverse", "rsqrt", inverse))
    scaled = hooks.tensor(f"{name}/scaled", x * factor)
    shift = hooks.tensor(f"{name}/shift", mean * factor)
    result = hooks.total(
        f"{name}/difference", scaled - shift, 3, lambda: np.abs(scaled[:1]) + np.abs(shift[:1])
    )
    if options["scale"]:
        result = hooks.tensor(f"{name}/normal", result)
        result = result * align(hooks.weight(f"{name}/gamma", "scale", weights[0]), x.ndim)
    if options["center"]:
        result = hooks.tensor(f"{name}/grown", result)
        result = result + align(hooks.weight(f"{name}/beta", "bias", weights[-1]), x.ndim)
    return [Tensor(hooks.tensor(name, result), mask)]


def activation(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs)
    return [Tensor(activated(run, layer.name, layer.options["activation"], x.value), x.mask)]


def dropout(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Inactive outside of training."""
    return [one(layer, inputs)]


def flatten(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs).value
    return [Tensor(x.reshape(*x.shape[: LEAD + 1], -1))]


def reshape(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs).value
    return [Tensor(x.reshape(*x.shape[: LEAD + 1], *layer.options["target_shape"]))]


def permute(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """dims counts Keras's axes after the batch from 1."""
    x = one(layer, inputs).value
    return [Tensor(x.transpose(*range(LEAD + 1), *(LEAD + d for d in layer.options["dims"])))]


def summed(run: Run, name: str, values: Sequence[Array]) -> Array:
    """A sum of arrays as a tensor of its own."""
    result: Array = sum(values[1:], start=values[0])
    total = run.hooks.total(
        f"{name}/total",
        result,
        len(values),
        lambda: sum((np.abs(v[:1]) for v in values), np.zeros(())),
    )
    return run.hooks.tensor(name, total)


def time_distributed(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """A layer applied to each time step: time is folded into the batch and out again."""
    x, mask = one(layer, inputs)
    kind, options = wrapped(layer.name, layer.options["layer"])
    if kind not in SIMPLE:
        raise UnsupportedLayer(f"layer {layer.name!r}: TimeDistributed({kind})")
    folded = x.reshape(*x.shape[:LEAD], -1, *x.shape[LEAD + 2 :])
    inner = Layer(layer.name, kind, options, layer.weights)
    (result,) = SIMPLE[kind](run, inner, [Tensor(folded)])
    value = result.value
    shape = (len(value), *x.shape[1 : LEAD + 2], *value.shape[LEAD + 1 :])
    return [Tensor(value.reshape(shape), mask)]


#: Layers with one output that TimeDistributed may wrap.
SIMPLE: dict[str, Function] = {
    "Activation": activation,
    "Conv1D": conv_1d,
    "Dense": dense,
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"), dropout
    ),
    "Flatten": flatten,
    "LayerNormalization": layer_normalization,
    "Permute": permute,
    "Reshape": reshape,
}

LAYERS: dict[str, Function] = {
    **SIMPLE,
    "Embedding": embedding,
    "Masking": masking,
    "TimeDistributed": time_distributed,
}
