"""Compute an operator for many samples at once, where its kernel does not mix them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.operators.description import Tensor
from reference.operators.folds import Fold, Value, fold_of
from reference.operators.kernel import Answer, Call
from reference.operators.profiles import OperatorProfile
from reference.operators.table import compute

Array = NDArray[Any]


class Uneven(Exception):
    """Samples that cannot be computed together: their values have different shapes, or loops end
    after different numbers of steps."""


class Answers(NamedTuple):
    """An `Answer` for each sample; allowed has the shapes of the values."""

    values: tuple[Value, ...]
    allowed: tuple[Array | None, ...]
    states: dict[int, Value]


def compute_all(
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int
) -> Answers:
    """What an operator answers to each of count samples.

    call: without values. values: in the order of its inputs, None where one is left out. Raises
    NoOracle as `compute` does, and Uneven where the answers have different shapes.
    """
    if all(value is None or value.shared for value in values):
        return _shared(compute(_with(call, [v and v.array for v in values]), profile))
    if call.name in _OF_SHAPES:
        return _shared(compute(_with(call, [v and v.of(0) for v in values]), profile))
    if call.name in _IN_ORDER:
        return _in_order(call, values, profile, count)
    fold = fold_of(call, values)
    if fold is None and call.name in _MOVING and (moved := _moved(call, values, profile, count)):
        return moved
    if fold is None:
        return _one_by_one(call, values, profile, count)
    return _folded(call, values, profile, count, fold)


def _with(call: Call, values: Sequence[Array | None]) -> Call:
    return replace(call, values=tuple(values))


def _shared(answer: Answer) -> Answers:
    states = {k: Value(array, True) for k, array in answer.states.items()}
    return Answers(tuple(Value(v, True) for v in answer.values), answer.allowed, states)


def _one_by_one(
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int
) -> Answers:
    answers = [compute(_with(call, [v and v.of(k) for v in values]), profile) for k in range(count)]
    try:
        found = tuple(
            Value(np.stack([answer.values[k] for answer in answers]))
            for k in range(len(call.outputs))
        )
    except ValueError as error:
        raise Uneven(f"{call.name}: {error}") from None
    allowed = tuple(
        None
        if answers[0].allowed[k] is None
        else np.stack([np.broadcast_to(a.allowed[k], a.values[k].shape) for a in answers])  # type: ignore[arg-type]
        for k in range(len(call.outputs))
    )
    states = {
        k: Value(np.stack([answer.states[k] for answer in answers])) for k in answers[0].states
    }
    return Answers(found, allowed, states)


def _moved(
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int
) -> Answers | None:
    """An operator that only moves values: where each comes from is found once, with numbers for
    them, and is the same for every sample. None where it may do more than that."""
    chosen = _MOVING[call.name]
    data = [k for k in range(len(values)) if chosen is None or k in chosen]
    kept = {(t.dtype, t.scale, t.zero_point) for t in call.outputs}
    kept |= {(t.dtype, t.scale, t.zero_point) for k in data if (t := call.inputs[k]) is not None}
    rest = [value for k, value in enumerate(values) if k not in data]
    if len(kept) != 1 or any(value is None or not value.shared for value in rest):
        return None
    arrays: list[Array | None] = [value and value.array for value in values]
    tensors, pool, start = list(call.inputs), [], 0
    for k in data:
        value, tensor = values[k], call.inputs[k]
        if value is None or tensor is None:
            return None
        one = value.of(0)
        arrays[k] = np.arange(start, start + one.size, dtype=np.int32).reshape(one.shape)
        tensors[k] = replace(tensor, dtype="int32", scale=(), zero_point=(), data=None)
        pool.append(value.spread(count).reshape(count, -1))
        start += one.size
    outputs = tuple(replace(t, dtype="int32", scale=(), zero_point=()) for t in call.outputs)
    numbered = replace(call, inputs=tuple(tensors), values=tuple(arrays), outputs=outputs)
    answer, held = compute(numbered, profile), np.concatenate(pool, axis=1)
    found = tuple(
        Value(held[:, places.reshape(-1)].reshape(count, *places.shape)) for places in answer.values
    )
    return Answers(found, (None,) * len(found), {})


def _in_order(
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int
) -> Answers:
    """An operator that leaves its values as they are, under another shape."""
    first = values[0]
    if first is None or first.shared or any(v and not v.shared for v in values[1:]):
        return _one_by_one(call, values, profile, count)
    answer = compute(_with(call, [v and v.of(0) for v in values]), profile)
    shape, dtype = answer.values[0].shape, answer.values[0].dtype
    moved = first.array.astype(dtype, copy=False).reshape(count, *shape)
    if not np.array_equal(moved[0], answer.values[0]):  # it does more than that
        return _one_by_one(call, values, profile, count)
    return Answers((Value(moved),), answer.allowed, {})


def _folded(
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int, fold: Fold
) -> Answers:
    arrays: list[Array | None] = []
    tensors: list[Tensor | None] = []
    for tensor, value, axis in zip(call.inputs, values, fold.inputs, strict=True):
        if value is None or (value.shared and not fold.tile) or axis is None:
            arrays.append(value and value.array)
            tensors.append(tensor)
            continue
        array = _together(value.spread(count), axis)
        arrays.append(array)
        tensors.append(tensor and replace(tensor, shape=array.shape))
    outputs = tuple(_wider(tensor, fold.outputs, count) for tensor in call.outputs)
    wide = replace(call, inputs=tuple(tensors), values=tuple(arrays), outputs=outputs)
    answer = compute(wide, profile)
    scalar = all(
        value is None or value.shared or value.array.ndim == 1 for value in values
    )  # of scalars each sample is an entry of a vector

    def apart(array: Array) -> Array:
        return array.reshape(count) if scalar else _apart(array, fold.outputs, count)

    allowed = tuple(
        None if a is None else apart(np.broadcast_to(a, v.shape))
        for a, v in zip(answer.allowed, answer.values, strict=True)
    )
    states = {k: Value(_apart(array, 0, count)) for k, array in answer.states.items()}
    return Answers(tuple(Value(apart(v)) for v in answer.values), allowed, states)


def _together(array: Array, axis: int) -> Array:
    """[N, …] with the samples one after the other along an axis of each."""
    if array.ndim == 1:
        return array
    moved = np.moveaxis(array, 0, axis)
    shape = moved.shape
    return moved.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])


def _apart(array: Array, axis: int, count: int) -> Array:
    """The reverse of `_together`."""
    shape = array.shape
    split = array.reshape(*shape[:axis], count, -1, *shape[axis + 1 :])
    return np.moveaxis(split, axis, 0)


def _wider(tensor: Tensor, axis: int, count: int) -> Tensor:
    if len(tensor.shape) <= axis:
        return tensor
    shape = list(tensor.shape)
    shape[axis] *= count
    return replace(tensor, shape=tuple(shape))


#: Answers that shapes decide and values do not.
_OF_SHAPES = ("SHAPE", "RANK", "ZEROS_LIKE")
#: The inputs of operators that only move values which are moved; None for all.
_MOVING: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(
        ("SLICE", "STRIDED_SLICE", "TRANSPOSE", "REVERSE_V2", "UNPACK", "GATHER"), (0,)
    ),
    **{"CONCATENATION": None, "PACK": None, "SPLIT": (1,), "SPLIT_V": (0,)},
}
_IN_ORDER = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
