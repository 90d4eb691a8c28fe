"""Compute Keras 2.15's convolutions over one, two and three axes in float64.

Arrays as in reference.network.layers: [trials, samples, batch, *space, channels]. All are
cross-correlations: y[p] = sum over k of x[s p + d k] kernel[k], s the stride and d the dilation
(Goodfellow, Bengio and Courville 2016, chapter 9). A transposed one is the gradient of that
(Dumoulin and Visin 2016); depthwise and separable ones: Chollet 2017, arXiv 1610.02357.
Formulas: keras/layers/convolutional 2.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as grid
from typing import Any

import numpy as np

from reference.network.config import several
from reference.network.hooks import Array, Hooks, UnsupportedLayer, align, matmul
from reference.network.layers import (
    Function,
    Layer,
    Run,
    Tensor,
    expect_weights,
    finished,
    one,
)

Sizes = tuple[int, ...]


def padding(kind: str, size: int, stride: int, dilation: int, length: int) -> tuple[int, int]:
    """Zeros before and after an axis. same: output ceil(length / stride), the odd zero last."""
    span = (size - 1) * dilation
    if kind == "causal":
        return span, 0
    if kind == "same":
        needed = max((-(-length // stride) - 1) * stride + span + 1 - length, 0)
        return needed // 2, needed - needed // 2
    return 0, 0


def within(space: tuple[slice, ...]) -> tuple[Any, ...]:
    """The index of a part of the space, all channels of it."""
    return (Ellipsis, *space, slice(None))


def padded(
    x: Array, kind: str, size: Sizes, stride: Sizes, dilation: Sizes, outside: float = 0.0
) -> Array:
    """x [.., *space, channels] with what padding puts around the space."""
    space = x.shape[-1 - len(size) : -1]
    around = [padding(kind, *each) for each in zip(size, stride, dilation, space, strict=True)]
    if not any(any(pair) for pair in around):
        return x
    whole = [(0, 0)] * (x.ndim - 1 - len(size)) + around + [(0, 0)]
    return np.pad(x, whole, constant_values=outside)


def shifted(x: Array, size: Sizes, stride: Sizes, dilation: Sizes) -> list[Array]:
    """For each offset of a window, in C order, what all windows have there: [.., *out, channels].

    x: [.., *space, channels], padded.
    """
    space = x.shape[-1 - len(size) : -1]
    counts = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(space, size, stride, dilation, strict=True)
    ]
    found = []
    for offset in grid(*(range(k) for k in size)):
        cut = tuple(
            slice(k * d, k * d + s * (count - 1) + 1, s)
            for k, s, d, count in zip(offset, stride, dilation, counts, strict=True)
        )
        found.append(x[within(cut)])
    return found


def patches(x: Array, size: Sizes, stride: Sizes, dilation: Sizes, kind: str) -> Array:
    """Windows: [.., *space, channels] to [.., *out, size * channels]."""
    around = padded(x, kind, size, stride, dilation)
    return np.concatenate(shifted(around, size, stride, dilation), axis=-1)


def _geometry(layer: Layer) -> tuple[Sizes, Sizes, Sizes]:
    rank = rank_of(layer)
    options = layer.options
    size, stride, dilation = (
        several(layer.name, key, options[key], rank)
        for key in ("kernel_size", "strides", "dilation_rate")
    )
    return size, stride, dilation


def rank_of(layer: Layer) -> int:
    """How many axes of space the layer's class is for: the digit in its name."""
    return next(int(letter) for letter in layer.kind if letter.isdigit())


def _learned(
    run: Run, name: str, part: str, kernel: Array, bias: Array | None
) -> tuple[Array, Array | None]:
    """Kernel [offsets, n, filters] and bias as the hooks have them, trials first."""
    flat = kernel.reshape(-1, kernel.shape[-1])
    w = run.hooks.weight(f"{name}/{part}", "filters", flat)
    w = w.reshape(len(w), *kernel.shape)
    return w, None if bias is None else run.hooks.weight(f"{name}/bias", "bias", bias)


def _summed(
    hooks: Hooks,
    name: str,
    value: Callable[[Array, Array], Array],
    x: Array,
    kernel: Array,
    bias: Array | None,
    terms: int,
) -> Array:
    """value(x, kernel) plus a bias, as a sum of products."""
    added = None
    result = value(x, kernel)
    if bias is not None:
        added = align(bias, result.ndim)
        result = result + added

    def magnitude() -> Array:
        total = value(np.abs(x[:1]), np.abs(kernel[:1]))
        return total if added is None else total + np.abs(added[:1])

    return hooks.total(f"{name}/total", result, terms + (added is not None), magnitude)


