"""Compute MEAN, SUM, REDUCE_MAX and REDUCE_MIN as each runtime does.

Sources: tensorflow/lite/kernels/reduce.cc and internal/reference/reduce.h QuantizedMeanOrSum
(2.15.1): the multiplier of a mean is divided by the number of elements, after a shift that keeps
its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import Int64, Multiplier, multiply_double_rounding, wrap_int32
from reference.operators.delegation import delegated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.products import UNDERFLOW, UNIT_ROUNDOFF, gamma
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import multipliers, rescale

Array = NDArray[Any]


def mean(call: Call, profile: OperatorProfile) -> Answer:
    """The mean over the axes of input 1; int8, int16 or float32."""
    axes, count = _axes(call)
    if not call.integer:
        return _floats(call, axes, count)
    x, y = call.tensor(0), call.outputs[0]
    total = _centred_sum(call, axes, count)
    if delegated(call, profile):
        scale = np.float32(x.step) / np.float32(y.step) / np.float32(count)
        return _codes(call, rescale(total, np.asarray(scale), "float32"))
    by = multipliers(np.asarray(x.step / y.step))
    shift = min(count.bit_length() - 1, 32, 31 + int(by.shift))
    divided = (int(by.mantissa) << shift) // count
    return _codes(call, multiply_double_rounding(total, Multiplier(divided, int(by.shift) - shift)))


def total(call: Call, profile: OperatorProfile) -> Answer:
    """SUM over the axes of input 1; int8, int16 or float32."""
    axes, count = _axes(call)
    if not call.integer:
        return _floats(call, axes, 1)
    real = np.asarray(call.tensor(0).step / call.outputs[0].step)
    return _codes(call, rescale(_centred_sum(call, axes, count), real, "double"))


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
