"""Compare, combine truth values, choose between two tensors, and divide with a floor.

Sources (2.15.1): kernels/comparisons.cc over internal/reference/comparisons.h, logical.cc,
select.cc, floor_div.cc, floor_mod.cc; micro/kernels of the same names. int8 operands are brought to
a common scale: each less its zero point, shifted left by 8, times its scale as a multiplier. Other
types are compared as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import quantised_multiplier
from reference.operators.elements.rescale import multiply
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.moves.shapes import moved
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]

_LEFT_SHIFT = 8


def _compare(
    relation: Callable[[Array, Array], Array], call: Call, profile: OperatorProfile
) -> Answer:
    a, b = call.value(0), call.value(1)
    if a.dtype in (np.int8, np.uint8) and call.integer:
        a, b = (_common(call, k, profile) for k in (0, 1))
    elif a.dtype == np.int16 and (profile.compare_int16 == "unknown" or _scales_differ(call)):
        raise NoOracle(f"{call.name} of int16")
    return exact(np.asarray(relation(a, b), np.bool_))


def _common(call: Call, position: int, profile: OperatorProfile) -> Array:
    tensor = call.tensor(position)
    if tensor.step >= 1:
        raise NoOracle(f"{call.name} of a scale that the kernel aborts on")
    by = quantised_multiplier(tensor.step)
    wide = (call.value(position).astype(np.int64) - tensor.zero) << _LEFT_SHIFT
    return multiply(wide, by, profile.rounding)


def _scales_differ(call: Call) -> bool:
    a, b = call.tensor(0), call.tensor(1)
    return (a.scale, a.zero) != (b.scale, b.zero)


def _logical(
    function: Callable[[Array, Array], Array], call: Call, profile: OperatorProfile
) -> Answer:
    return exact(np.asarray(function(call.value(0), call.value(1)), np.bool_))


def logical_not(call: Call, profile: OperatorProfile) -> Answer:
    return exact(np.logical_not(call.value(0)))


def select(call: Call, profile: OperatorProfile) -> Answer:
    """SELECT: a condition of one axis chooses whole rows."""
    condition, yes, no = (call.value(k) for k in range(3))
    if condition.ndim == 1 and yes.ndim > 1:
        condition = condition.reshape(-1, *(1,) * (yes.ndim - 1))
    return moved(call, np.where(condition, yes, no))


def select_v2(call: Call, profile: OperatorProfile) -> Answer:
    """SELECT_V2: all three are broadcast."""
    return moved(call, np.where(call.value(0), call.value(1), call.value(2)))


def floor_divide(call: Call, profile: OperatorProfile) -> Answer:
    """FLOOR_DIV: float32 is divided, then rounded down."""
    a, b = call.value(0), call.value(1)
    if a.dtype.kind in "iu":
        _divisible(call, a, b)
        return exact(np.floor_divide(a, b))
    with np.errstate(all="ignore"):
        return exact(np.floor(a / b))


def floor_modulo(call: Call, profile: OperatorProfile) -> Answer:
    """FLOOR_MOD: what is left, with the divisor's sign."""
    a, b = call.value(0), call.value(1)
    if a.dtype.kind in "iu":
        _divisible(call, a, b)
        return exact(np.mod(a, b))
    with np.errstate(all="ignore"):
        left = np.fmod(a, b)
        return exact(np.where((left != 0) & ((b < 0) != (left < 0)), left + b, left))


def _divisible(call: Call, a: Array, b: Array) -> None:
    """Raises NoOracle where C does not say what a quotient is."""
    if np.any(b == 0) or np.any((b == -1) & (a == np.iinfo(a.dtype).min)):
        raise NoOracle(f"{call.name} by 0")


KERNELS: dict[str, Kernel] = {
    "LESS": partial(_compare, np.less),
    "LESS_EQUAL": partial(_compare, np.less_equal),
    "GREATER": partial(_compare, np.greater),
    "GREATER_EQUAL": partial(_compare, np.greater_equal),
    "EQUAL": partial(_compare, np.equal),
    "NOT_EQUAL": partial(_compare, np.not_equal),
    "LOGICAL_AND": partial(_logical, np.logical_and),
    "LOGICAL_OR": partial(_logical, np.logical_or),
    "LOGICAL_NOT": logical_not,
    "FLOOR_DIV": floor_divide,
    "FLOOR_MOD": floor_modulo,
    "SELECT": select,
    "SELECT_V2": select_v2,
}
