"""Compute exp, the logistic function, tanh and a reciprocal in gemmlowp's fixed point, bit for bit.

Source: gemmlowp fixedpoint/fixedpoint.h (exp_on_negative_values, logistic, tanh,
one_over_one_plus_x_for_x_in_0_1), a template over the width of its integers. "Qm.n" has m integer
and n fractional bits, which with the sign fill the width. Arrays are int64 and hold values of that
width, of any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.arithmetic.fixed_point import (
    Int64,
    rounding_doubling_high_mul,
    rounding_doubling_high_mul_int16,
    rounding_right_shift,
)


@dataclass(frozen=True)
class Width:
    """bits: beside the sign. multiply: a rounding product of two values below 1.
    most_integer_bits: of an argument of exp."""

    bits: int
    multiply: Callable[[Int64, int | Int64], Int64]
    most_integer_bits: int

    @property
    def one(self) -> int:
        """The largest value below 1, which stands for 1."""
        return (1 << self.bits) - 1


INT16 = Width(15, rounding_doubling_high_mul_int16, 13)
INT32 = Width(31, rounding_doubling_high_mul, 5)


def exp_negative(x: Int64, integer_bits: int, width: Width) -> Int64:
    """exp(x) for x <= 0 in Qm.n, as a value below 1; x by quarters and a rest around -1/8.

    Raises ValueError for more integer bits than the width has kernels for. It goes by quarters,
    which take two fraction bits.
    """
    if not 0 <= integer_bits <= width.most_integer_bits:
        most, of = width.most_integer_bits, width.bits + 1
        raise ValueError(f"exp takes 0 to {most} integer bits of {of}: {integer_bits}")
    fraction_bits = width.bits - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within_quarter = (x & (quarter - 1)) - quarter
    result = _exp_in_last_quarter(within_quarter << integer_bits, width)
    remainder = within_quarter - x
    for exponent in range(-2, min(integer_bits, 5)):
        factor = round(math.exp(-(2.0**exponent)) * 2**width.bits)
        bit = (remainder >> (fraction_bits + exponent)) & 1
        result = np.where(bit != 0, width.multiply(result, factor), result).astype(np.int64)
    if integer_bits > 5:
        result = np.where(x < -(32 << fraction_bits), 0, result)
    return np.asarray(np.where(x == 0, width.one, result), np.int64)


def reciprocal(x: Int64, width: Width) -> Int64:
    """1 / (1 + x) for 0 <= x <= 1, both as values below 1."""
    return _rescale(_newton_reciprocal(x, width), 1, width)


def logistic(x: Int64, integer_bits: int, width: Width) -> Int64:
    """1 / (1 + exp(-x)) of Qm.n values, as a value below 1."""
    positive = reciprocal(exp_negative(-np.abs(x), integer_bits, width), width)
    result = np.where(x > 0, positive, width.one - positive)
    return np.asarray(np.where(x == 0, 1 << (width.bits - 1), result), np.int64)


def tanh(x: Int64, integer_bits: int, width: Width) -> Int64:
    """tanh of Qm.n values, as a value below 1."""
    decay = exp_negative(-np.abs(x), integer_bits + 1, width)
    twice = _newton_reciprocal(decay, width) - (1 << (width.bits - 2))
    return np.asarray(np.sign(x) * _rescale(twice, 2, width), np.int64)


def _exp_in_last_quarter(x: Int64, width: Width) -> Int64:
    """exp(x) for -1/4 <= x < 0: Taylor terms to the fourth around -1/8."""
    multiply = width.multiply
    centre = round(math.exp(-1 / 8) * 2**width.bits)
    third = round(2**width.bits / 3)
    d = x + (1 << (width.bits - 3))
    d2 = multiply(d, d)
    d3 = multiply(d2, d)
    d4 = multiply(d2, d2)
    tail = multiply(rounding_right_shift(d4, 2) + d3, third) + d2
    result = centre + multiply(d + rounding_right_shift(tail, 1), centre)
    return np.asarray(np.minimum(result, width.one))


def _newton_reciprocal(x: Int64, width: Width) -> Int64:
    """2 / (1 + x) for 0 <= x <= 1, with two integer bits, by three Newton-Raphson steps.

    The start 48/17 - 32/17 d is the usual minimax one for a denominator d in [1/2, 1].
    """
    multiply, unit = width.multiply, 1 << (width.bits - 2)
    half_denominator = (x + width.one + 1) >> 1
    estimate = round(48 / 17 * unit) + multiply(half_denominator, round(-32 / 17 * unit))
    for _ in range(3):
        error = unit - multiply(half_denominator, estimate)
        estimate = estimate + _rescale(multiply(estimate, error), 2, width)
    return estimate


def _rescale(x: Int64, left: int, width: Width) -> Int64:
    """Fewer integer bits by a left shift that saturates; nothing here reaches the lower end."""
    return np.asarray(np.minimum(x << left, width.one))
