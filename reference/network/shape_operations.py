"""Compute TensorFlow's operations that move, cut, join and make tensors, as Keras saves them.

As in reference.network.numeric_operations. Formulas: tensorflow/python/ops/array_ops.py 2.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reference.network.hooks import Array
from reference.network.layers import LEAD
from reference.network.operands import Operation, axes_of, axis_of, number, numbers

Result = Array | list[Array]


def getitem(op: Operation, tensor: Any, slice_spec: Any) -> Array:
    """x[…]: integers, slices, an ellipsis and new axes; the first one is for the batch."""
    x = op.value(tensor)
    entries = slice_spec if isinstance(slice_spec, (list, tuple)) else [slice_spec]
    index: list[Any] = [slice(None)] * LEAD
    for entry in entries:
        if isinstance(entry, Mapping) and "start" in entry:
            ends = [entry.get(k) for k in ("start", "stop", "step")]
            index.append(slice(*(None if end is None else number(end) for end in ends)))
        elif isinstance(entry, Mapping):
            index.append(Ellipsis)
        elif entry is None:
            index.append(np.newaxis)
        else:
            index.append(number(entry))
    return np.asarray(x[tuple(index)])


def slice_of(op: Operation, input_: Any, begin: Any, size: Any) -> Array:
    x = op.value(input_)
    cut = [
        slice(first, None if count == -1 else first + count)
        for first, count in zip(numbers(begin), numbers(size), strict=True)
    ]
    return np.asarray(x[(slice(None),) * LEAD + tuple(cut)])


def concat(op: Operation, values: Any, axis: Any) -> Array:
    parts = [op.value(one, f"constant_{k}") for k, one in enumerate(values)]
    along = axis_of(axis, max(part.ndim for part in parts))
    return op.rounded(np.concatenate(_alike(parts, along), along))


def stack(op: Operation, values: Any, axis: Any = 0) -> Array:
    parts = [op.value(one, f"constant_{k}") for k, one in enumerate(values)]
    ndim = max(part.ndim for part in parts)
    return op.rounded(np.stack(_alike(parts, None), axis_of(axis, ndim + 1)))


def _alike(parts: list[Array], along: int | None) -> list[Array]:
    """Trials and samples of each as many as of all; a constant has one of each."""
    lead = tuple(max(part.shape[k] for part in parts) for k in range(LEAD))
    return [np.broadcast_to(part, (*lead, *part.shape[LEAD:])) for part in parts]


def unstack(op: Operation, value: Any, num: Any = None, axis: Any = 0) -> list[Array]:
    x = op.value(value)
    along = axis_of(axis, x.ndim)
    return [np.take(x, k, along) for k in range(x.shape[along])]


def split(op: Operation, value: Any, num_or_size_splits: Any, axis: Any = 0) -> list[Array]:
    x = op.value(value)
    along = axis_of(axis, x.ndim)
    if isinstance(num_or_size_splits, (list, tuple)):
        sizes = numbers(num_or_size_splits)
        known = sum(size for size in sizes if size >= 0)
        sizes = [x.shape[along] - known if size < 0 else size for size in sizes]
        return list(np.split(x, np.cumsum(sizes)[:-1], along))
    return list(np.split(x, number(num_or_size_splits), along))


def reshape(op: Operation, tensor: Any, shape: Any) -> Array:
    x = op.value(tensor)
    return x.reshape(*x.shape[:LEAD], *numbers(shape))


def expand_dims(op: Operation, input: Any, axis: Any) -> Array:  # noqa: A002
    x = op.value(input)
    return np.expand_dims(x, axis_of(axis, x.ndim + 1))


def squeeze(op: Operation, input: Any, axis: Any = None, squeeze_dims: Any = None) -> Array:  # noqa: A002
    x = op.value(input)
    chosen = squeeze_dims if axis is None else axis
    if chosen is None or chosen == []:
        along = tuple(k for k in range(LEAD, x.ndim) if x.shape[k] == 1)
    else:
        along = axes_of(chosen, x.ndim)
    return np.squeeze(x, along)


def transpose(op: Operation, a: Any, perm: Any = None, conjugate: bool = False) -> Array:
    x = op.value(a)
    order = range(x.ndim - LEAD)[::-1] if perm is None else numbers(perm)
    return x.transpose(*range(LEAD), *(axis_of(k, x.ndim) for k in order))


def tile(op: Operation, input: Any, multiples: Any) -> Array:  # noqa: A002
    return np.tile(op.value(input), (*(1,) * LEAD, *numbers(multiples)))


def repeat(op: Operation, input: Any, repeats: Any, axis: Any = None) -> Array:  # noqa: A002
    x = op.value(input)
    if axis is None:
        raise op.refuse("repeat without an axis")
    return np.repeat(x, numbers(repeats), axis_of(axis, x.ndim))


def reverse(op: Operation, tensor: Any, axis: Any) -> Array:
    x = op.value(tensor)
    return np.flip(x, axes_of(axis, x.ndim))


def roll(op: Operation, input: Any, shift: Any, axis: Any) -> Array:  # noqa: A002
    x = op.value(input)
    along = [axis_of(one, x.ndim) for one in numbers(axis)]
    return np.roll(x, numbers(shift), along)


def pad(
    op: Operation, tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0
) -> Array:
    x = op.value(tensor)
    around = [(0, 0)] * LEAD + [tuple(numbers(pair)) for pair in paddings]
    if mode.upper() == "CONSTANT":
        return np.pad(x, around, constant_values=constant_values)
    kinds = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}
    return np.pad(x, around, mode=kinds[mode.upper()])  # type: ignore[call-overload,no-any-return]


def gather(
    op: Operation,
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: Any = 0,
) -> Array:
    """Parts of a tensor by constant places along one axis."""
    if isinstance(indices, np.ndarray) or number(batch_dims) != 0:
        raise op.refuse("gather by places that are computed")
    x = op.value(params)
    places = np.asarray(indices, np.int64)
    return np.take(x, places, axis_of(0 if axis is None else axis, x.ndim))


def broadcast_to(op: Operation, input: Any, shape: Any) -> Array:  # noqa: A002
    x = op.value(input)
    wanted = numbers(shape)
    x = x.reshape(*x.shape[:LEAD], *(1,) * (len(wanted) + LEAD - x.ndim), *x.shape[LEAD:])
    return np.broadcast_to(x, (*x.shape[:LEAD], *wanted))


def shape_of(op: Operation, input: Any, out_type: Any = None) -> Array:  # noqa: A002
    return np.asarray(op.value(input).shape[LEAD:], np.int64)[np.newaxis, np.newaxis]


def fill(op: Operation, dims: Any, value: Any) -> Array:
    return np.full((1, 1, *numbers(dims)), float(value))


def zeros(op: Operation, shape: Any, dtype: Any = None, layout: Any = None) -> Array:
    return fill(op, shape, 0.0)


def ones(op: Operation, shape: Any, dtype: Any = None, layout: Any = None) -> Array:
    return fill(op, shape, 1.0)


def zeros_like(op: Operation, tensor: Any, dtype: Any = None, optimize: Any = True) -> Array:
    return np.zeros_like(op.value(tensor)[:1])


def ones_like(op: Operation, tensor: Any, dtype: Any = None, optimize: Any = True) -> Array:
    return np.ones_like(op.value(tensor)[:1])


def where(op: Operation, condition: Any, x: Any = None, y: Any = None) -> Array:
    if x is None or y is None:
        raise op.refuse("the places where something is true")
    chosen, first, second = op.together(condition, x, y)
    return op.rounded(np.where(chosen, first, second))


def cast(op: Operation, x: Any, dtype: Any) -> Array:
    """To integers by leaving out what is behind the point."""
    value = op.value(x)
    kind = str(dtype)
    if "int" in kind:
        return np.trunc(value).astype(np.int64)
    if "bool" in kind:
        return np.asarray(value != 0)
    if kind not in ("float32", "float64"):
        raise op.refuse(f"a cast to {kind}")
    return value.astype(np.float64)


def one_hot(
    op: Operation,
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
) -> Array:
    """Zeros for a place beyond the depth."""
    places = op.value(indices)[..., np.newaxis] == np.arange(number(depth))
    result = np.where(places, 1.0 if on_value is None else on_value, off_value or 0.0)
    return result if axis in (None, -1) else np.moveaxis(result, -1, axis_of(axis, result.ndim))


def same(op: Operation, input: Any) -> Array:  # noqa: A002
    return op.value(input)


SHAPES: Mapping[str, Callable[..., Result]] = {
    "__operators__.getitem": getitem,
    "broadcast_to": broadcast_to,
    "cast": cast,
    "compat.v1.gather": gather,
    "compat.v1.ones_like": ones_like,
    "compat.v1.pad": pad,
    "compat.v1.shape": shape_of,
    "compat.v1.squeeze": squeeze,
    "compat.v1.transpose": transpose,
    "compat.v1.zeros_like": zeros_like,
    "concat": concat,
    "expand_dims": expand_dims,
    "fill": fill,
    "gather": gather,
    "identity": same,
    "one_hot": one_hot,
    "ones": ones,
    "ones_like": ones_like,
    "pad": pad,
    "repeat": repeat,
    "reshape": reshape,
    "reverse": reverse,
    "roll": roll,
    "shape": shape_of,
    "slice": slice_of,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "stop_gradient": same,
    "tile": tile,
    "transpose": transpose,
    "unstack": unstack,
    "where": where,
    "zeros": zeros,
    "zeros_like": zeros_like,
}
