"""Hold what an operation on tensors is given: tensors and constants, axes as TensorFlow counts.

A tensor is [trials, samples, *its own shape], the batch being the first of its own axes. What
TensorFlow computes from shapes alone (`tf.shape`) is an array of that form too, the same for every
sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.network.hooks import Array, Hooks, UnsupportedLayer
from reference.network.layers import LEAD
from reference.network.steps import learned


@dataclass(frozen=True)
class Operation:
    """One operation of a model: the name of its node, and the hooks."""

    name: str
    hooks: Hooks

    def value(self, given: Any, part: str = "constant") -> Array:
        """A tensor as it is, a constant as an array that broadcasts to tensors."""
        if isinstance(given, np.ndarray):
            return given
        array = np.asarray(given)
        if array.dtype.kind not in "fiub":
            raise UnsupportedLayer(f"layer {self.name!r}: {given!r} is no number")
        if array.dtype.kind == "b":
            return array[np.newaxis, np.newaxis]
        array = array.astype(np.float64)
        # TensorFlow keeps the constants beside float tensors in float32.
        array = array.astype(np.float32).astype(np.float64)
        return learned(self.hooks, f"{self.name}/{part}", array[np.newaxis])

    def together(self, *given: Any) -> list[Array]:
        """Values of one rank, axes of size 1 put before those of the smaller ones."""
        tensors = [one for one in given if isinstance(one, np.ndarray)]
        if tensors and all(one.dtype.kind != "f" for one in tensors):  # shapes, truth values
            values = [one if isinstance(one, np.ndarray) else _exact(one) for one in given]
        else:
            values = [self.value(one, f"constant_{k}") for k, one in enumerate(given)]
        return aligned(*values)

    def rounded(self, value: Array, bounds: tuple[float, float] | None = None) -> Array:
        """A result as a tensor of its own; truth values and indices are exact."""
        return self.hooks.tensor(self.name, value, bounds) if value.dtype.kind == "f" else value

    def refuse(self, why: str) -> UnsupportedLayer:
        return UnsupportedLayer(f"layer {self.name!r}: {why}")


def aligned(*values: Array) -> list[Array]:
    """Arrays of one rank, axes of size 1 put before those of the smaller ones."""
    ndim = max(value.ndim for value in values)
    return [
        value.reshape(*value.shape[:LEAD], *(1,) * (ndim - value.ndim), *value.shape[LEAD:])
        for value in values
    ]


def _exact(given: Any) -> Array:
    return np.asarray(given)[np.newaxis, np.newaxis]


def number(given: Any) -> int:
    """An integer: itself, or a tensor that has the same one for every sample."""
    if isinstance(given, np.ndarray):
        first = given.reshape(-1)[0]
        if (given != first).any():
            raise UnsupportedLayer("a size that differs from sample to sample")
        return int(first)
    if isinstance(given, bool) or int(given) != given:
        raise UnsupportedLayer(f"{given!r} is no integer")
    return int(given)


def numbers(given: Any) -> list[int]:
    """A list of integers: a list of numbers and tensors, or a tensor of one axis."""
    if isinstance(given, np.ndarray) and given.ndim > LEAD:
        return [number(given[..., k]) for k in range(given.shape[-1])]
    if isinstance(given, (list, tuple)):
        return [number(one) for one in given]
    return [number(given)]


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, counted without trials and samples, in an array of `ndim` axes."""
    own = number(axis)
    found = own + LEAD if own >= 0 else own + ndim
    if not LEAD <= found < ndim:
        raise UnsupportedLayer(f"an axis {own} of {ndim - LEAD}")
    return found


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Several axes; None: all."""
    if axis is None:
        return tuple(range(LEAD, ndim))
    given: Sequence[int] = numbers(axis)
    return tuple(sorted({axis_of(one, ndim) for one in given}))
