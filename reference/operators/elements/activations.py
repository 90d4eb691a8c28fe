"""Compute RELU and its kin, PRELU and HARD_SWISH as each runtime does.

Sources (2.15.1): kernels/activations.cc over internal/reference; micro/kernels/activations.cc,
leaky_relu.cc, prelu.cc and hard_swish.cc; XNNPACK's leaky-relu-nc.c and vlrelu. Clamped and
multiplied floats are due to the bit.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import limits
from reference.arithmetic.fixed_point import (
    quantised_multiplier,
    rounding_right_shift,
    wrap_int32,
)
from reference.operators.description import Tensor
from reference.operators.elements import float_functions
from reference.operators.elements.lookup import (
    all_int8,
    each_code,
    look_up_int8,
)
from reference.operators.elements.rescale import (
    multiplier,
    multiply,
    multiply_xnnpack,
    quotient,
    rounded,
    saturated,
    xnnpack_factor,
)
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, bounded, exact
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]
Int64 = NDArray[np.int64]


def _flushing(value: Array) -> Answer:
    """Floats due to the bit, but for denormal ones, which XNNPACK flushes to 0."""
    tiny = np.abs(value) < float_functions.FLUSHED
    return Answer((value.astype(np.float64),), (np.where(tiny, float_functions.FLUSHED, 0.0),))


# RELU and its kin -----------------------------------------------------------------------------


def _relu(low: float, high: float, call: Call, profile: OperatorProfile) -> Answer:
    """A clamp to an interval that begins and may end."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    if x.dtype == np.float32:
        if high == 6 and profile.relu6_of_nan == "zero":
            x = np.where(np.isnan(x), np.float32(0), x)
        return _flushing(_clamped(x, low, high))
    if not call.integer:
        raise NoOracle(f"{call.name} of {source.dtype}")
    if high == 6 and profile.relu6 == "clamped":
        return exact(np.clip(x, source.zero, _steps_of_six(source)).astype(x.dtype))
    by = multiplier(source.step, target.step, profile.activation_quotient)
    least, most = limits(target.dtype)
    bounds = [
        target.zero + int(rounded(np.float32(end) / np.float32(target.step)))
        for end in (low, high)
        if math.isfinite(end)
    ]
    floor, ceiling = max(least, bounds[0]), min(most, *bounds[1:], most)

    def clamped(codes: Array) -> Array:
        moved = multiply(codes.astype(np.int64) - source.zero, by, profile.rounding)
        found = np.maximum(wrap_int32(moved + target.zero), floor)
        return np.asarray(np.minimum(found, ceiling), target.dtype)

    return exact(each_code(clamped, x))


def _clamped(x: Array, low: float, high: float) -> Array:
    """As C compares: NaN stays."""
    clamped = np.where(x > high, np.float32(high), x)
    return np.asarray(np.where(clamped < low, np.float32(low), clamped), np.float32)


def _steps_of_six(tensor: Tensor) -> int:
    """FloatToQuantizedType (micro/micro_utils.h): 6 in a tensor's steps."""
    real = np.float32(6) / np.float32(tensor.step) + np.float32(tensor.zero)
    return int(np.clip(rounded(real), *limits(tensor.dtype)))


