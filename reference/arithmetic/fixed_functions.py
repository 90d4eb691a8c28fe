"""Compute exp, the logistic function, tanh and a reciprocal in 32-bit fixed point, bit for bit.

The 32-bit forms of reference.arithmetic.gemmlowp, as TFLite's reference kernels and TensorFlow Lite
Micro use them for int8, and their logarithm; reference.arithmetic.activations has the 16-bit forms.
"Qm.n" has m integer and n = 31 - m fractional bits. Arrays are int64 and hold int32 values, of any
shape.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from reference.arithmetic import gemmlowp
from reference.arithmetic.fixed_point import Int64, rounding_right_shift
from reference.arithmetic.fixed_point import rounding_doubling_high_mul as multiply

ONE = gemmlowp.INT32.one
"""The largest Q0.31 value; gemmlowp's one."""

exp_negative = partial(gemmlowp.exp_negative, width=gemmlowp.INT32)
"""exp(x) for x <= 0 in Qm.n, as Q0.31."""
reciprocal = partial(gemmlowp.reciprocal, width=gemmlowp.INT32)
"""1 / (1 + x) for 0 <= x <= 1 in Q0.31, as Q0.31."""
logistic = partial(gemmlowp.logistic, width=gemmlowp.INT32)
"""1 / (1 + exp(-x)) of Qm.n values, as Q0.31."""
tanh = partial(gemmlowp.tanh, width=gemmlowp.INT32)
"""tanh of Qm.n values, as Q0.31."""


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
