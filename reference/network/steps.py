"""Take single steps of arithmetic, each rounded once and each a tensor of its own.

Arrays as in reference.network.hooks: trials first, or 1. `name` is that of the resulting tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference.network.hooks import Array, Hooks, Lazy


def added(hooks: Hooks, name: str, *values: Array) -> Array:
    """A sum of arrays (of constants too, such as a negative one) as a tensor of its own."""
    result: Array = sum(values[1:], start=values[0])
    magnitude: Lazy = lambda: sum((np.abs(v[:1]) for v in values), np.zeros(()))  # noqa: E731
    return hooks.tensor(name, hooks.total(f"{name}/total", result, len(values), magnitude))


def multiplied(hooks: Hooks, name: str, first: Array, second: Array) -> Array:
    """A product element by element as a tensor of its own."""
    return hooks.tensor(name, hooks.function(name, "multiply", first * second))


def contracted(hooks: Hooks, name: str, first: Array, second: Array) -> Array:
    """The matrix product [.., n, k] [.., k, m] of two activations as a tensor of its own."""
    total = hooks.total(
        f"{name}/total",
        first @ second,
        first.shape[-1],
        lambda: np.abs(first[:1]) @ np.abs(second[:1]),
    )
    return hooks.tensor(name, total)


def averaged(
    hooks: Hooks, name: str, value: Array, axes: Sequence[int], keepdims: bool = True
) -> Array:
    """The mean along axes as a tensor of its own."""
    along = tuple(axes)
    count = int(np.prod([value.shape[axis] for axis in along]))
    total = hooks.total(
        f"{name}/total",
        value.mean(axis=along, keepdims=keepdims),
        count,
        lambda: np.abs(value[:1]).mean(axis=along, keepdims=keepdims),
    )
    return hooks.tensor(name, total)


def learned(hooks: Hooks, name: str, value: Array) -> Array:
    """A constant of any shape that tensors are added to or multiplied with, trials first.

    One value alone is exact in every scheme: an integer scheme's grid ends at it.
    """
    if np.unique(value).size <= 1:
        return np.asarray(value[np.newaxis])
    flat = hooks.weight(name, "scale", value.reshape(-1))
    return np.asarray(flat.reshape(len(flat), *value.shape))
