"""Compute FULLY_CONNECTED as each runtime does: int8, int16 with int8 weights, and float32.

Sources: tensorflow/lite/kernels/fully_connected.cc and internal/reference/integer_ops/
fully_connected.h (2.15.1); kernels/kernel_util.cc GetQuantizedConvolutionMultipler;
micro/kernels/fully_connected_common.cc; XNNPACK src/operators/fully-connected-nc.c.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import round_half_away
from reference.arithmetic.fixed_point import wrap_int32
from reference.operators.delegation import delegated
from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import activation_range, float_range, rescale, rescale_wide
from reference.operators.sums.products import (
    UNDERFLOW,
    UNIT_ROUNDOFF,
    float_product,
    gamma,
    integer_product,
)

Array = NDArray[Any]


def fully_connected(call: Call, profile: OperatorProfile) -> Answer:
    """input [..., K], weights [N, K], bias [N] or none: [M, N], or the input's shape but the last.

    Raises NoOracle for shuffled weights.
    """
    if call.options.get("weights_format", "DEFAULT") != "DEFAULT":
        raise NoOracle("FULLY_CONNECTED with shuffled weights")
    x, weights = call.tensor(0), call.tensor(1)
    rows = call.value(0).reshape(-1, call.value(1).shape[-1])
    bias = call.values[2] if len(call.values) > 2 else None
    if x.dtype == "float32" and weights.dtype == "float32":
        return _float(call, rows, bias)
    if (x.dtype, weights.dtype) == ("float32", "int8"):
        return _hybrid(call, profile, rows, bias)
    if weights.dtype != "int8" or x.dtype not in ("int8", "int16"):
        raise NoOracle(f"FULLY_CONNECTED of {x.dtype} with {weights.dtype}")
    by_delegate = delegated(call, profile)
    y = call.outputs[0]
    products = integer_product(
        rows.astype(np.int32) - x.zero, call.value(1).T.astype(np.int32) - weights.zero
    )
    if bias is not None:
        products = products + bias
    low, high = activation_range(
        call.options.get("fused_activation_function", "NONE"),
        y,
        "even" if by_delegate else "away",
    )
    single = profile.scale_product == "float32" and len(weights.scale) == 1
    reals = _of_float32_product(x, weights, y) if single else effective_scales(x, weights, y)
    if x.dtype == "int16" and _wide(call, profile, bias):
        if profile.int16_rescaling == "float64":
            scaled = _nearest(products * effective_scales(x, weights, y))
        else:
            scaled = rescale_wide(products, reals)
    elif by_delegate:
        scaled = rescale(wrap_int32(products), float32_scales(x, weights, y), "float32")
    else:
        scaled = rescale(wrap_int32(products), reals, profile.matrix_rescaling)
    result = np.clip(scaled + y.zero, low, high).astype(y.dtype)
    return exact(result.reshape(_shape(call, result)))


def _wide(call: Call, profile: OperatorProfile, bias: Array | None) -> bool:
    """Whether an int16 operator's accumulator has 64 bits."""
    if bias is not None:
        return bias.dtype == np.int64 or profile.int16_without_bias == "int64"
    if profile.int16_without_bias == "as_written":
        return bool(call.options.get("quantized_bias_type") == "INT64")
    return profile.int16_without_bias == "int64"


def effective_scales(x: Tensor, weights: Tensor, y: Tensor) -> Array:
    """Input scale * weight scales / output scale in float64, one or one for each channel."""
    return x.step * np.asarray(weights.scale, np.float64) / y.step


def float32_scales(x: Tensor, weights: Tensor, y: Tensor) -> Array:
    """The same in float32 throughout, as XNNPACK computes it."""
    product = np.float32(x.step) * np.asarray(weights.scale, np.float32)
    return np.asarray(product / np.float32(y.step))


def _nearest(values: Array) -> Array:
    return round_half_away(np.asarray(values, np.float64)).astype(np.int64)


