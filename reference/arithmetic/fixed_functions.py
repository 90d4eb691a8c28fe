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


def logarithm(x: Int64, input_bits: int, output_bits: int) -> Int64:
    """log(x) for x >= 1 in Qm.n of input_bits, as Qm.n of output_bits.

    log_x_for_x_greater_than_or_equal_to_1 (kernels/internal/common.h): x as r 2**e with r around
    2**-1/4, two ways of choosing e of which the smaller r is taken, and a rational approximation
    around 2**-1/4.
    """
    log_2, root_half, fourth_root_half = 1488522236, 1518500250, 1805811301
    numerator_cubic, denominator_square = 117049297, 127690142
    denominator_one, denominator_linear = 1057819769, 638450708
    bits = output_bits + 1
    quarter = 1 << (31 - bits - 2)

    headroom = _leading_zeros(x)
    r_a = rounding_doubling(multiply(x << (headroom - 1), root_half))
    power_a = ((input_bits - headroom) << (31 - bits)) + quarter
    headroom_b = _leading_zeros(multiply(x, root_half)) - 1
    r_b = np.minimum(x << headroom_b, ONE)
    power_b = ((input_bits - headroom_b) << (31 - bits)) - quarter

    r = np.minimum(r_a, r_b)
    power = np.maximum(power_a, power_b)
    total = r + fourth_root_half
    p = (total + np.where(total >= 0, 1, -1)) // 2
    q = 2 * (r - fourth_root_half)
    square = multiply(q, q)
    numerator = multiply(q, r) + multiply(multiply(q, square), numerator_cubic)
    denominator = multiply(
        p, denominator_one + q + multiply(square, denominator_square)
    ) + multiply(q, denominator_linear)
    quotient = multiply(rounding_right_shift(numerator, bits), reciprocal(denominator))
    result = multiply(power, log_2) + quotient
    return np.minimum(result << 1, ONE)


def rounding_doubling(x: Int64) -> Int64:
    """2 x, saturated."""
    return np.minimum(2 * x, ONE)


def _leading_zeros(x: Int64) -> Int64:
    """Of positive numbers in 32 bits."""
    return np.asarray(32 - np.frexp(x.astype(np.float64))[1], np.int64)
