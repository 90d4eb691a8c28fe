"""Compute QUANTIZE, DEQUANTIZE and CAST as each runtime does, bit for bit.

Sources (2.15.1): kernels/quantize.cc and dequantize.cc over internal/reference/quantize.h,
requantize.h and dequantize.h; internal/optimized/optimized_ops.h, whose vector code takes whole
blocks and leaves the rest to the reference's; XNNPACK's f32-qs8-vcvt, qs8-vcvt and qs8-f32-vcvt;
kernels/cast.cc. Which runtime has which form was measured, tails of blocks included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import Affine, quantise
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    quantised_multiplier,
    rounding_doubling_high_mul,
    wrap_int32,
)
from reference.operators.description import Tensor, scales_along
from reference.operators.elements.lookup import each_code
from reference.operators.elements.rescale import (
    multiply,
    multiply_xnnpack,
    quotient,
    saturated,
    xnnpack_factor,
)
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]
Int64 = NDArray[np.int64]

#: Numbers that the vector code takes at once.
_FLOAT_BLOCK = 8
_INT8_BLOCK = 16

#: The ratios of scales that XNNPACK's operator takes (xnn_create_convert_nc_qs8).
_XNNPACK_RATIOS = (2.0**-8, 2.0**7)


def quantize(call: Call, profile: OperatorProfile) -> Answer:
    """QUANTIZE: from float32, or from integers of another scale."""
    source, target = call.tensor(0), call.outputs[0]
    x = call.value(0)
    if len(target.scale) != 1:
        raise NoOracle("QUANTIZE by channels")
    if source.dtype == "float32":
        if target.dtype not in ("int8", "uint8", "int16"):
            raise NoOracle(f"QUANTIZE to {target.dtype}")
        if np.any(np.isnan(x)):
            raise NoOracle("QUANTIZE of NaN")
        return exact(_from_float(np.asarray(x, np.float32), target, profile))
    return exact(requantised(x, source, target, profile))


def _from_float(real: NDArray[np.float32], target: Tensor, profile: OperatorProfile) -> Array:
    affine = Affine(target.step, target.zero, target.dtype)
    form = profile.quantize_int8 if target.dtype != "int16" else profile.quantize_int16
    if form == "division":
        return quantise(real, affine, "half_away", np.float32)
    flat = real.ravel()
    whole = flat.size if form == "reciprocal" else flat.size - flat.size % _FLOAT_BLOCK
    with np.errstate(over="ignore"):
        products = flat[:whole] * (np.float32(1) / np.float32(target.step))
    codes = np.rint(products).astype(np.float64) + target.zero
    parts = [
        saturated(codes, target.dtype),
        quantise(flat[whole:], affine, "half_away", np.float64),
    ]
    joined: Array = np.concatenate(parts)
    return joined.reshape(real.shape)


def requantised(x: Array, source: Tensor, target: Tensor, profile: OperatorProfile) -> Array:
    """Integers of one scale in the steps of another; both per tensor."""

    def moved(codes: Array) -> Int64:
        return np.asarray(codes.astype(np.int64) - source.zero)

    def finished(rescaled: Int64) -> Array:
        return saturated(wrap_int32(rescaled + target.zero), target.dtype)

    both_int8 = source.dtype == target.dtype and source.dtype in ("int8", "uint8")
    ratio = quotient(source.step, target.step, "float64")
    if both_int8 and profile.requantize_int8 == "xnnpack":
        single = quotient(source.step, target.step, "float32")
        if _XNNPACK_RATIOS[0] <= single <= _XNNPACK_RATIOS[1]:
            factor = xnnpack_factor(single)
            return each_code(lambda codes: finished(multiply_xnnpack(moved(codes), factor)), x)
    by = quantised_multiplier(ratio)
    if both_int8 and profile.requantize_int8 in ("xnnpack", "blocks"):
        flat = moved(x).ravel()
        whole = flat.size - flat.size % _INT8_BLOCK
        parts = [_ties_up(flat[:whole], by), multiply_double_rounding(flat[whole:], by)]
        return finished(np.concatenate(parts).reshape(x.shape))
    return each_code(lambda codes: finished(multiply(moved(codes), by, profile.rounding)), x)


def _ties_up(x: Int64, by: Multiplier) -> Int64:
    """multiply_double_rounding as vector code has it: the right shift's ties go up, too."""
    left, right = max(int(by.shift), 0), max(-int(by.shift), 0)
    high = rounding_doubling_high_mul(wrap_int32(x << left), by.mantissa)
    return (high + ((1 << right) >> 1)) >> right


def dequantize(call: Call, profile: OperatorProfile) -> Answer:
    """DEQUANTIZE: integers or float16 as float32."""
    source = call.tensor(0)
    x = call.value(0)
    if source.dtype == "float16":
        return exact(x.astype(np.float32))
    if len(source.scale) > 1:
        zero = np.asarray(source.zero_point or 0).reshape(-1)
        shape = scales_along(source, x.ndim).shape
        moved = (x.astype(np.int64) - zero.reshape(shape if zero.size > 1 else ())).astype(
            np.float32
        )
        return exact(moved * scales_along(source, x.ndim).astype(np.float32))
    product = ((x.astype(np.float64) - source.zero) * source.step).astype(np.float32)
    if profile.dequantize == "product":
        return exact(product)
    # The vector code multiplies first and subtracts the zero point's product, rounding each.
    scale = np.float32(source.step)
    flat = x.ravel()
    whole = flat.size - flat.size % _FLOAT_BLOCK
    shifted = flat[:whole].astype(np.float32) * scale + np.float32(-source.zero) * scale
    parts = [shifted, product.ravel()[whole:]]
    return exact(np.concatenate(parts).reshape(x.shape))


def cast(call: Call, profile: OperatorProfile) -> Answer:
    """CAST, as C converts. C does not say what a float becomes that the integer type cannot hold,
    and the kernels differ."""
    x, wanted = call.value(0), np.dtype(call.outputs[0].dtype)
    if x.dtype.kind == "f" and wanted.kind in "iu":
        low, high = np.iinfo(wanted).min, np.iinfo(wanted).max
        if not np.all((x > low - 1.0) & (x < high + 1.0)):
            raise NoOracle(f"CAST of a number beyond {wanted}")
    return exact(x.astype(wanted))


KERNELS: dict[str, Kernel] = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize, "CAST": cast}
