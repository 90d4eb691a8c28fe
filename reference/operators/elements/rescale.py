"""Rescale integers between two tensors' quantisations, in each runtime's way.

"double": MultiplyByQuantizedMultiplier of a gemmlowp multiplier (kernels/internal/common.cc,
2.15.1). "xnnpack": a factor in 8.8 fixed point, one rounding, ties up (XNNPACK's QS8 vcvt and
vlrelu kernels). Both add the output's zero point and saturate.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import limits
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    multiply_single_rounding,
    quantised_multiplier,
)

Int64 = NDArray[np.int64]
Precision = Literal["float32", "float64"]


def multiply(x: Int64, by: Multiplier, rounding: Literal["double", "single"]) -> Int64:
    """x times a quantised multiplier, in a build's rounding."""
    form = multiply_double_rounding if rounding == "double" else multiply_single_rounding
    return form(x, by)


def quotient(numerator: float, denominator: float, precision: Precision) -> float:
    """A quotient of float32 scales, divided in float32 or float64."""
    if precision == "float32":
        with np.errstate(over="ignore"):
            return float(np.float32(numerator) / np.float32(denominator))
    return numerator / denominator


def multiplier(numerator: float, denominator: float, precision: Precision) -> Multiplier:
    """The multiplier of a quotient of float32 scales."""
    return quantised_multiplier(quotient(numerator, denominator, precision))


def saturated(x: NDArray[Any], dtype: str) -> NDArray[Any]:
    """x clamped to an integer type, in that type."""
    low, high = limits(dtype)
    return np.clip(x, low, high).astype(dtype)


def xnnpack_factor(real: float) -> int:
    """A factor in 8.8 fixed point, ties to even, as XNNPACK's operators hold it."""
    return int(np.rint(np.float32(256) * np.float32(real)))


def multiply_xnnpack(x: Int64, factor: int | Int64) -> Int64:
    """x times a factor in 8.8 fixed point: one rounding, ties up."""
    return (x * factor + 128) >> 8


def rounded(x: Any) -> float:
    """C's round, half away from zero."""
    whole = math.trunc(float(x))
    return whole + math.copysign(1, x) if abs(float(x) - whole) >= 0.5 else whole
