"""Compute Keras 2.15's pooling, normalising and shaping layers for sequences in float64.

Arrays as in reference.network.layers: [trials, samples, batch, time, channels].
Formulas: keras/layers/pooling, normalization, activation and reshaping of Keras 2.15.
"""

from __future__ import annotations

import numpy as np

from reference.network.config import single
from reference.network.hooks import ACTIVATIONS, Array, UnsupportedLayer, align
from reference.network.layers import (
    LEAD,
    Function,
    Layer,
    Run,
    Tensor,
    expect_weights,
    one,
    padding,
)

_TIME = LEAD + 1


def batch_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta with the moving mean and variance
    (Ioffe and Szegedy 2015), as the converter writes it: x times a factor plus a shift."""
    (x, mask), options, hooks, name = one(layer, inputs), layer.options, run.hooks, layer.name
    axes = options["axis"] if isinstance(options["axis"], (list, tuple)) else [options["axis"]]
    if [axis % (x.ndim - LEAD) for axis in axes] != [x.ndim - LEAD - 1]:
        raise UnsupportedLayer(f"layer {name!r}: axis={axes!r} is not only the last one")
    size = x.shape[-1]
    count = options["scale"] + options["center"] + 2
    *learned, mean, variance = expect_weights(layer, *[(size,)] * count)
    factor = 1 / np.sqrt(variance + options["epsilon"])
    if options["scale"]:
        factor = factor * learned[0]
    shift = (learned[-1] if options["center"] else 0.0) - mean * factor
    # The converter computes factor and shift in float32.
    multiplier = align(hooks.weight(f"{name}/factor", "scale", factor), x.ndim)
    added = align(hooks.weight(f"{name}/shift", "bias", shift), x.ndim)
    multiplier = hooks.function(f"{name}/factor", "rsqrt", multiplier)
    added = hooks.function(f"{name}/shift", "rsqrt", added)
    scaled = hooks.tensor(f"{name}/scaled", x * multiplier)
    result = hooks.total(
        f"{name}/total", scaled + added, 2, lambda: np.abs(scaled[:1]) + np.abs(added[:1])
    )
    return [Tensor(hooks.tensor(name, result), mask)]


def _unmasked(layer: Layer, inputs: list[Tensor]) -> Array:
    x, mask = one(layer, inputs)
    if mask is not None:
        raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): a mask")
    return x


def global_average_pooling_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The mean over time."""
    x = _unmasked(layer, inputs)
    keep = bool(layer.options["keepdims"])
    mean = x.mean(axis=_TIME, keepdims=keep)
    total = run.hooks.total(
        f"{layer.name}/total",
        mean,
        x.shape[_TIME],
        lambda: np.abs(x[:1]).mean(axis=_TIME, keepdims=keep),
    )
    return [Tensor(run.hooks.tensor(layer.name, total))]


def global_max_pooling_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The greatest value over time: no rounding, and in integers the input's scale."""
    x = _unmasked(layer, inputs)
    return [Tensor(x.max(axis=_TIME, keepdims=bool(layer.options["keepdims"])))]


def _windows(layer: Layer, x: Array, outside: float) -> Array:
    """[.., time, channels] to [.., out, size, channels]; outside: what padding holds."""
    options = layer.options
    size = single(layer.name, "pool_size", options["pool_size"])
    strides = options["strides"] or options["pool_size"]
    stride = single(layer.name, "strides", strides)
    pad = padding(options["padding"], size, stride, 1, x.shape[-2])
    around = [(0, 0)] * (x.ndim - 2) + [pad, (0, 0)]
    padded = np.pad(x, around, constant_values=outside)
    count = (padded.shape[-2] - size) // stride + 1
    parts = [padded[..., k * stride : k * stride + size, :] for k in range(count)]
    return np.stack(parts, axis=-3)


def max_pooling_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The greatest value of each window: no rounding, and in integers the input's scale."""
    return [Tensor(_windows(layer, _unmasked(layer, inputs), -np.inf).max(axis=-2))]


def average_pooling_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The mean of each window; padding does not count."""
    x = _unmasked(layer, inputs)
    windows = _windows(layer, x, np.nan)
    mean = np.nanmean(windows, axis=-2)
    total = run.hooks.total(
        f"{layer.name}/total",
        mean,
        windows.shape[-2],
        lambda: np.nanmean(np.abs(windows[:1]), axis=-2),
    )
    return [Tensor(run.hooks.tensor(layer.name, total))]


def softmax(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """exp(x) / sum exp(x) along an axis."""
    x, mask = one(layer, inputs)
    axis = layer.options["axis"]
    if isinstance(axis, (list, tuple)) or mask is not None:
        raise UnsupportedLayer(f"layer {layer.name!r}: axis={axis!r}, or a mask")
    axis = axis + LEAD if axis >= 0 else axis + x.ndim
    moved = ACTIVATIONS["softmax"](np.moveaxis(x, axis, -1))
    result = run.hooks.function(layer.name, "softmax", np.moveaxis(moved, -1, axis))
    return [Tensor(run.hooks.tensor(layer.name, result, (0.0, 1.0)))]


def relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """max(x, 0), or min(max(x, 0), max_value)."""
    (x, mask), options = one(layer, inputs), layer.options
    if options["negative_slope"] or options["threshold"]:
        raise UnsupportedLayer(f"layer {layer.name!r}: a slope or a threshold")
    most = options["max_value"] or np.inf  # () where there is none
    result = np.clip(x, 0, most)
    return [Tensor(run.hooks.tensor(layer.name, result), mask)]


def leaky_relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x where positive, alpha x elsewhere."""
    x, mask = one(layer, inputs)
    result = np.where(x > 0, x, layer.options["alpha"] * x)
    result = run.hooks.function(layer.name, "leaky_relu", result)
    return [Tensor(run.hooks.tensor(layer.name, result), mask)]


def repeat_vector(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """[batch, features] n times along a new axis of time."""
    x = one(layer, inputs).value
    return [Tensor(np.repeat(x[..., np.newaxis, :], layer.options["n"], axis=-2))]


def zero_padding_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Zeros before and after the sequence."""
    x = _unmasked(layer, inputs)
    pad = _pair(layer, "padding")
    return [Tensor(np.pad(x, [(0, 0)] * (x.ndim - 2) + [pad, (0, 0)]))]


def cropping_1d(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The sequence without its first and last steps."""
    x = _unmasked(layer, inputs)
    first, last = _pair(layer, "cropping")
    return [Tensor(x[..., first : x.shape[-2] - last, :])]


def _pair(layer: Layer, option: str) -> tuple[int, int]:
    value = layer.options[option]
    first, last = value if isinstance(value, (list, tuple)) else (value, value)
    return int(first), int(last)


POOLING: dict[str, Function] = {
    "AveragePooling1D": average_pooling_1d,
    "BatchNormalization": batch_normalization,
    "Cropping1D": cropping_1d,
    "GlobalAveragePooling1D": global_average_pooling_1d,
    "GlobalMaxPooling1D": global_max_pooling_1d,
    "LeakyReLU": leaky_relu,
    "MaxPooling1D": max_pooling_1d,
    "ReLU": relu,
    "RepeatVector": repeat_vector,
    "Softmax": softmax,
    "ZeroPadding1D": zero_padding_1d,
}
