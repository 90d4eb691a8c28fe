"""Compute SOFTMAX and LOG_SOFTMAX as each runtime does.

Sources (2.15.1): kernels/activations.cc; the float table of exp, optimized_ops.h Softmax and
LogSoftmax; SoftmaxInt8LUT in 16 bits there, which builds for ARM64 have; gemmlowp's fixed point,
reference/softmax.h and log_softmax.h, which TensorFlow Lite Micro runs; int16 by two interpolated
tables, reference/softmax.h SoftmaxInt16. All go along the last axis.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic import fixed_functions
from reference.arithmetic.affine import limits, round_half_away
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    quantised_multiplier,
    rounding_doubling_high_mul,
    rounding_right_shift,
)
from reference.lstm.float32_micro import c_library
from reference.operators.elements import float_functions
from reference.operators.elements.lookup import Function, look_up_int16, table_of_int16
from reference.operators.elements.rescale import saturated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, bounded, exact
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]
Int64 = NDArray[np.int64]

#: Integer bits of a scaled difference and of the sum of powers.
_DIFFERENCE_BITS = 5
_SUM_BITS = 12


def softmax(call: Call, profile: OperatorProfile) -> Answer:
    """SOFTMAX along the last axis: float32, int8 (to int8 or int16) and int16."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    if "beta" not in call.options:
        raise NoOracle("SOFTMAX without beta")
    beta = float(np.float32(call.options["beta"]))
    if x.dtype == np.float32:
        return bounded(float_functions.softmax(x, beta))
    if not call.integer:
        raise NoOracle(f"SOFTMAX of {source.dtype}")
    if x.dtype == np.int16:
        return exact(_int16(x, source.step, beta, profile))
    if x.dtype != np.int8:
        raise NoOracle(f"SOFTMAX of {source.dtype}")
    if profile.softmax_int8 == "gemmlowp":
        return exact(_gemmlowp(x, source.step, beta, target.dtype))
    if profile.softmax_int8 == "table16" and target.dtype == "int8":
        return exact(_by_table16(x, source.step, beta, target.step, target.zero))
    return exact(_by_table(x, source.step, beta, target.step, target.zero, target.dtype))


def _by_table(
    x: Array, scale: float, beta: float, output_scale: float, output_zero: int, dtype: str
) -> Array:
    powers = np.take(_table_of_powers(scale, beta), _below_maximum(x))
    # Summed one after another in float32, which numpy.sum does not do.
    total = np.add.accumulate(powers, axis=-1, dtype=np.float32)[..., -1:]
    inverse = np.float32(1) / (total * np.float32(output_scale))
    codes = round_half_away(powers * inverse).astype(np.int64)
    return saturated(codes + output_zero, dtype)


@lru_cache(maxsize=64)
def _table_of_powers(scale: float, beta: float) -> NDArray[np.float32]:
    """exp(-scale beta k) in float32 for k of 0 to 255."""
    factor = np.float32(-scale) * np.float32(beta)
    return c_library("expf")(factor * np.arange(256).astype(np.float32)).astype(np.float32)


def _by_table16(x: Array, scale: float, beta: float, output_scale: float, zero: int) -> Array:
    """SoftmaxInt8LUT: powers in 16 bits, and a multiplier for each row."""
    powers = np.take(_table16_of_powers(scale, beta), _below_maximum(x))
    total = powers.sum(axis=-1, keepdims=True).astype(np.float32)
    inverse = np.float32(1) / (total * np.float32(output_scale))
    fraction, shift = np.frexp(inverse.astype(np.float64))
    mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)  # exact: 24 bits
    by = Multiplier(mantissa, shift.astype(np.int64))
    return saturated(multiply_double_rounding(powers, by) + zero, "int8")


@lru_cache(maxsize=64)
def _table16_of_powers(scale: float, beta: float) -> Int64:
    """exp(-scale beta k) in steps of 1 / 65535 for k of 0 to 255."""
    factor = np.float32(scale) * np.float32(beta)
    powers = c_library("expf")(factor * -np.arange(256).astype(np.float32))
    steps = (powers * np.float32(65535)).astype(np.float64) + 0.5
    return np.minimum(steps.astype(np.int64), 65535)


def _below_maximum(x: Array) -> Int64:
    wide = x.astype(np.int64)
    return np.asarray(wide.max(axis=-1, keepdims=True) - wide, np.int64)


def _gemmlowp(x: Array, scale: float, beta: float, dtype: str) -> Array:
    """reference/softmax.h: exp by fixed point, one reciprocal for each row."""
    table, fits = _fixed_powers(scale, beta)
    below = _below_maximum(x)
    powers, inside = np.take(table, below), np.take(fits, below)
    total = rounding_right_shift(powers, _SUM_BITS).sum(axis=-1, keepdims=True)
    reciprocal, bits = _reciprocal(total)
    shift = bits + 31 - 8 * np.dtype(dtype).itemsize
    codes = rounding_right_shift(rounding_doubling_high_mul(reciprocal, powers), shift)
    least = limits(dtype)[0]
    return saturated(np.where(inside, codes + least, least), dtype)


