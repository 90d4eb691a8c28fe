"""Compute tanh and the logistic function in 16-bit fixed point, in both runtimes' ways.

TFLite (gemmlowp fixedpoint/fixedpoint.h; used by portable_tensor_utils.cc ApplySigmoid and
ApplyTanh, 2.15.1): exp(x) on negative values by a Taylor expansion around -1/8 and a barrel
shifter of stored powers, then one Newton-Raphson division.

TensorFlow Lite Micro (reference/integer_ops/tanh.h and logistic.h): linear interpolation in
one table of 256 values of the logistic function, spaced 1/24, in 0.16 fixed point.

Inputs and outputs are int16 arrays of any shape. "Qm.n" has m integer and n = 15 - m
fractional bits; results are Q0.15.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic import gemmlowp

Int16 = NDArray[np.int16]
Int64 = NDArray[np.int64]


GEMMLOWP_TANH_BITS = range(7)
"""Integer bits ApplyTanh dispatches on; for any other count it returns without writing."""


def gemmlowp_tanh(x: Int16, integer_bits: int) -> Int16:
    """tanh of Qm.n values, m = integer_bits from 0 to 12, as Q0.15."""
    return gemmlowp.tanh(x.astype(np.int64), integer_bits, gemmlowp.INT16).astype(np.int16)


def gemmlowp_logistic(x: Int16, integer_bits: int = 3) -> Int16:
    """1 / (1 + exp(-x)) of Qm.n values, m = integer_bits from 0 to 13, as Q0.15."""
    return gemmlowp.logistic(x.astype(np.int64), integer_bits, gemmlowp.INT16).astype(np.int16)


# The table of TensorFlow Lite Micro -------------------------------------------------------


TABLE_FILE = Path(__file__).with_name("sigmoid_table.npy")


@lru_cache(maxsize=1)
def sigmoid_table() -> Int64:
    """256 values of the logistic function at 0, 1/24, 2/24, ... in 0.16 fixed point, read-only.

    Read out of the runtime by tools/recover_lut.py, since no formula was found: the values lie
    up to 1.1 steps above 2**16 / (1 + exp(-k / 24)), 44 of them off its rounding.
    """
    table: Int64 = np.load(TABLE_FILE).astype(np.int64)
    table.setflags(write=False)
    return table


class Undefined(ValueError):
    """C does not say what a kernel computes here: any answer is right, and none is predicted."""


def table_tanh(x: Int16, multiplier: int, right_shift: int) -> Int16:
    """tanh by the interpolated table, as Q0.15.

    The table's argument is (x * multiplier) >> right_shift, rounded half up, in units of
    1 / (2 * 24 * 256); see table_tanh_scaling for the LSTM's cell state.
    """
    scaled = _scale_argument(x, multiplier, right_shift)
    value = _interpolate(np.abs(scaled), 8, saturated=0xFFFF << 8)
    magnitude = value - (1 << 23) + (1 << 7)
    return np.where(scaled >= 0, magnitude >> 8, (-magnitude + (1 << 8) - 1) >> 8).astype(np.int16)


def table_logistic(x: Int16, multiplier: int = 3, right_shift: int = 0) -> Int16:
    """1 / (1 + exp(-x)) by the interpolated table, as Q0.15; x is Q3.12 by default."""
    scaled = _scale_argument(x, multiplier, right_shift)
    value = _interpolate(np.abs(scaled), 9, saturated=0x7FFF << 10)
    mirrored = (1 << 25) - value + (1 << 9) - 1
    return (np.where(scaled >= 0, value + (1 << 9), mirrored) >> 10).astype(np.int16)


def table_tanh_scaling(scale_log2: int) -> tuple[int, int]:
    """Multiplier and right shift of table_tanh for a cell state of scale 2**scale_log2.

    lstm_eval.cc Tanh(): 3 << shift for scales from 2**-12 up, otherwise 3 and a right shift.
    Raises Undefined for a scale so small that the kernel shifts 32 bits by more than they are.
    """
    left = scale_log2 + 12
    if left < -31:
        raise Undefined(f"a cell scale of 2^{scale_log2} is shifted by {-left} bits")
    return (3 << left, 0) if left >= 0 else (3, -left)


def _scale_argument(x: Int16, multiplier: int, right_shift: int) -> Int64:
    half = (1 << right_shift) >> 1
    return (x.astype(np.int64) * multiplier + half) >> right_shift


def _interpolate(argument: Int64, fraction_bits: int, saturated: int) -> Int64:
    """The table's value at argument / 2**fraction_bits, times 2**fraction_bits."""
    table = sigmoid_table()
    index = argument >> fraction_bits
    low = np.minimum(index, 254)
    fraction = argument & ((1 << fraction_bits) - 1)
    value = (table[low] << fraction_bits) + fraction * (table[low + 1] - table[low])
    return np.asarray(np.where(index >= 255, saturated, value), np.int64)


# All 65536 values of a function at once -----------------------------------------------------


@lru_cache(maxsize=64)
def tabulated(function: Callable[..., Int16], *arguments: Any) -> Int64:
    """function(x, *arguments) for every int16 x: the same answers, at the price of one look-up.

    The 65536 values are indexed by x itself; a negative index counts from the end. Read-only.
    """
    table: Int64 = function(np.arange(2**16).astype(np.int16), *arguments).astype(np.int64)
    table.setflags(write=False)
    return table
