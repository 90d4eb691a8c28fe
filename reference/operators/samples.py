"""Compute an operator for many samples at once, where its kernel does not mix them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call
from reference.operators.profiles import OperatorProfile
from reference.operators.table import compute

Array = NDArray[Any]


class Uneven(Exception):
    """Samples that cannot be computed together: their values have different shapes, or loops end
    after different numbers of steps."""


class Value(NamedTuple):
    """What a tensor holds: [N, …] for N samples, or […] where it is the same for all of them."""

    array: Array
    shared: bool = False

    def of(self, sample: int) -> Array:
        return self.array if self.shared else self.array[sample]

    def spread(self, count: int) -> Array:
        """[N, …] in any case."""
        return (
            np.broadcast_to(self.array, (count, *self.array.shape)) if self.shared else self.array
        )


class Answers(NamedTuple):
    """An `Answer` for each sample; allowed has the shapes of the values."""

    values: tuple[Value, ...]
    allowed: tuple[Array | None, ...]
    states: dict[int, Value]


@dataclass(frozen=True, eq=False)
class _Fold:
    """The axis of each input and of the outputs along which samples may follow one another; None
    for an input that is the same for all. tile: a shared input is repeated for every sample."""

    inputs: tuple[int | None, ...]
    outputs: int = 0
    tile: bool = False


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
    fold = _fold(call, values)
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
    call: Call, values: Sequence[Value | None], profile: OperatorProfile, count: int, fold: _Fold
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
_IN_ORDER = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")

#: The largest block of values that a kernel takes at once.
_BLOCK = 16
_UNARY = (
    *("CAST", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1"),
    *("RELU_0_TO_1", "HARD_SWISH", "LEAKY_RELU", "ELU", "GELU", "ABS", "NEG", "EXP", "LOG", "SQRT"),
    *("RSQRT", "SQUARE", "SIN", "COS", "FLOOR", "CEIL", "ROUND", "SIGN", "LOGICAL_NOT"),
)
_BINARY = (
    *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "FLOOR_DIV"),
    *("FLOOR_MOD", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"),
    *("LOGICAL_AND", "LOGICAL_OR", "SELECT", "SELECT_V2", "PRELU", "ADD_N"),
)
_VECTORS = ("FULLY_CONNECTED", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")
_PICTURES = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL")

Rule = Callable[[Call, Sequence[Value | None]], "_Fold | None"]


def _fold(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    """How samples may be computed together; None where nothing is known of that."""
    rule = _RULES.get(call.name)
    return None if rule is None else rule(call, values)


def _dependent(values: Sequence[Value | None]) -> list[int]:
    return [k for k, value in enumerate(values) if value is not None and not value.shared]


def _axes(values: Sequence[Value | None], positions: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(0 if k in positions else None for k in range(len(values)))


def _rank(value: Value | None) -> int:
    assert value is not None
    return value.array.ndim - (0 if value.shared else 1)


def _unary(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    tensors = [call.inputs[0], *call.outputs]
    if any(tensor is None or len(tensor.scale) > 1 for tensor in tensors):
        return None
    return _Fold(_axes(values, [0]))


def _blocks(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    """Operators that compute whole blocks in one way and what is left of a tensor in another."""
    first = values[0]
    if first is None or first.shared or first.array[0].size % _BLOCK:
        return None
    return _unary(call, values)


def _binary(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    positions = _dependent(values)
    ranks = {_rank(values[k]) for k in positions}
    if len(ranks) != 1 or any(value is None for value in values):
        return None
    (rank,) = ranks
    sizes = {values[k].array.shape[1:2] for k in positions}  # type: ignore[union-attr]
    if len(sizes) != 1:
        return None
    for k, value in enumerate(values):
        if k in positions:
            continue
        assert value is not None
        if _rank(value) > rank or (_rank(value) == rank and rank and value.array.shape[0] != 1):
            return None
    return _Fold(_axes(values, positions))


def _rows(first: int, least: int) -> Rule:
    """Of operators whose input number `first`, of at least so many axes, has the batch first."""

    def rule(call: Call, values: Sequence[Value | None]) -> _Fold | None:
        if _dependent(values) != [first] or _rank(values[first]) < least:
            return None
        return _Fold(_axes(values, [first]))

    return rule


def _off(axis: Any, rank: int) -> bool:
    """Whether an axis, or each of several, is not the first."""
    return bool(np.all(np.asarray(axis).reshape(-1) % max(1, rank) != 0)) and rank > 0


def _of_axis(value: int, axis: Callable[[Call, Sequence[Value | None]], Any]) -> Rule:
    """Of operators that work along an axis of one input."""

    def rule(call: Call, values: Sequence[Value | None]) -> _Fold | None:
        if _dependent(values) != [value]:
            return None
        rank = _rank(values[value])
        return _Fold(_axes(values, [value])) if _off(axis(call, values), rank) else None

    return rule


def _operand(position: int) -> Callable[[Call, Sequence[Value | None]], Any]:
    def found(call: Call, values: Sequence[Value | None]) -> Any:
        value = values[position] if position < len(values) else None
        return 0 if value is None else value.array

    return found


def _option(name: str) -> Callable[[Call, Sequence[Value | None]], Any]:
    return lambda call, values: call.options.get(name, 0)


def _joined(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    """CONCATENATION and PACK: every input has its batch first."""
    if any(value is None for value in values):
        return None
    rank = _rank(values[0]) + (call.name == "PACK")
    if not _off(call.options.get("axis", 0), rank) or _rank(values[0]) == 0:
        return None
    return _Fold(_axes(values, range(len(values))), tile=True)


def _transposed(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    if _dependent(values) != [0] or values[1] is None or not values[1].array.size:
        return None
    return _Fold(_axes(values, [0])) if int(values[1].array.reshape(-1)[0]) == 0 else None


def _padded(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    if _dependent(values) != [0] or values[1] is None or values[1].array.ndim != 2:
        return None
    return None if values[1].array[0].any() else _Fold(_axes(values, [0]))


def _strided(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    options = call.options
    whole = options.get("begin_mask", 0) & 1 and options.get("end_mask", 0) & 1
    masks = ("shrink_axis_mask", "new_axis_mask")
    changed = any(options.get(name, 0) & 1 for name in masks) or options.get("ellipsis_mask", 0)
    if _dependent(values) != [0] or not whole or changed or values[3] is None:
        return None
    return _Fold(_axes(values, [0])) if int(values[3].array.reshape(-1)[0]) == 1 else None


def _looked_up(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    options = call.options
    if _dependent(values) != [1] or options.get("axis", 0) or options.get("batch_dims", 0):
        return None
    return _Fold(_axes(values, [1])) if _rank(values[1]) else None


def _multiplied(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    if any(_rank(values[k]) < 3 for k in _dependent(values)):
        return None
    return _binary(call, values)


def _recurrent(call: Call, values: Sequence[Value | None]) -> _Fold | None:
    """The input has its batch along its own axis, states have it first."""
    states = {18, 19}
    if not set(_dependent(values)) <= {0, *states}:
        return None
    axis = 1 if call.options.get("time_major") else 0
    axes = [axis if k == 0 else 0 if k in states else None for k in range(len(values))]
    return _Fold(tuple(axes), axis, tile=True)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), _blocks),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_REDUCTIONS, _of_axis(0, _operand(1))),
    **dict.fromkeys(("FULLY_CONNECTED", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"), _rows(0, 2)),
    **dict.fromkeys(
        ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"),
        _rows(0, 4),
    ),
    **dict.fromkeys(("CONCATENATION", "PACK"), _joined),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _padded),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN", "REVERSE_V2"), _of_axis(0, _operand(1))),
    "SPLIT": _of_axis(1, _operand(0)),
    "SPLIT_V": _of_axis(0, _operand(2)),
    "UNPACK": _of_axis(0, _option("axis")),
    "TRANSPOSE": _transposed,
    "STRIDED_SLICE": _strided,
    "GATHER": _looked_up,
    "BATCH_MATMUL": _multiplied,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent,
}
