"""Rescale in fixed point: a real multiplier as a 32-bit integer and a shift.

Sources: Jacob et al., CVPR 2018, section 2.2; gemmlowp fixedpoint/fixedpoint.h
(rounding doubling high multiplication, rounding division by a power of two);
tensorflow/lite/kernels/internal/quantization_util.cc (QuantizeMultiplier) and
tensorflow/lite/kernels/internal/common.cc (MultiplyByQuantizedMultiplier), 2.15.1 and
TensorFlow Lite Micro alike.

All functions take and return int64 arrays that hold int32 values unless they say
otherwise, so that NumPy's own wrapping never takes part in a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


LIMITS = {"int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1)}
"""Smallest and largest value of the activation dtypes."""


class Multiplier(NamedTuple):
    """A real multiplier, or an array of them, as mantissa * 2**(shift - 31).

    mantissa: 0, or 2**30 <= mantissa < 2**31. shift: positive to the left.
    """

    mantissa: int | Int64
    shift: int | Int64


def stacked_multipliers(reals: Sequence[float], ndim: int) -> Multiplier:
    """One multiplier for each index of the first of ndim axes, ready to broadcast."""
    pairs = np.array([quantised_multiplier(real) for real in reals], np.int64)
    shape = (len(reals),) + (1,) * (ndim - 1)
    return Multiplier(pairs[:, 0].reshape(shape), pairs[:, 1].reshape(shape))


def quantised_multiplier(real: float) -> Multiplier:
    """The integer form of a non-negative real multiplier.

    The mantissa is frexp's, times 2**31, rounded half away from zero. Multipliers under
    2**-32 become zero. Raises ValueError when real is negative or not finite.
    """
    if not (math.isfinite(real) and real >= 0):
        raise ValueError(f"a multiplier must be finite and not negative, got {real}")
    if real == 0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = 2**30, shift + 1
    return Multiplier(0, 0) if shift < -31 else Multiplier(mantissa, shift)


def wrap_int32(x: Int64) -> Int64:
    """The value that is left in 32 bits, two's complement."""
    return x.astype(np.int32).astype(np.int64)


def saturate(x: Int64, dtype: str) -> Int64:
    """x clamped to the range of "int8" or "int16"; stays int64."""
    low, high = LIMITS[dtype]
    return np.minimum(np.maximum(x, low), high)


def rounding_right_shift(x: Int64, bits: int | Int64) -> Int64:
    """x / 2**bits to the nearest integer, ties away from zero (gemmlowp RoundingDivideByPOT).

    Raises ValueError when bits is negative.
    """
    fewest = bits if isinstance(bits, int) else int(bits.min())
    if fewest < 0:
        raise ValueError(f"cannot shift right by {bits} bits")
    minus_one_if_negative = x >> 63
    if fewest == 0:
        minus_one_if_negative = minus_one_if_negative * (np.asarray(bits) > 0)
    result: Int64 = x + ((1 << bits) >> 1) + minus_one_if_negative
    result >>= bits
    return result


def rounding_doubling_high_mul(a: Int64, b: int | Int64) -> Int64:
    """(a * b) / 2**31 to the nearest integer, ties towards plus infinity, saturated to int32.

    gemmlowp SaturatingRoundingDoublingHighMul for int32. Only a = b = -2**31 saturates.
    """
    return np.minimum((a * b + (1 << 30)) >> 31, 2**31 - 1)


def rounding_doubling_high_mul_int16(a: Int64, b: int | Int64) -> Int64:
    """(a * b) / 2**15 to the nearest integer, ties towards plus infinity, saturated to int16.

    The 16-bit form of the above; a and b hold int16 values.
    """
    return np.minimum((a * b + (1 << 14)) >> 15, 2**15 - 1)


def multiply_double_rounding(x: Int64, by: Multiplier) -> Int64:
    """x * by, rounded once at bit 31 and once more by the right shift.

    The default build of MultiplyByQuantizedMultiplier(int32). A left shift happens first and
    wraps at 32 bits, as it does in the kernels.
    """
    right: int | Int64
    if isinstance(by.shift, int):
        most_left, right = by.shift, max(-by.shift, 0)
    else:
        most_left, right = int(by.shift.max()), np.maximum(-by.shift, 0)
    if most_left > 0:
        x = wrap_int32(x << np.maximum(by.shift, 0))
    high = x * by.mantissa  # rounding_doubling_high_mul; a mantissa is never its minimum, so
    high += 1 << 30  # there is nothing to saturate
    high >>= 31
    return rounding_right_shift(high, right)


def multiply_single_rounding(x: Int64, by: Multiplier) -> Int64:
    """x * by, rounded once, ties towards plus infinity; the result wraps at 32 bits.

    Builds with TFLITE_SINGLE_ROUNDING or CMSIS_NN_USE_SINGLE_ROUNDING.
    Raises ValueError for a shift above 30.
    """
    total = 31 - np.asarray(by.shift, np.int64)
    if np.any(total < 1):
        raise ValueError(f"single rounding has no left shift by {by.shift} bits")
    return wrap_int32(np.asarray((x * by.mantissa + (np.int64(1) << (total - 1))) >> total))


def reduced_mantissa(by: Multiplier) -> Int64:
    """The mantissa in 15 bits, rounded half up and saturated, as used with 64-bit accumulators."""
    return np.minimum((np.asarray(by.mantissa, np.int64) + (1 << 15)) >> 16, 0x7FFF)


def multiply_int64_cut(x: Int64, by: Multiplier) -> Int64:
    """multiply_int64 as CMSIS-NN computes it: cut to 32 bits one bit before the last, then halved.

    arm_nnsupportfunctions.h arm_nn_requantize_s64. The two agree while |x * by| < 2**30.
    Raises ValueError when the shift is 15 or more, which the kernel does not define.
    """
    bits = 14 - np.asarray(by.shift, np.int64)
    if np.any(bits < 0):
        raise ValueError(f"the 64-bit multiplier has no left shift by {by.shift} bits")
    doubled = wrap_int32(np.asarray((x * reduced_mantissa(by)) >> bits))
    return wrap_int32(doubled + 1) >> 1


def multiply_int64(x: Int64, by: Multiplier) -> Int64:
    """x * by for a 64-bit accumulator: 15-bit mantissa, one rounding, ties towards plus infinity.

    MultiplyByQuantizedMultiplier(int64). Exact while |x| < 2**47; the result wraps at 32 bits.
    Raises ValueError when the shift is 15 or more, which the kernel does not define.
    """
    total = 15 - np.asarray(by.shift, np.int64)
    if np.any(total < 1):
        raise ValueError(f"the 64-bit multiplier has no left shift by {by.shift} bits")
    half = np.int64(1) << (total - 1)
    return wrap_int32(np.asarray((x * reduced_mantissa(by) + half) >> total))
