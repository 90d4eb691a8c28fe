"""Compute Keras 2.15's pooling layers over one, two and three axes in float64.

Arrays as in reference.network.layers: [trials, samples, batch, *space, channels].
Formulas: keras/layers/pooling of Keras 2.15.
"""

from __future__ import annotations

import numpy as np

from reference.network.config import several
from reference.network.convolution import Sizes, padded, rank_of, shifted
from reference.network.hooks import Array
from reference.network.layers import LEAD, Function, Layer, Run, Tensor, one
from reference.network.steps import averaged

_TIME = LEAD + 1


def global_average(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The mean over all of the space; over one axis masked steps do not count."""
    (x, mask), keep = one(layer, inputs), bool(layer.options["keepdims"])
    if mask is None or rank_of(layer) != 1:
        axes = range(_TIME, _TIME + rank_of(layer))
        return [Tensor(averaged(run.hooks, layer.name, x, axes, keep))]
    counted = mask[..., np.newaxis].astype(np.float64)
    kept = x * counted
    count = counted.sum(axis=_TIME, keepdims=keep)
    total = run.hooks.total(
        f"{layer.name}/total",
        kept.sum(axis=_TIME, keepdims=keep) / count,
        x.shape[_TIME],
        lambda: np.abs(kept[:1]).sum(axis=_TIME, keepdims=keep) / count[:1],
    )
    return [Tensor(run.hooks.tensor(layer.name, total))]


def global_max(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The greatest value over all of the space: no rounding, and in integers the input's scale.
    (Keras 2.15 ignores a mask here.)"""
    x = one(layer, inputs).value
    axes = tuple(range(_TIME, _TIME + rank_of(layer)))
    return [Tensor(x.max(axis=axes, keepdims=bool(layer.options["keepdims"])))]


def _windows(layer: Layer, x: Array, outside: float) -> tuple[list[Array], Sizes]:
    """What all windows have at each offset, and a window's size; outside: what padding holds."""
    options, rank = layer.options, rank_of(layer)
    size = several(layer.name, "pool_size", options["pool_size"], rank)
    stride = several(layer.name, "strides", options["strides"] or size, rank)
    every = (1,) * rank
    around = padded(x, options["padding"], size, stride, every, outside)
    return shifted(around, size, stride, every), size


def maximum(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The greatest value of each window: no rounding, and in integers the input's scale."""
    parts, _ = _windows(layer, one(layer, inputs).value, -np.inf)
    return [Tensor(np.maximum.reduce(parts))]


def average(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The mean of each window; padding does not count."""
    x = one(layer, inputs).value
    parts, size = _windows(layer, x, 0.0)
    counts = _windows(layer, np.ones((1, 1, 1, *x.shape[LEAD + 1 : -1], 1)), 0.0)[0]
    count = sum(counts, np.zeros(()))
    mean = sum(parts, np.zeros(())) / count
    total = run.hooks.total(
        f"{layer.name}/total",
        mean,
        int(np.prod(size)),
        lambda: sum((np.abs(part[:1]) for part in parts), np.zeros(())) / count,
    )
    return [Tensor(run.hooks.tensor(layer.name, total))]


def _of_ranks(name: str, function: Function) -> dict[str, Function]:
    return {f"{name}{rank}D": function for rank in (1, 2, 3)}


POOLING: dict[str, Function] = {
    **_of_ranks("AveragePooling", average),
    **_of_ranks("GlobalAveragePooling", global_average),
    **_of_ranks("GlobalMaxPooling", global_max),
    **_of_ranks("MaxPooling", maximum),
}