def leaky_relu(call: Call, profile: OperatorProfile) -> Answer:
    """LEAKY_RELU: x above zero, alpha x elsewhere."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    alpha = float(np.float32(call.options["alpha"]))
    if x.dtype == np.float32:
        return _flushing(np.where(x > 0, x, x * np.float32(alpha)))
    if not call.integer:
        raise NoOracle(f"LEAKY_RELU of {source.dtype}")
    moved = x.astype(np.int64) - source.zero
    if x.dtype == np.int8 and profile.leaky_relu_int8 == "xnnpack":
        rescaled = _leaky_xnnpack(moved, source.step, target.step, alpha)
        if rescaled is not None:
            return exact(saturated(rescaled + target.zero, target.dtype))
    precision = profile.activation_quotient
    above = multiplier(source.step, target.step, precision)
    slope = quotient(source.step, target.step, "float64") * alpha
    if precision == "float32":
        product = np.float32(source.step) * np.float32(alpha)
        slope = quotient(float(product), target.step, "float32")
    below = quantised_multiplier(abs(slope))
    negative = multiply(moved, below, profile.rounding) * (-1 if slope < 0 else 1)
    rescaled = np.where(moved >= 0, multiply(moved, above, profile.rounding), negative)
    return exact(saturated(wrap_int32(rescaled + target.zero), target.dtype))


def _leaky_xnnpack(x: Int64, input_scale: float, output_scale: float, alpha: float) -> Int64 | None:
    """None where XNNPACK does not take the scales (xnn_create_leaky_relu_nc_qs8)."""
    ratio = quotient(input_scale, output_scale, "float32")
    slope = float(np.float32(ratio) * np.float32(alpha))
    if not (2.0**-8 <= ratio <= 2.0**7 and -(2.0**7) < slope <= 2.0**7 and abs(slope) >= 2.0**-8):
        return None
    factors = np.where(x >= 0, xnnpack_factor(ratio), xnnpack_factor(slope))
    return multiply_xnnpack(x, factors)


def prelu(call: Call, profile: OperatorProfile) -> Answer:
    """PRELU: alpha is a tensor, broadcast."""
    x, alpha = call.value(0), call.value(1)
    source, slope, target = call.tensor(0), call.tensor(1), call.outputs[0]
    if x.dtype == np.float32:
        return _flushing(np.where(x >= 0, x, x * alpha))
    if not call.integer:
        raise NoOracle(f"PRELU of {source.dtype}")
    precision = profile.activation_quotient
    above = multiplier(source.step, target.step, precision)
    if precision == "float32":
        product = float(np.float32(source.step) * np.float32(slope.step))
    else:
        product = source.step * slope.step
    below = multiplier(product, target.step, precision)
    moved = x.astype(np.int64) - source.zero
    negative = moved * (alpha.astype(np.int64) - slope.zero)
    rescaled = np.where(
        moved >= 0,
        multiply(np.broadcast_to(moved, negative.shape), above, profile.rounding),
        multiply(negative, below, profile.rounding),
    )
    return exact(saturated(wrap_int32(rescaled + target.zero), target.dtype))


def hard_swish(call: Call, profile: OperatorProfile) -> Answer:
    """HARD_SWISH: x relu6(x + 3) / 6; integers in 16-bit fixed point (reference/hard_swish.h)."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    if x.dtype == np.float32:
        return bounded(float_functions.hard_swish(x, profile.hard_swish_float))
    if x.dtype != np.int8 or not call.integer:
        raise NoOracle(f"HARD_SWISH of {source.dtype}")
    table = _hard_swish_table(source.step, source.zero, target.step, target.zero)
    return exact(look_up_int8(table, x))


@lru_cache(maxsize=256)
def _hard_swish_table(
    input_scale: float, input_zero: int, output_scale: float, output_zero: int
) -> Array:
    fine = np.float32(1 / 128) * np.float32(input_scale)
    output, output_shift = _int16_multiplier(float(fine / np.float32(output_scale)))
    relu, relu_shift = _int16_multiplier(float(fine / np.float32(np.float32(3) / 32768)))
    if output_shift > 0:
        raise NoOracle("HARD_SWISH whose output is finer than the kernel takes")
    x = (all_int8() - input_zero) << 7
    on_output = _high_product(x, output)
    gate = x
    if relu_shift > 0:
        gate = _int16(gate << (relu_shift - 1))
    gate = _high_product(gate, relu)
    if relu_shift > 0:
        gate = _int16(gate << 1)
    elif relu_shift < 0:
        gate = rounding_right_shift(gate, -relu_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * on_output
    high = np.sign(product) * (np.abs(product) >> 15)
    codes = rounding_right_shift(high, -output_shift) + output_zero
    return saturated(codes, "int8")


def _int16_multiplier(real: float) -> tuple[int, int]:
    by = quantised_multiplier(real)
    return min((int(by.mantissa) + (1 << 15)) >> 16, 2**15 - 1), int(by.shift)


def _high_product(x: Int64, by: int) -> Int64:
    """gemmlowp's 16-bit product, which divides towards zero after it adds its half."""
    product = x * by
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.asarray(np.sign(nudged) * (np.abs(nudged) >> 15), np.int64)


def _int16(x: Int64) -> Int64:
    return np.clip(x, *limits("int16"))


KERNELS: dict[str, Kernel] = {
    "RELU": partial(_relu, 0.0, math.inf),
    "RELU6": partial(_relu, 0.0, 6.0),
    "RELU_N1_TO_1": partial(_relu, -1.0, 1.0),
    "LEAKY_RELU": leaky_relu,
    "PRELU": prelu,
    "HARD_SWISH": hard_swish,
}