def convolution(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """activation(x * kernel + bias), kernel [*size, channels / groups, filters]."""
    x, options, name = one(layer, inputs).value, layer.options, layer.name
    size, stride, dilation = _geometry(layer)
    filters, groups = options["filters"], options["groups"]
    if x.shape[-1] % groups or filters % groups:
        raise ValueError(f"layer {name!r}: {groups} groups of {x.shape[-1]} channels")
    channels = x.shape[-1] // groups
    kernel, *bias = expect_weights(
        layer, (*size, channels, filters), *[(filters,)] * bool(options["use_bias"])
    )
    w, b = _learned(run, name, "kernel", kernel.reshape(-1, channels, filters), _first(bias))

    def value(x: Array, w: Array) -> Array:
        parts = shifted(
            padded(x, options["padding"], size, stride, dilation), size, stride, dilation
        )
        if groups == 1:
            return _total(parts, w)
        width = filters // groups
        return np.concatenate(
            [
                _total(
                    [part[..., g * channels : (g + 1) * channels] for part in parts],
                    w[..., g * width : (g + 1) * width],
                )
                for g in range(groups)
            ],
            axis=-1,
        )

    x = run.hooks.operand(f"{name}/kernel", x, len(size) + 1)
    result = _summed(run.hooks, name, value, x, w, b, len(kernel.reshape(-1, filters)))
    return [Tensor(finished(run, layer, result))]


def _total(parts: Sequence[Array], w: Array) -> Array:
    """The sum over the offsets of a window of x times w [trials or 1, offsets, n, units]."""
    result = matmul(parts[0], w[:, 0])
    for offset in range(1, len(parts)):
        result = result + matmul(parts[offset], w[:, offset])
    return result


def _depthwise(
    run: Run, name: str, part: str, layer: Layer, x: Array, kernel: Array, bias: Array | None
) -> Array:
    """Each channel with `multiplier` kernels of its own: kernel [*size, channels, multiplier]."""
    size, stride, dilation = _geometry(layer)
    channels, multiplier = kernel.shape[-2:]
    columns = kernel.reshape(-1, channels * multiplier)
    w, b = _learned(run, name, part, columns, bias)

    def value(x: Array, w: Array) -> Array:
        kind = layer.options["padding"]
        parts = shifted(padded(x, kind, size, stride, dilation), size, stride, dilation)
        result = np.zeros(())
        for offset, piece in enumerate(parts):
            repeated = np.repeat(piece, multiplier, axis=-1)
            result = result + repeated * align(w[:, offset], piece.ndim)
        return np.asarray(result)

    x = run.hooks.operand(f"{name}/{part}", x, len(size) + 1)
    return _summed(run.hooks, name, value, x, w, b, len(columns))


def depthwise(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """activation(each channel * its kernels + bias)."""
    x, options = one(layer, inputs).value, layer.options
    size = _geometry(layer)[0]
    channels, multiplier = x.shape[-1], options["depth_multiplier"]
    kernel, *bias = expect_weights(
        layer,
        (*size, channels, multiplier),
        *[(channels * multiplier,)] * bool(options["use_bias"]),
    )
    result = _depthwise(run, layer.name, "kernel", layer, x, kernel, _first(bias))
    return [Tensor(finished(run, layer, result))]


def separable(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """A depthwise convolution, then one over the channels of each place: two operators."""
    x, options, name = one(layer, inputs).value, layer.options, layer.name
    size, rank = _geometry(layer)[0], rank_of(layer)
    channels, multiplier = x.shape[-1], options["depth_multiplier"]
    filters = options["filters"]
    first, second, *bias = expect_weights(
        layer,
        (*size, channels, multiplier),
        (*(1,) * rank, channels * multiplier, filters),
        *[(filters,)] * bool(options["use_bias"]),
    )
    between = _depthwise(run, f"{name}/depthwise", "kernel", layer, x, first, None)
    between = run.hooks.tensor(f"{name}/depthwise", between)
    w, b = _learned(run, name, "pointwise", second.reshape(1, -1, filters), _first(bias))
    between = run.hooks.operand(f"{name}/pointwise", between, rank + 1)
    result = _summed(
        run.hooks, name, lambda x, w: _total([x], w), between, w, b, channels * multiplier
    )
    return [Tensor(finished(run, layer, result))]


def transposed(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The gradient of a convolution by its input, kernel [*size, filters, channels]."""
    x, options, name = one(layer, inputs).value, layer.options, layer.name
    size, stride, dilation = _geometry(layer)
    if any(d != 1 for d in dilation) or options["output_padding"] or options["groups"] != 1:
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): dilation, groups or output_padding")
    filters, channels = options["filters"], x.shape[-1]
    kernel, *bias = expect_weights(
        layer, (*size, filters, channels), *[(filters,)] * bool(options["use_bias"])
    )
    by_offset = np.swapaxes(kernel.reshape(-1, filters, channels), 1, 2)
    w, b = _learned(run, name, "kernel", by_offset, _first(bias))
    space = x.shape[-1 - len(size) : -1]
    full = [(n - 1) * s + max(k, s) for n, s, k in zip(space, stride, size, strict=True)]
    same = options["padding"] == "same"
    length = [n * s if same else f for n, s, f in zip(space, stride, full, strict=True)]
    before = [max(k - s, 0) // 2 if same else 0 for k, s in zip(size, stride, strict=True)]

    def value(x: Array, w: Array) -> Array:
        trials = max(len(x), len(w))
        result = np.zeros((trials, *x.shape[1 : -1 - len(size)], *full, filters))
        for index, offset in enumerate(grid(*(range(k) for k in size))):
            cut = tuple(
                slice(o, o + s * (n - 1) + 1, s)
                for o, s, n in zip(offset, stride, space, strict=True)
            )
            result[within(cut)] += matmul(x, w[:, index])
        kept = tuple(slice(b, b + n) for b, n in zip(before, length, strict=True))
        return np.asarray(result[within(kept)])

    x = run.hooks.operand(f"{name}/kernel", x, len(size) + 1)
    terms = channels * int(np.prod([-(-k // s) for k, s in zip(size, stride, strict=True)]))
    result = _summed(run.hooks, name, value, x, w, b, terms)
    return [Tensor(finished(run, layer, result))]


def _first(bias: Sequence[Array]) -> Array | None:
    return bias[0] if bias else None


CONVOLUTION: dict[str, Function] = {
    **{f"Conv{rank}D": convolution for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": transposed for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": depthwise for rank in (1, 2)},
    **{f"SeparableConv{rank}D": separable for rank in (1, 2)},
}
