"""Fill the look-up tables that 8-bit and 16-bit operators answer from, bit for bit.

Source: LUTPopulate and LUTLookup in tensorflow/lite/kernels/internal/common.h (2.15.1). 256 values
for int8; for int16, 513 values that are interpolated, each moved by half of what the interpolation
is off at the middle of its segment. exp and tanh are the C library's float functions.
XNNPACK (operators/unary-elementwise-nc.c) fills its tables alike, but rounds ties to even.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import limits, round_half_away

Array = NDArray[Any]
Function = Callable[[Array], Array]

_STEPS = 512


def table_of_int8(
    function: Function, input_scale: float, input_zero: int, output_scale: float, output_zero: int
) -> Array:
    """A function's quantised value for each int8, indexed by its bits as uint8. Read-only.

    function: from float32 to float32.
    """
    real = np.float32(input_scale) * (all_int8() - input_zero).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        rescaled = round_half_away(function(real) * (np.float32(1) / np.float32(output_scale)))
        codes = rescaled + np.float32(output_zero)
    return _saturated(codes)


def table_of_xnnpack(
    function: Function,
    input_scale: float,
    input_zero: int,
    output_scale: float,
    output_zero: int,
    zero_first: bool,
) -> Array:
    """The same as XNNPACK fills it: rounded to even.

    zero_first: whether the zero point is added before it is rounded (in 2026), or after (in 2023).
    """
    real = np.float32(input_scale) * (all_int8() - input_zero).astype(np.float32)
    scaled = function(real) * (np.float32(1) / np.float32(output_scale))
    if zero_first:
        return _saturated(np.rint(scaled + np.float32(output_zero)))
    return _saturated(np.rint(scaled) + output_zero)


def table_of_int16(
    function: Function,
    input_scale: float,
    input_zero: int,
    output_scale: float,
    output_zero: int,
    precision: type[np.floating[Any]],
) -> NDArray[np.int64]:
    """513 values of a function over the int16 range, in steps of 128. Read-only.

    function: takes and gives `precision`, which all of it is computed in.
    """
    low, high = limits("int16")
    real = precision
    scale_in, scale_out = real(input_scale), real(output_scale)
    first, last = scale_in * real(low - input_zero), scale_in * real(high - input_zero)
    least, most = scale_out * real(low - output_zero), scale_out * real(high - output_zero)
    step = (last - first) / real(_STEPS)
    per_unit = real(2**16) / (most - least)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _samples(function, first, last, step, per_unit)
    # Where infinities cancel the kernel converts NaN, which x86-64 leaves as 0 in 16 bits.
    table = np.nan_to_num(np.clip(found, low, high), nan=0.0).astype(np.int64)
    table.setflags(write=False)
    return table


def _samples(function: Function, first: Any, last: Any, step: Any, per_unit: Any) -> Array:
    """Values at the ends of all segments, in the step's own precision."""
    real = type(step)
    k = np.arange(_STEPS).astype(real)
    value = function(first + k * step) * per_unit
    middle = function(first + k * step + step / real(2)) * per_unit
    following = function(first + (k + real(1)) * step) * per_unit
    sample = round_half_away(value)
    interpolated = round_half_away((following + sample) / real(2))
    bias = round_half_away((interpolated - round_half_away(middle)) / real(2))
    end = round_half_away(function(np.array([last], real)) * per_unit)
    joined: Array = np.concatenate([sample - bias, end])
    return joined


def look_up_int8(table: Array, x: Array) -> Array:
    """A table's values for an int8 array."""
    return np.take(table, np.ascontiguousarray(x).view(np.uint8))


def each_code(function: Function, x: Array) -> Array:
    """function(x), value by value; of many int8 values by one look-up in its table."""
    if x.dtype != np.int8 or x.size <= 256:
        return function(x)
    return look_up_int8(function(all_int8().astype(np.int8)), x)


def look_up_int16(table: NDArray[np.int64], x: Array) -> NDArray[np.int64]:
    """An interpolated table's values at int16 values held in any integer type."""
    wide = np.asarray(x, np.int64)
    index = 256 + (wide >> 7)
    base = np.take(table, index)
    slope = _wrapped_int16(np.take(table, index + 1) - base)
    return _wrapped_int16(base + ((slope * (wide & 0x7F) + 64) >> 7))


def all_int8() -> NDArray[np.int64]:
    """Every int8 value, in the order of its bits as uint8."""
    return np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)


def _saturated(codes: Array) -> Array:
    table = np.clip(codes, *limits("int8")).astype(np.int8)
    table.setflags(write=False)
    return table


def _wrapped_int16(x: NDArray[np.int64]) -> NDArray[np.int64]:
    return x.astype(np.int16).astype(np.int64)
