"""Compute CONV_2D and DEPTHWISE_CONV_2D as each runtime does, in integers and in float32.

Sources: tensorflow/lite/kernels/conv.cc, depthwise_conv.cc, internal/reference/integer_ops/conv.h
and depthwise_conv.h (2.15.1); kernels/kernel_util.cc PopulateConvolutionQuantizationParams;
XNNPACK src/operators/convolution-nhwc.c.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import Int64, wrap_int32
from reference.operators.delegation import delegated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile, Rescaling
from reference.operators.rescaling import (
    activation_range,
    float_range,
    rescale,
    rescale_wide,
)
from reference.operators.sums.fully_connected import effective_scales, float32_scales
from reference.operators.sums.products import UNDERFLOW, float_product, gamma, integer_product
from reference.operators.sums.windows import axes_of, windows

Array = NDArray[Any]


def convolution(call: Call, profile: OperatorProfile) -> Answer:
    """image [N, H, W, C], filter [O, h, w, C], bias [O] or none: [N, H', W', O].

    Raises NoOracle for grouped convolutions and for the hybrid form.
    """
    image, kernel = call.value(0), call.value(1)
    if kernel.shape[3] != image.shape[3]:
        raise NoOracle("CONV_2D in groups")
    integer = _is_integer(call)
    axes = axes_of(call, kernel.shape[1], kernel.shape[2])
    outside = call.tensor(0).zero if integer else 0
    seen = windows(image, axes, outside, _blind(call, profile))
    rows = seen.reshape(-1, kernel[0].size)
    shape = (*seen.shape[:3], len(kernel))
    flat = kernel.reshape(len(kernel), -1).T
    if not integer:
        value, allowed = float_product(rows, flat, _bias(call))
        return _floats(call, value.reshape(shape), allowed.reshape(shape))
    products = integer_product(rows.astype(np.int32) - outside, flat)
    return _integers(call, profile, products.reshape(shape), profile.matrix_rescaling)


def depthwise_convolution(call: Call, profile: OperatorProfile) -> Answer:
    """image [N, H, W, C], filter [1, h, w, C * M], bias [C * M] or none: [N, H', W', C * M].

    Raises NoOracle for the hybrid form.
    """
    image, kernel = call.value(0), call.value(1)
    integer = _is_integer(call)
    height, width = kernel.shape[1:3]
    outside = call.tensor(0).zero if integer else 0
    axes = axes_of(call, height, width)
    seen = windows(image, axes, outside, _blind(call, profile))
    times = kernel.shape[3] // image.shape[3]
    value: Array = np.zeros((*seen.shape[:3], kernel.shape[3]), np.int64 if integer else np.float64)
    size = np.zeros_like(value)
    for row in range(height):
        for column in range(width):
            part = (seen[:, :, :, row, column].astype(value.dtype) - outside).repeat(times, -1)
            term = part * kernel[0, row, column]
            value += term
            if not integer:
                size += np.abs(term)
    if integer:
        return _integers(call, profile, value, profile.depthwise_rescaling)
    terms = height * width
    bias = _bias(call)
    if bias is not None:
        value, size, terms = value + bias, size + np.abs(bias), terms + 1
    return _floats(call, value, gamma(terms) * size + terms * UNDERFLOW)


def _is_integer(call: Call) -> bool:
    """Raises NoOracle for types that have no oracle."""
    kinds = call.tensor(0).dtype, call.tensor(1).dtype
    if kinds == ("float32", "float32"):
        return False
    if kinds not in (("int8", "int8"), ("int16", "int8")):
        raise NoOracle(f"{call.name} of {kinds[0]} with {kinds[1]}")
    return True


def _blind(call: Call, profile: OperatorProfile) -> bool:
    return profile.same_padding == "wraps" and delegated(call, profile)


def _bias(call: Call) -> Array | None:
    return call.values[2] if len(call.values) > 2 else None


def _integers(call: Call, profile: OperatorProfile, products: Int64, how: Rescaling) -> Answer:
    x, kernel, y = call.tensor(0), call.tensor(1), call.outputs[0]
    bias = _bias(call)
    if bias is not None:
        products = products + bias
    by_delegate = delegated(call, profile)
    low, high = activation_range(
        call.options["fused_activation_function"], y, "even" if by_delegate else "away"
    )
    if x.dtype == "int16":
        scaled = rescale_wide(products, effective_scales(x, kernel, y))
    elif by_delegate:
        scaled = rescale(wrap_int32(products), float32_scales(x, kernel, y), "float32")
    else:
        scaled = rescale(wrap_int32(products), effective_scales(x, kernel, y), how)
    return exact(np.clip(scaled + y.zero, low, high).astype(y.dtype))


def _floats(call: Call, value: Array, allowed: Array) -> Answer:
    low, high = float_range(call.options["fused_activation_function"])
    return Answer((np.clip(value, low, high),), (allowed,))


KERNELS: dict[str, Kernel] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise_convolution,
}
