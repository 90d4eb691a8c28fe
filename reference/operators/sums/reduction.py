"""Compute MEAN, SUM, REDUCE_MAX and REDUCE_MIN as each runtime does.

Sources: tensorflow/lite/kernels/reduce.cc and internal/reference/reduce.h QuantizedMeanOrSum
(2.15.1): the multiplier of a mean is divided by the number of elements, after a shift that keeps
its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import round_half_away
from reference.arithmetic.fixed_point import Int64, Multiplier, multiply_double_rounding, wrap_int32
from reference.operators.delegation import delegated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import multipliers, rescale
from reference.operators.sums.products import UNDERFLOW, UNIT_ROUNDOFF, gamma

Array = NDArray[Any]


def mean(call: Call, profile: OperatorProfile) -> Answer:
    """The mean over the axes of input 1; int8, int16 or float32."""
    axes, count = _axes(call)
    if not call.integer:
        return _floats(call, axes, count)
    x, y = call.tensor(0), call.outputs[0]
    total = _centred_sum(call, axes, count)
    if delegated(call, profile):
        if profile.delegate == "xnnpack_2026":
            return _of_float32_sum(call, axes, count, np.float32(1) / np.float32(count))
        scale = np.float32(x.step) / (np.float32(y.step) * np.float32(count))
        return _codes(call, rescale(total, np.asarray(scale), "float32"))
    if profile.image_mean == "one_multiplier" and _is_image(call):
        return _image_mean(call, axes, count)
    by = multipliers(np.asarray(x.step / y.step))
    shift = min(count.bit_length() - 1, 32, 31 + int(by.shift))
    divided = (int(by.mantissa) << shift) // count
    return _codes(call, multiply_double_rounding(total, Multiplier(divided, int(by.shift) - shift)))


def _is_image(call: Call) -> bool:
    """Whether an int8 mean is over rows and columns, written as they are, and keeps both."""
    written = sorted(np.ravel(call.value(1)).tolist())
    rank = call.value(0).ndim
    return rank == 4 and written == [1, 2] and _kept(call) and call.tensor(0).dtype == "int8"


#: Channels that x86-64's vector kernel takes at a time; their second rounding takes ties up.
_VECTOR = 16


def _image_mean(call: Call, axes: tuple[int, ...], count: int) -> Answer:
    """optimized/integer_ops/mean.h (2.15.1): codes are summed, and the zero points' share is added
    in whole steps after the rescaling."""
    x, y = call.tensor(0), call.outputs[0]
    codes = call.value(0).astype(np.int64).sum(axes, keepdims=True)
    step = np.float32(x.step)
    shift = np.float32(x.zero) * step / np.float32(y.step)
    shift = np.trunc(shift + np.copysign(np.float32(0.5), shift))
    real = np.asarray(step / (np.float32(count) * np.float32(y.step)), np.float64)
    scaled = rescale(codes, real, "double")
    whole = codes.shape[3] // _VECTOR * _VECTOR
    scaled[..., :whole] = rescale(codes[..., :whole], real, "double_up")
    return _codes(call, scaled - int(shift))


def _of_float32_sum(call: Call, axes: tuple[int, ...], count: int, share: np.float32) -> Answer:
    """XNNPACK src/operators/reduce-nd.c (2026): a product and a sum in float32, ties to even."""
    x, y = call.tensor(0), call.outputs[0]
    codes = call.value(0).astype(np.int64).sum(axes, keepdims=_kept(call))
    scale = np.float32(x.step) / np.float32(y.step) * share
    zero = np.float32(y.zero) - np.float32(count * x.zero) * scale
    info = np.iinfo(y.dtype)
    value = np.rint(np.clip(codes.astype(np.float32) * scale + zero, info.min, info.max))
    return exact(np.asarray(value, y.dtype))


def total(call: Call, profile: OperatorProfile) -> Answer:
    """SUM over the axes of input 1; int8, int16 or float32."""
    axes, count = _axes(call)
    if not call.integer:
        return _floats(call, axes, 1)
    if delegated(call, profile) and profile.delegate == "xnnpack_2026":
        return _of_float32_sum(call, axes, count, np.float32(1))
    x, y = call.tensor(0), call.outputs[0]
    codes = call.value(0)
    if profile.sum_codes == "unsigned" and x.dtype == "int8":
        codes = codes.view(np.uint8)
    summed = codes.astype(np.int64).sum(axes, keepdims=_kept(call))
    if x.dtype == "int16" and profile.sum_int16 == "wraps":
        return exact(np.asarray(summed.astype(np.int16)))
    if profile.sum_rescaling == "float32":
        scale = np.float32(x.step) / np.float32(y.step)
        real = summed.astype(np.float32) * scale + np.float32(-x.zero) * scale * np.float32(count)
        scaled = round_half_away(np.asarray(real)).astype(np.int64)
    else:
        centred = wrap_int32(np.asarray(summed - x.zero * count))
        scaled = rescale(centred, np.asarray(x.step / y.step), "double")
    info = np.iinfo(codes.dtype)
    result = np.clip(scaled + y.zero, info.min, info.max).astype(codes.dtype)
    return exact(result.view(y.dtype))


def _extreme(function: Any) -> Kernel:
    """REDUCE_MAX or REDUCE_MIN: the tensors have one scale."""

    def kernel(call: Call, profile: OperatorProfile) -> Answer:
        x, y = call.tensor(0), call.outputs[0]
        if (x.scale, x.zero_point) != (y.scale, y.zero_point):
            raise NoOracle(f"{call.name} with another scale")
        axes, _ = _axes(call)
        return exact(function(call.value(0), axis=axes, keepdims=_kept(call)))

    return kernel


def _axes(call: Call) -> tuple[tuple[int, ...], int]:
    """The axes, each once, and the number of elements that they hold."""
    shape = call.value(0).shape
    axes = tuple(sorted({int(k) % len(shape) for k in np.ravel(call.value(1))}))
    return axes, int(np.prod([shape[k] for k in axes], dtype=np.int64))


def _kept(call: Call) -> bool:
    return bool(call.options.get("keep_dims"))


def _centred_sum(call: Call, axes: tuple[int, ...], count: int) -> Int64:
    codes = call.value(0).astype(np.int64).sum(axes, keepdims=_kept(call))
    return wrap_int32(np.asarray(codes - call.tensor(0).zero * count))


def _codes(call: Call, scaled: Int64) -> Answer:
    y = call.outputs[0]
    info = np.iinfo(y.dtype)
    return exact(np.clip(scaled + y.zero, info.min, info.max).astype(y.dtype))


def _floats(call: Call, axes: tuple[int, ...], divisor: int) -> Answer:
    """A sum, or its quotient by the count; gamma covers the sums, the quotient one rounding more
    or, where the kernel multiplies by the reciprocal, two."""
    x = call.value(0)
    if x.dtype != np.float32:
        raise NoOracle(f"{call.name} of {x.dtype}")
    kept = _kept(call)
    terms = int(np.prod([x.shape[k] for k in axes], dtype=np.int64))
    wide = x.astype(np.float64)
    value = wide.sum(axes, keepdims=kept) / divisor
    size = np.abs(wide).sum(axes, keepdims=kept) / divisor
    roundings = 0 if divisor == 1 else 2
    allowed = gamma(terms - 1) * size + roundings * UNIT_ROUNDOFF * size + UNDERFLOW
    return Answer((np.asarray(value),), (np.asarray(allowed),))


KERNELS: dict[str, Kernel] = {
    "MEAN": mean,
    "SUM": total,
    "REDUCE_MAX": _extreme(np.max),
    "REDUCE_MIN": _extreme(np.min),
}
