"""Compute Keras 2.15's normalising layers in float64, in the steps that the converter makes.

Arrays as in reference.network.layers: [trials, samples, batch, …, channels]. Formulas:
keras/layers/normalization and keras/layers/preprocessing of Keras 2.15.
"""

from __future__ import annotations

import numpy as np

from reference.network.hooks import Array, Hooks, UnsupportedLayer, align
from reference.network.layers import (
    LEAD,
    Function,
    Layer,
    Run,
    Tensor,
    axes_of,
    expect_weights,
    one,
)
from reference.network.steps import added, averaged, learned, multiplied

#: tf.linalg.l2_normalize: the smallest square that is divided by.
_SMALLEST_SQUARE = 1e-12
#: keras.backend.epsilon(): the smallest deviation that Normalization divides by.
_SMALLEST_DEVIATION = 1e-7


def batch_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta with the moving mean and variance
    (Ioffe and Szegedy 2015), as the converter writes it: x times a factor plus a shift."""
    (x, mask), options, hooks, name = one(layer, inputs), layer.options, run.hooks, layer.name
    axes = axes_of(layer, options["axis"], x.ndim)
    if len(axes) != 1:
        raise UnsupportedLayer(f"layer {name!r}: axis={options['axis']!r} is not one axis")
    size = x.shape[axes[0]]
    count = options["scale"] + options["center"] + 2
    *own, mean, variance = expect_weights(layer, *[(size,)] * count)
    factor = 1 / np.sqrt(variance + options["epsilon"])
    if options["scale"]:
        factor = factor * own[0]
    shift = (own[-1] if options["center"] else 0.0) - mean * factor
    # The converter computes factor and shift in float32.
    x = np.moveaxis(x, axes[0], -1)
    multiplier = align(hooks.weight(f"{name}/factor", "scale", factor), x.ndim)
    moved = align(hooks.weight(f"{name}/shift", "bias", shift), x.ndim)
    multiplier = hooks.function(f"{name}/factor", "rsqrt", multiplier)
    moved = hooks.function(f"{name}/shift", "rsqrt", moved)
    scaled = hooks.tensor(f"{name}/scaled", x * multiplier)
    result = hooks.total(
        f"{name}/total", scaled + moved, 2, lambda: np.abs(scaled[:1]) + np.abs(moved[:1])
    )
    return [Tensor(np.moveaxis(hooks.tensor(name, result), -1, axes[0]), mask)]


def normalised(hooks: Hooks, name: str, x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon), mean and variance along axes: x times a factor
    less a shift, not yet a tensor."""
    size = int(np.prod([x.shape[axis] for axis in axes]))
    mean = averaged(hooks, f"{name}/mean", x, axes)
    centred = x - mean
    squared = hooks.tensor(f"{name}/squared", np.square(centred))
    variance = squared.mean(axis=axes, keepdims=True)
    variance = hooks.total(f"{name}/variance", variance, size, lambda: variance[:1])
    variance = hooks.tensor(f"{name}/variance", variance)
    inverse = 1 / np.sqrt(np.maximum(variance, 0) + epsilon)
    factor = hooks.tensor(f"{name}/inverse", hooks.function(f"{name}/inverse", "rsqrt", inverse))
    scaled = hooks.tensor(f"{name}/scaled", x * factor)
    shift = hooks.tensor(f"{name}/shift", mean * factor)
    return hooks.total(
        f"{name}/difference", scaled - shift, 3, lambda: np.abs(scaled[:1]) + np.abs(shift[:1])
    )


def _grown(run: Run, layer: Layer, result: Array, own: list[Array]) -> Array:
    """result times gamma plus beta, as far as the layer has them, and the output tensor.

    own: gamma and beta, each with axes that broadcast against the last ones of result.
    """
    options, hooks, name = layer.options, run.hooks, layer.name

    def weight(part: str, value: Array) -> Array:
        kind = "scale" if part == "gamma" else "bias"
        flat = hooks.weight(f"{name}/{part}", kind, value.reshape(-1))  # type: ignore[arg-type]
        missing = (1,) * (result.ndim - 1 - value.ndim)
        return flat.reshape(len(flat), *missing, *value.shape)

    if options["scale"]:
        result = hooks.tensor(f"{name}/normal", result)
        result = result * weight("gamma", own[0])
    if options["center"]:
        result = hooks.tensor(f"{name}/grown", result)
        result = result + weight("beta", own[-1])
    return hooks.tensor(name, result)


