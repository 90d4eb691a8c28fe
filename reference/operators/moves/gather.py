"""Pick values by index: GATHER, GATHER_ND, EMBEDDING_LOOKUP, ONE_HOT, ARG_MAX and WHERE.

Sources (2.15.1): kernels/gather.cc, gather_nd.cc, embedding_lookup.cc, one_hot.cc, arg_min_max.cc
and where.cc; micro/kernels of the same names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.moves.shapes import axis_of, integers, moved
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]


def gather(call: Call, profile: OperatorProfile) -> Answer:
    """GATHER along an axis, with leading axes in common where batch_dims says so."""
    x, indices = call.value(0), call.value(1)
    axis = axis_of(int(call.options.get("axis", 0)), x.ndim)
    batch = axis_of(int(call.options.get("batch_dims", 0)), indices.ndim)
    _within(call, indices, x.shape[axis])
    if batch == 0:
        return moved(call, np.take(x, indices, axis))
    lead = x.shape[:batch]
    rows = x.reshape(-1, *x.shape[batch:])
    chosen = indices.reshape(-1, *indices.shape[batch:])
    found = [np.take(row, k, axis - batch) for row, k in zip(rows, chosen, strict=True)]
    return moved(call, np.stack(found).reshape(*lead, *found[0].shape))


def gather_nd(call: Call, profile: OperatorProfile) -> Answer:
    """GATHER_ND: the last axis of the indices is a position."""
    x, indices = call.value(0), call.value(1)
    for axis in range(indices.shape[-1]):
        _within(call, indices[..., axis], x.shape[axis])
    return moved(call, x[tuple(np.moveaxis(indices, -1, 0))])


def embedding_lookup(call: Call, profile: OperatorProfile) -> Answer:
    """EMBEDDING_LOOKUP: rows of the second input, of the same type as the output."""
    indices, table = call.value(0), call.value(1)
    if table.dtype != np.dtype(call.outputs[0].dtype):
        raise NoOracle(f"EMBEDDING_LOOKUP of {table.dtype} into {call.outputs[0].dtype}")
    _within(call, indices, len(table))
    return moved(call, table[indices])


def one_hot(call: Call, profile: OperatorProfile) -> Answer:
    """ONE_HOT: on where an index is, off elsewhere, also for an index outside."""
    indices, depth = call.value(0), integers(call.value(1))[0]
    on, off = call.value(2).reshape(()), call.value(3).reshape(())
    axis = axis_of(int(call.options.get("axis", -1)), indices.ndim + 1)
    chosen = np.expand_dims(indices, axis)
    shape = [1] * (indices.ndim + 1)
    shape[axis] = depth
    return moved(call, np.where(chosen == np.arange(depth).reshape(shape), on, off))


def arg_max(call: Call, profile: OperatorProfile) -> Answer:
    """ARG_MAX: the first of the largest."""
    return exact(_arg(call, np.argmax))


def arg_min(call: Call, profile: OperatorProfile) -> Answer:
    """ARG_MIN: the first of the smallest."""
    return exact(_arg(call, np.argmin))


def _arg(call: Call, find: Any) -> Array:
    x = call.value(0)
    if x.dtype.kind == "f" and np.any(np.isnan(x)):
        raise NoOracle(f"{call.name} of NaN")
    axis = axis_of(integers(call.value(1))[0], x.ndim)
    return np.asarray(find(x, axis=axis)).astype(call.outputs[0].dtype)


def where(call: Call, profile: OperatorProfile) -> Answer:
    """WHERE: the positions of what is not zero, a row each."""
    return exact(np.argwhere(call.value(0)).astype(call.outputs[0].dtype))


def _within(call: Call, indices: Array, size: int) -> None:
    """Raises NoOracle for an index outside, which the kernels refuse or read past an end."""
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        raise NoOracle(f"{call.name} of an index outside")


KERNELS: dict[str, Kernel] = {
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "EMBEDDING_LOOKUP": embedding_lookup,
    "ONE_HOT": one_hot,
    "ARG_MAX": arg_max,
    "ARG_MIN": arg_min,
    "WHERE": where,
}
