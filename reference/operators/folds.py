"""Say along which axis of an operator's tensors many samples may follow one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.operators.kernel import Call

Array = NDArray[Any]


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


@dataclass(frozen=True, eq=False)
class Fold:
    """The axis of each input and of the outputs along which samples may follow one another; None
    for an input that is the same for all. tile: a shared input is repeated for every sample."""

    inputs: tuple[int | None, ...]
    outputs: int = 0
    tile: bool = False


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

Rule = Callable[[Call, Sequence[Value | None]], "Fold | None"]


def fold_of(call: Call, values: Sequence[Value | None]) -> Fold | None:
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


def _unary(call: Call, values: Sequence[Value | None]) -> Fold | None:
    tensors = [call.inputs[0], *call.outputs]
    if any(tensor is None or len(tensor.scale) > 1 for tensor in tensors):
        return None
    return Fold(_axes(values, [0]))


def _blocks(call: Call, values: Sequence[Value | None]) -> Fold | None:
    """Operators that compute whole blocks in one way and what is left of a tensor in another."""
    first = values[0]
    if first is None or first.shared or first.array[0].size % _BLOCK:
        return None
    return _unary(call, values)


def _binary(call: Call, values: Sequence[Value | None]) -> Fold | None:
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
    return Fold(_axes(values, positions))


def _rows(first: int, least: int) -> Rule:
    """Of operators whose input number `first`, of at least so many axes, has the batch first."""

    def rule(call: Call, values: Sequence[Value | None]) -> Fold | None:
        if _dependent(values) != [first] or _rank(values[first]) < least:
            return None
        return Fold(_axes(values, [first]))

    return rule


def _off(axis: Any, rank: int) -> bool:
    """Whether an axis, or each of several, is not the first."""
    return bool(np.all(np.asarray(axis).reshape(-1) % max(1, rank) != 0)) and rank > 0


def _of_axis(value: int, axis: Callable[[Call, Sequence[Value | None]], Any]) -> Rule:
    """Of operators that work along an axis of one input."""

    def rule(call: Call, values: Sequence[Value | None]) -> Fold | None:
        if _dependent(values) != [value]:
            return None
        rank = _rank(values[value])
        return Fold(_axes(values, [value])) if _off(axis(call, values), rank) else None

    return rule


def _operand(position: int) -> Callable[[Call, Sequence[Value | None]], Any]:
    def found(call: Call, values: Sequence[Value | None]) -> Any:
        value = values[position] if position < len(values) else None
        return 0 if value is None else value.array

    return found


def _option(name: str) -> Callable[[Call, Sequence[Value | None]], Any]:
    return lambda call, values: call.options.get(name, 0)


def _joined(call: Call, values: Sequence[Value | None]) -> Fold | None:
    """CONCATENATION and PACK: every input has its batch first."""
    if any(value is None for value in values):
        return None
    rank = _rank(values[0]) + (call.name == "PACK")
    if not _off(call.options.get("axis", 0), rank) or _rank(values[0]) == 0:
        return None
    return Fold(_axes(values, range(len(values))), tile=True)


def _transposed(call: Call, values: Sequence[Value | None]) -> Fold | None:
    if _dependent(values) != [0] or values[1] is None or not values[1].array.size:
        return None
    return Fold(_axes(values, [0])) if int(values[1].array.reshape(-1)[0]) == 0 else None


def _padded(call: Call, values: Sequence[Value | None]) -> Fold | None:
    if _dependent(values) != [0] or values[1] is None or values[1].array.ndim != 2:
        return None
    return None if values[1].array[0].any() else Fold(_axes(values, [0]))


def _strided(call: Call, values: Sequence[Value | None]) -> Fold | None:
    options = call.options
    whole = options.get("begin_mask", 0) & 1 and options.get("end_mask", 0) & 1
    masks = ("shrink_axis_mask", "new_axis_mask")
    changed = any(options.get(name, 0) & 1 for name in masks) or options.get("ellipsis_mask", 0)
    if _dependent(values) != [0] or not whole or changed or values[3] is None:
        return None
    return Fold(_axes(values, [0])) if int(values[3].array.reshape(-1)[0]) == 1 else None


def _looked_up(call: Call, values: Sequence[Value | None]) -> Fold | None:
    options = call.options
    if _dependent(values) != [1] or options.get("axis", 0) or options.get("batch_dims", 0):
        return None
    return Fold(_axes(values, [1])) if _rank(values[1]) else None


def _multiplied(call: Call, values: Sequence[Value | None]) -> Fold | None:
    if any(_rank(values[k]) < 3 for k in _dependent(values)):
        return None
    return _binary(call, values)


def _recurrent(call: Call, values: Sequence[Value | None]) -> Fold | None:
    """The input has its batch along its own axis, states have it first."""
    states = {18, 19}
    if not set(_dependent(values)) <= {0, *states}:
        return None
    axis = 1 if call.options.get("time_major") else 0
    axes = [axis if k == 0 else 0 if k in states else None for k in range(len(values))]
    return Fold(tuple(axes), axis, tile=True)


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