@lru_cache(maxsize=64)
def _fixed_powers(scale: float, beta: float) -> tuple[Int64, NDArray[np.bool_]]:
    """exp(-scale beta k) as Q0.31 for k of 0 to 255, 0 beyond what the kernel takes."""
    by, farthest = scaled_differences(scale, beta)
    k = np.arange(256)
    inside = k <= farthest
    argument = multiply_double_rounding(np.where(inside, -k, 0), by)
    return np.where(inside, fixed_functions.exp_negative(argument, _DIFFERENCE_BITS), 0), inside


def scaled_differences(scale: float, beta: float) -> tuple[Multiplier, int]:
    """PreprocessSoftmaxScaling and CalculateInputRadius: the multiplier to Q5.26, and the largest
    difference that fits."""
    real = min(beta * scale * 2.0 ** (31 - _DIFFERENCE_BITS), 2.0**31 - 1)
    if real <= 1:
        raise NoOracle("SOFTMAX of a scale that the kernel aborts on")
    by = quantised_multiplier(real)
    span = ((1 << _DIFFERENCE_BITS) - 1) * 2.0 ** (31 - _DIFFERENCE_BITS)
    return by, math.floor(span / 2.0 ** int(by.shift))


def _reciprocal(total: Int64) -> tuple[Int64, Int64]:
    """GetReciprocal: 1 / total of Q12.19 as Q0.31, and the bits that total is above 1."""
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    fraction = (total << headroom) - (1 << 31)
    return fixed_functions.reciprocal(fraction), _SUM_BITS - headroom


def _int16(x: Array, scale: float, beta: float, profile: OperatorProfile) -> Array:
    """SoftmaxInt16: exp over [-10, 0] and 1 / (1 + x) over [0, 1] by interpolated tables."""
    powers_table, reciprocals = _int16_tables(profile.softmax_int16)
    step = scale * beta
    if profile.activation_quotient == "float32":
        step = float(np.float32(step))
    by = quantised_multiplier(step / (10.0 / 65535.0))
    scaled = multiply_double_rounding(-_below_maximum(x), by) + 32767
    powers = look_up_int16(powers_table, np.clip(scaled, *limits("int16")))
    total = powers.sum(axis=-1, keepdims=True)
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    fraction = ((total << (headroom - 1)) + (1 << 13)) >> 14
    centred = np.clip(fraction - ((1 << 15) + (1 << 16)), *limits("int16"))
    right = 31 - headroom
    product = powers * look_up_int16(reciprocals, centred)
    return np.asarray(np.clip((product + (1 << (right - 1))) >> right, 0, 2**15 - 1), np.int16)


@lru_cache(maxsize=2)
def _int16_tables(precision: str) -> tuple[Int64, Int64]:
    single = precision == "float32"
    real: type[np.floating[Any]] = np.float32 if single else np.float64
    exp: Function = c_library("expf") if single else np.exp
    low, high = limits("int16")
    span = real(high - low)
    powers = table_of_int16(exp, float(real(10) / span), high, float(real(2) / span), 0, real)
    reciprocals = table_of_int16(
        lambda x: real(1) / (real(1) + x),
        float(real(1) / span),
        low,
        float(real(2) / span),
        0,
        real,
    )
    return powers, reciprocals


def log_softmax(call: Call, profile: OperatorProfile) -> Answer:
    """LOG_SOFTMAX along the last axis: float32 and int8, whose output is 16 / 256 and 127."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    if x.dtype == np.float32:
        return bounded(float_functions.log_softmax(x))
    if x.dtype != np.int8 or not call.integer:
        raise NoOracle(f"LOG_SOFTMAX of {source.dtype}")
    if profile.log_softmax_int8 == "gemmlowp":
        return exact(_log_gemmlowp(x, source.step))
    powers = np.take(_table_of_powers(source.step, 1.0), _below_maximum(x))
    total = np.add.accumulate(powers, axis=-1, dtype=np.float32)[..., -1:]
    scale, output_scale = np.float32(source.step), np.float32(target.step)
    largest = x.max(axis=-1, keepdims=True).astype(np.float32)
    offset = (scale * largest + c_library("logf")(total)) / output_scale
    codes = np.rint(scale / output_scale * x.astype(np.float32) - offset).astype(np.int64)
    return exact(saturated(codes + target.zero, "int8"))


def _log_gemmlowp(x: Array, scale: float) -> Array:
    """reference/log_softmax.h: the logarithm of a sum of powers by fixed point."""
    table, fits = _fixed_powers(scale, 1.0)
    by, farthest = scaled_differences(scale, 1.0)
    below = _below_maximum(x)
    powers = np.where(np.take(fits, below), np.take(table, below), 0)
    total = rounding_right_shift(powers, _SUM_BITS).sum(axis=-1, keepdims=True)
    logarithm = fixed_functions.logarithm(total, _SUM_BITS, _DIFFERENCE_BITS)
    back = quantised_multiplier((1 << (31 - int(by.shift))) / float(by.mantissa))
    least = np.maximum(-farthest - 1, multiply_double_rounding(logarithm - 2**31, back))
    inside = -below > least
    scaled = multiply_double_rounding(np.where(inside, -below, 0), by)
    codes = rounding_right_shift(scaled - logarithm, 31 - _DIFFERENCE_BITS - 4) + 127
    return saturated(np.where(inside, codes, -128), "int8")


KERNELS: dict[str, Kernel] = {"SOFTMAX": softmax, "LOG_SOFTMAX": log_softmax}