def _of_float32_product(x: Tensor, weights: Tensor, y: Tensor) -> Array:
    product = np.float32(x.step) * np.asarray(weights.scale, np.float32)
    return product.astype(np.float64) / y.step


def _float(call: Call, rows: Array, bias: Array | None) -> Answer:
    low, high = float_range(call.options.get("fused_activation_function", "NONE"))
    value, allowed = float_product(rows, call.value(1).T, bias)
    shape = _shape(call, value)
    return Answer((np.clip(value, low, high).reshape(shape),), (allowed.reshape(shape),))


def _hybrid(call: Call, profile: OperatorProfile, rows: Array, bias: Array | None) -> Answer:
    """Rows quantised as they come, multiplied as integers, and scaled back to float32."""
    low, high = float_range(call.options.get("fused_activation_function", "NONE"))
    weights = call.tensor(1)
    if profile.hybrid == "refused":
        raise NoOracle("FULLY_CONNECTED of float32 with int8 in a runtime that refuses it")
    asymmetric = bool(call.options.get("asymmetric_quantize_inputs"))
    codes, scale, unsure = quantised_rows(rows, asymmetric or profile.hybrid == "asymmetric")
    matrix = call.value(1).T.astype(np.float64) - weights.zero
    scales = scale * np.asarray(weights.scale, np.float64)
    product = (codes @ matrix) * scales
    moved = (unsure @ np.abs(matrix)) * scales
    value, size = product, np.abs(product)
    if bias is not None:
        value, size = value + bias, size + np.abs(bias)
    # the row's scale is rounded three times, the product of scales, the product and the sum once
    allowed = gamma(7) * size + moved + UNDERFLOW
    shape = _shape(call, value)
    return Answer((np.clip(value, low, high).reshape(shape),), (allowed.reshape(shape),))


#: A row's codes before they are rounded are wrong by this much at most: their quotient is of two
#: rounded numbers, below 256, and the zero point is added.
_CODE_ERROR = 256 * 4 * UNIT_ROUNDOFF


def quantised_rows(rows: Array, asymmetric: bool) -> tuple[Array, Array, Array]:
    """Codes less the zero point [M, K], scales [M, 1], and where a code may be one off [M, K].

    kernels/internal/reference/portable_tensor_utils.cc (2.15.1) SymmetricQuantizeFloats and
    AsymmetricQuantizeFloats, XNNPACK src/xnnpack/quantization.h: ties, and what float32 cannot tell
    from a tie, go either way.
    """
    wide = rows.astype(np.float64)
    if asymmetric:
        least, most = np.minimum(wide.min(-1), 0), np.maximum(wide.max(-1), 0)
        scale = (most - least) / 255
        scale = np.where(scale == 0, 1, scale)
        from_least, from_most = -128 - least / scale, 127 - most / scale
        nearer = 128 + np.abs(least / scale) < 127 + np.abs(most / scale)
        zero = np.clip(np.rint(np.where(nearer, from_least, from_most)), -128, 127)[:, None]
        low, high = -128, 127
    else:
        scale = np.abs(wide).max(-1) / 127
        scale = np.where(scale == 0, 1, scale)
        zero, low, high = np.zeros((len(rows), 1)), -127, 127
    exact_codes = wide / scale[:, None] + zero
    fraction = np.abs(exact_codes - np.floor(exact_codes) - 0.5)
    unsure = (fraction <= _CODE_ERROR).astype(np.float64)
    codes = np.clip(np.rint(exact_codes), low, high) - zero
    return codes, scale[:, None], unsure


def _shape(call: Call, result: Array) -> tuple[int, ...]:
    if call.options.get("keep_num_dims"):
        return (*call.value(0).shape[:-1], result.shape[-1])
    return result.shape


KERNELS: dict[str, Kernel] = {"FULLY_CONNECTED": fully_connected}
