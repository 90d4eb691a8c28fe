"""Compute exp, the logistic function, tanh and a reciprocal in 32-bit fixed point, bit for bit.

Source: gemmlowp fixedpoint/fixedpoint.h (exp_on_negative_values, logistic, tanh,
one_over_one_plus_x_for_x_in_0_1), as TFLite's reference kernels and TensorFlow Lite Micro use it
for int8; reference.arithmetic.activations has the 16-bit forms. "Qm.n" has m integer and n = 31 - m
fractional bits. Arrays are int64 and hold int32 values, of any shape.
"""

from __future__ import annotations

import math

import numpy as np

from reference.arithmetic.fixed_point import Int64, rounding_right_shift
from reference.arithmetic.fixed_point import rounding_doubling_high_mul as multiply

ONE = 2**31 - 1
"""The largest Q0.31 value; gemmlowp's one."""


def exp_negative(x: Int64, integer_bits: int) -> Int64:
    """exp(x) for x <= 0 in Qm.n, as Q0.31; x by quarters and a rest around -1/8.

    Raises ValueError for more than 5 integer bits, which no kernel here has.
    """
    if not 0 <= integer_bits <= 5:
        raise ValueError(f"exp takes 0 to 5 integer bits of 32: {integer_bits}")
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within_quarter = (x & (quarter - 1)) - quarter
    result = _exp_in_last_quarter(within_quarter << integer_bits)
    remainder = within_quarter - x
    for exponent in range(-2, integer_bits):
        factor = round(math.exp(-(2.0**exponent)) * 2**31)
        bit = (remainder >> (fraction_bits + exponent)) & 1
        result = np.where(bit != 0, multiply(result, factor), result).astype(np.int64)
    return np.asarray(np.where(x == 0, ONE, result), np.int64)


def reciprocal(x: Int64) -> Int64:
    """1 / (1 + x) for 0 <= x <= 1 in Q0.31, as Q0.31."""
    return _rescale(_newton_reciprocal(x), 1)


def logistic(x: Int64, integer_bits: int) -> Int64:
    """1 / (1 + exp(-x)) of Qm.n values, as Q0.31."""
    positive = reciprocal(exp_negative(-np.abs(x), integer_bits))
    result = np.where(x > 0, positive, ONE - positive)
    return np.asarray(np.where(x == 0, 1 << 30, result), np.int64)


def tanh(x: Int64, integer_bits: int) -> Int64:
    """tanh of Qm.n values, as Q0.31."""
    decay = exp_negative(-np.abs(x), integer_bits + 1)
    quotient = _rescale(_newton_reciprocal(decay) - (1 << 29), 2)
    return np.asarray(np.sign(x) * quotient, np.int64)


def _exp_in_last_quarter(x: Int64) -> Int64:
    """exp(x) for -1/4 <= x < 0, Q0.31: Taylor terms to the fourth around -1/8."""
    centre = round(math.exp(-1 / 8) * 2**31)
    third = 715827883  # a third of 2**31, rounded up
    d = x + (1 << 28)
    d2 = multiply(d, d)
    d3 = multiply(d2, d)
    d4 = multiply(d2, d2)
    tail = multiply(rounding_right_shift(d4, 2) + d3, third) + d2
    return np.minimum(centre + multiply(d + rounding_right_shift(tail, 1), centre), ONE)


def _newton_reciprocal(x: Int64) -> Int64:
    """2 / (1 + x) for 0 <= x <= 1 in Q0.31, as Q2.29, by three Newton-Raphson steps."""
    half_denominator = (x + ONE + 1) >> 1
    estimate = round(48 / 17 * 2**29) + multiply(half_denominator, round(-32 / 17 * 2**29))
    for _ in range(3):
        error = (1 << 29) - multiply(half_denominator, estimate)
        estimate = estimate + _rescale(multiply(estimate, error), 2)
    return estimate


def _rescale(x: Int64, left: int) -> Int64:
    """Fewer integer bits by a left shift that saturates; nothing here reaches the lower end."""
    return np.minimum(x << left, ONE)
