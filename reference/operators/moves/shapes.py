"""Resolve the axes, shapes and sizes that operators are told by constants and options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.kernel import Answer, Call, exact

Array = NDArray[Any]


def axis_of(axis: int, ndim: int) -> int:
    """A position from the front; negative ones count from the end."""
    return axis + ndim if axis < 0 else axis


def integers(x: Array) -> tuple[int, ...]:
    """A small integer tensor's values."""
    return tuple(int(n) for n in np.asarray(x).reshape(-1))


def reshaped(x: Array, shape: Sequence[int]) -> Array:
    """x in a shape with at most one -1."""
    return x.reshape(tuple(shape))


def moved(call: Call, value: Array) -> Answer:
    """An answer of values that were only moved: due to the bit, in the output's type."""
    return exact(
        np.ascontiguousarray(value).reshape(value.shape).astype(call.outputs[0].dtype, copy=False)
    )
