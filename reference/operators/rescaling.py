"""Rescale accumulators of integer kernels to their output, in each runtime's way.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc QuantizeMultiplier and
kernels/internal/common.cc MultiplyByQuantizedMultiplier (2.15.1); ruy/kernel_avx512.cc, whose
second rounding takes ties up (measured: the gemm of TFLite on x86-64); XNNPACK, which multiplies
in float32 and rounds ties to even (src/qs8-gemm, "fp32" requantisation); kernels/kernel_util.cc
CalculateActivationRangeQuantized.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import round_half_away
from reference.arithmetic.fixed_point import (
    Int64,
    Multiplier,
    multiply_double_rounding,
    multiply_int64,
    multiply_single_rounding,
    rounding_doubling_high_mul,
    wrap_int32,
)
from reference.operators.description import Tensor
from reference.operators.kernel import NoOracle
from reference.operators.profiles import Rescaling

Array = NDArray[Any]
Ties = Literal["away", "even"]


def multipliers(reals: Array) -> Multiplier:
    """The integer forms of non-negative real multipliers, float64 of any shape.

    fixed_point.quantised_multiplier for arrays.
    """
    fraction, shift = np.frexp(np.asarray(reals, np.float64))
    mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    full = mantissa == 1 << 31
    mantissa = np.where(full, 1 << 30, mantissa)
    exponent = shift.astype(np.int64) + full
    gone = exponent < -31
    return Multiplier(np.where(gone, 0, mantissa), np.where(gone, 0, exponent))


def rescale(accumulator: Int64, reals: Array, how: Rescaling) -> Int64:
    """accumulator * reals as a kernel with a 32-bit accumulator computes it, before the zero point.

    how: "double": rounded twice, ties of the second away from zero. "double_up": its ties up.
    "single": rounded once, ties up. "float32": one product in float32, ties to even.
    "neon": one product in integers, cut at 31 bits, then rounded with ties up.
    accumulator: int64 that holds int32. reals: float64, broadcast against it; for "float32" they
    hold float32 values.
    """
    if how == "float32":
        scaled = accumulator.astype(np.float32) * np.asarray(reals, np.float32)
        return np.rint(np.clip(scaled, -_SAFE, _SAFE)).astype(np.int64)
    if how == "neon":
        return _rescale_neon(accumulator, np.asarray(reals, np.float32))
    by = multipliers(reals)
    if how == "double":
        return multiply_double_rounding(accumulator, by)
    if how == "single":
        return multiply_single_rounding(accumulator, by)
    left, right = np.maximum(by.shift, 0), np.maximum(-np.asarray(by.shift), 0)
    high = rounding_doubling_high_mul(wrap_int32(accumulator << left), by.mantissa)
    return np.asarray((high + ((np.int64(1) << right) >> 1)) >> right)


def _rescale_neon(accumulator: Int64, scale: Array) -> Int64:
    """XNNPACK's "rndnu" (src/microparams-init.c, 2026): 24 bits of the scale, the high half of a
    doubled product, cut, and a right shift that rounds ties up."""
    fraction, exponent = np.frexp(scale)
    mantissa = np.ldexp(fraction.astype(np.float64), 31).astype(np.int64)
    shift = -exponent.astype(np.int64)
    right = np.maximum(shift, 1)
    left = np.clip(accumulator << (right - shift), -(2**31), 2**31 - 1)
    high = (left * mantissa) >> 31
    return np.asarray((high + (np.int64(1) << (right - 1))) >> right)


#: Far beyond every quantised value, and exact in float32.
_SAFE = np.float32(2**24)


def rescale_wide(accumulator: Int64, reals: Array) -> Int64:
    """accumulator * reals as kernels with a 64-bit accumulator compute it (int16 activations)."""
    return multiply_int64(accumulator, multipliers(reals))


def activation_range(activation: str, tensor: Tensor, ties: Ties) -> tuple[int, int]:
    """Smallest and largest quantised value that a fused activation leaves of a tensor.

    ties: of 6 / scale rounded to a quantised value: "away" from zero (kernel_util.cc), or to "even"
    with the zero point added before (XNNPACK). Raises NoOracle for an activation that is no range.
    """
    info = np.iinfo(tensor.dtype)
    bounds = {
        "NONE": (None, None),
        "RELU": (0.0, None),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }
    if activation not in bounds:
        raise NoOracle(f"a fused activation {activation}")
    low, high = (
        None if bound is None else _quantised(bound, tensor, ties) for bound in bounds[activation]
    )
    least, most = int(info.min), int(info.max)
    if low is not None:
        least = max(least, low)
    if high is not None:
        most = min(most, high)
    return least, most


def _quantised(bound: float, tensor: Tensor, ties: Ties) -> int:
    quotient = np.float32(bound) / np.float32(tensor.step)
    if ties == "even":
        return int(np.rint(quotient + np.float32(tensor.zero)))
    return int(round_half_away(np.asarray(quotient, np.float64))) + tensor.zero


def float_range(activation: str) -> tuple[float, float]:
    """The range of a fused activation of a float operator. Raises NoOracle where it is no range."""
    bounds = {
        "NONE": (-np.inf, np.inf),
        "RELU": (0.0, np.inf),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }
    if activation not in bounds:
        raise NoOracle(f"a fused activation {activation}")
    return bounds[activation]