def layer_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta (Ba et al. 2016) along axes."""
    (x, mask), options = one(layer, inputs), layer.options
    axes = axes_of(layer, options["axis"], x.ndim)
    shape = tuple(x.shape[axis] for axis in axes)
    own = expect_weights(layer, *[shape] * (options["scale"] + options["center"]))
    result = normalised(run.hooks, layer.name, x, tuple(axes), options["epsilon"])
    spread = [size if axis in axes else 1 for axis, size in enumerate(x.shape)][axes[0] :]
    return [Tensor(_grown(run, layer, result, [w.reshape(spread) for w in own]), mask)]


def group_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The same over each group of channels and all other axes (arXiv 1803.08494)."""
    (x, mask), options, name = one(layer, inputs), layer.options, layer.name
    (axis,) = axes_of(layer, options["axis"], x.ndim)
    if mask is not None:
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): a mask")
    channels = x.shape[axis]
    groups = channels if options["groups"] == -1 else options["groups"]
    if channels % groups:
        raise ValueError(f"layer {name!r}: {groups} groups of {channels} channels")
    own = expect_weights(layer, *[(channels,)] * (options["scale"] + options["center"]))
    moved = np.moveaxis(x, axis, -1)
    grouped = moved.reshape(*moved.shape[:-1], groups, channels // groups)
    along = (*range(LEAD + 1, grouped.ndim - 2), grouped.ndim - 1)
    result = normalised(run.hooks, name, grouped, along, options["epsilon"])
    result = result.reshape(len(result), *moved.shape[1:])
    return [Tensor(np.moveaxis(_grown(run, layer, result, own), -1, axis), mask)]


def l2_normalised(
    hooks: Hooks, name: str, x: Array, axes: tuple[int, ...], smallest: float = _SMALLEST_SQUARE
) -> Array:
    """x / sqrt(max(sum x^2, smallest)) along axes as a tensor of its own."""
    squared = hooks.tensor(f"{name}/squared", np.square(x))
    size = int(np.prod([x.shape[axis] for axis in axes]))
    total = squared.sum(axis=axes, keepdims=True)
    total = hooks.tensor(f"{name}/sum", hooks.total(f"{name}/sum", total, size, lambda: total[:1]))
    inverse = 1 / np.sqrt(np.maximum(total, smallest))
    inverse = hooks.tensor(f"{name}/inverse", hooks.function(f"{name}/inverse", "rsqrt", inverse))
    return multiplied(hooks, name, x, inverse)


def unit_normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x divided by its Euclidean norm along axes."""
    x, mask = one(layer, inputs)
    axes = tuple(axes_of(layer, layer.options["axis"], x.ndim))
    return [Tensor(l2_normalised(run.hooks, layer.name, x, axes), mask)]


def normalization(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """(x - mean) / max(sqrt(variance), 1e-7) with what `adapt` found or the layer was given."""
    x, options, hooks, name = one(layer, inputs).value, layer.options, run.hooks, layer.name
    axis = options["axis"]
    axes = [] if axis is None or axis in ((), []) else axes_of(layer, axis, x.ndim)
    shape = tuple(x.shape[k] for k in axes)
    if options["mean"] is None or options["mean"] == ():
        mean, variance, _ = expect_weights(layer, shape, shape, ())
    else:
        expect_weights(layer)
        mean, variance = (
            np.broadcast_to(np.asarray(options[key], np.float64).reshape(-1), shape or (1,))
            if np.size(options[key]) == 1
            else np.asarray(options[key], np.float64).reshape(shape)
            for key in ("mean", "variance")
        )
    spread = [size if k in axes else 1 for k, size in enumerate(x.shape)]
    deviation = np.maximum(np.sqrt(variance), _SMALLEST_DEVIATION)
    shift = learned(hooks, f"{name}/mean", mean.reshape(spread[1:]))
    if options["invert"]:
        factor = learned(hooks, f"{name}/deviation", deviation.reshape(spread[1:]))
        return [Tensor(added(hooks, name, multiplied(hooks, f"{name}/scaled", x, factor), shift))]
    factor = learned(hooks, f"{name}/inverse", 1 / deviation.reshape(spread[1:]))
    return [Tensor(multiplied(hooks, name, added(hooks, f"{name}/centred", x, -shift), factor))]


def rescaling(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x scale + offset."""
    x, options, hooks, name = one(layer, inputs).value, layer.options, run.hooks, layer.name
    scale, offset = (
        learned(hooks, f"{name}/{key}", _against(np.asarray(options[key], np.float64), x.ndim - 1))
        for key in ("scale", "offset")
    )
    scaled = multiplied(hooks, f"{name}/scaled", x, scale)
    return [Tensor(added(hooks, name, scaled, offset) if np.any(offset) else scaled)]


def _against(value: Array, ndim: int) -> Array:
    """A constant with axes of size 1 put before its own."""
    return value.reshape(*(1,) * (ndim - value.ndim), *value.shape)


NORMALIZATION: dict[str, Function] = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    "Normalization": normalization,
    "Rescaling": rescaling,
    "UnitNormalization": unit_normalization,
}
