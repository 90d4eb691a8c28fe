"""Compute operators of two tensors, value by value, as each runtime does, and those of one.

Sources: tensorflow/lite/kernels/add.cc, sub.cc, mul.cc, squared_difference.cc, elementwise.cc,
internal/reference/integer_ops/add.h and mul.h, internal/common.cc GetInvSqrtQuantizedMultiplierExp
(2.15.1); micro/kernels/sub_common.cc; XNNPACK src/microparams-init.c, whose sums are integers with
a common power of two, rounded once with ties up.

One operation of float32 is rounded correctly everywhere, and so due to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import Int64, multiply_double_rounding, rounding_right_shift
from reference.operators.delegation import delegated
from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import activation_range, float_range, multipliers, rescale
from reference.operators.sums.products import UNIT_ROUNDOFF

Array = NDArray[Any]


def add(call: Call, profile: OperatorProfile) -> Answer:
    """a + b, broadcast; int8, int16 or float32."""
    return _sum(call, profile, 1)


def subtract(call: Call, profile: OperatorProfile) -> Answer:
    """a - b, broadcast; int8, int16 or float32."""
    return _sum(call, profile, -1)


def _sum(call: Call, profile: OperatorProfile, sign: int) -> Answer:
    if not call.integer:
        ignored = sign > 0 and profile.int32_activation == "ignored"
        if ignored and call.tensor(0).dtype == "int32":
            call = replace(call, options={})
        return _plain(call, np.add if sign > 0 else np.subtract)
    a, b, y = _three(call)
    left, right = _centred(call, 0), _centred(call, 1)
    by_delegate = delegated(call, profile)
    if by_delegate:
        total = _common_power(left, a.step, right, sign * b.step, y.step)
    elif _powers_of_two(call, profile):
        total = _shifted(left, a, y) + sign * _shifted(right, b, y)
    else:
        bits = 20 if y.dtype == "int8" else 15
        scales = _of_twice_the_largest(a.step, b.step, y.step, bits)
        terms = [
            multiply_double_rounding(x << bits, multipliers(np.asarray(scale)))
            for x, scale in zip((left, right), scales[:2], strict=True)
        ]
        total = rescale(terms[0] + sign * terms[1], np.asarray(scales[2]), "double")
    return _quantised(call, total, by_delegate)


def _of_twice_the_largest(a: float, b: float, y: float, bits: int) -> tuple[float, float, float]:
    """Both inputs' multipliers and the output's, for inputs shifted left by bits."""
    twice = 2 * max(a, b)
    return a / twice, b / twice, twice / ((1 << bits) * y)


def _common_power(a: Int64, a_scale: float, b: Int64, b_scale: float, y_scale: float) -> Int64:
    """a * a_scale / y_scale + b * b_scale / y_scale with integer factors of 21 bits at most."""
    factors = np.asarray([a_scale, b_scale], np.float32) / np.float32(y_scale)
    shift = 20 - int(np.frexp(np.abs(factors).max())[1] - 1)
    whole = np.rint(factors.astype(np.float64) * 2.0**shift).astype(np.int64)
    return np.asarray((a * whole[0] + b * whole[1] + (1 << (shift - 1))) >> shift)


def _powers_of_two(call: Call, profile: OperatorProfile) -> bool:
    """Whether int16 values of scales that are powers of two are only shifted."""
    if call.outputs[0].dtype != "int16" or profile.int16_powers == "general":
        return False
    steps = [tensor.step for tensor in _three(call)]
    return bool(call.options.get("pot_scale_int16", True)) and all(
        np.frexp(step)[0] == 0.5 for step in steps
    )


def _shifted(x: Int64, tensor: Tensor, y: Tensor) -> Int64:
    bits = round(float(np.log2(y.step / tensor.step)))
    if bits < 0:
        raise NoOracle("a sum of int16 values whose scale is above the output's")
    return rounding_right_shift(x, bits)


def multiply(call: Call, profile: OperatorProfile) -> Answer:
    """a * b, broadcast; int8, int16 or float32."""
    if not call.integer:
        return _plain(call, np.multiply)
    a, b, y = _three(call)
    product = _centred(call, 0) * _centred(call, 1)
    by_delegate = delegated(call, profile)
    single = np.float32(a.step) * np.float32(b.step) / np.float32(y.step)
    if by_delegate:
        scaled = rescale(product, np.asarray(single), profile.delegated_product)
    else:
        real = float(single) if profile.product_scale == "float32" else a.step * b.step / y.step
        scaled = rescale(product, np.asarray(real), "double")
    return _quantised(call, scaled, by_delegate)


def squared_difference(call: Call, profile: OperatorProfile) -> Answer:
    """(a - b)**2, broadcast; int8 or float32."""
    if not call.integer:
        return _plain(call, lambda a, b: np.square(a - b))
    a, b, y = _three(call)
    if y.dtype != "int8":
        raise NoOracle(f"SQUARED_DIFFERENCE of {y.dtype}")
    bits = 7
    twice = 2 * max(a.step, b.step)
    terms = [
        multiply_double_rounding(x << bits, multipliers(np.asarray(tensor.step / twice)))
        for x, tensor in ((_centred(call, 0), a), (_centred(call, 1), b))
    ]
    real = twice * twice / (float(1 << (2 * bits)) * y.step)
    scaled = rescale(np.square(terms[0] - terms[1]), np.asarray(real), "double")
    return _quantised(call, scaled, False)


def _extreme(function: Any) -> Kernel:
    """MAXIMUM or MINIMUM, of codes as of floats: the tensors have one scale."""

    def kernel(call: Call, profile: OperatorProfile) -> Answer:
        steps = {tensor.scale + tensor.zero_point for tensor in _three(call)}
        if call.integer and len(steps) > 1:
            raise NoOracle(f"{call.name} of different scales")
        return exact(function(call.value(0), call.value(1)))

    return kernel


def _three(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    return call.tensor(0), call.tensor(1), call.outputs[0]


def _centred(call: Call, position: int) -> Int64:
    return np.asarray(call.value(position).astype(np.int64) - call.tensor(position).zero)


def _quantised(call: Call, scaled: Int64, by_delegate: bool) -> Answer:
    y = call.outputs[0]
    low, high = activation_range(
        call.options.get("fused_activation_function", "NONE"),
        y,
        "even" if by_delegate else "away",
    )
    return exact(np.clip(scaled + y.zero, low, high).astype(y.dtype))


def _plain(call: Call, function: Callable[[Array, Array], Array]) -> Answer:
    """One operation for each value, of float32 or of whole numbers that wrap, and a fused
    activation."""
    dtype = np.dtype(call.tensor(0).dtype)
    low, high = float_range(call.options.get("fused_activation_function", "NONE"))
    with np.errstate(all="ignore"):
        value = function(call.value(0), call.value(1))
    if dtype.kind == "i":
        info = np.iinfo(dtype)
        return exact(np.clip(value, int(max(low, info.min)), int(min(high, info.max))))
    if dtype != np.float32:
        raise NoOracle(f"{call.name} of {dtype}")
    return exact(np.clip(value, dtype.type(low), dtype.type(high)))


def divide(call: Call, profile: OperatorProfile) -> Answer:
    """a / b, broadcast; float32, or int32 towards zero. Raises NoOracle for a division by 0 of
    int32, which the kernels refuse."""
    if np.dtype(call.tensor(0).dtype).kind == "i":
        if call.integer or not call.value(1).all():
            raise NoOracle("DIV of quantised values or by 0")
        return _plain(call, _towards_zero)
    return _plain(call, np.divide)


def _towards_zero(a: Array, b: Array) -> Array:
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)


# Of one tensor -----------------------------------------------------------------------------


def _float_of_one(function: Any) -> Kernel:
    """A float32 operation that is rounded correctly, or one of whole numbers."""

    def kernel(call: Call, profile: OperatorProfile) -> Answer:
        if call.integer or np.dtype(call.tensor(0).dtype).kind not in "fi":
            raise NoOracle(f"{call.name} of {call.tensor(0).dtype}")
        with np.errstate(all="ignore"):
            return exact(function(call.value(0)))

    return kernel


def root(call: Call, profile: OperatorProfile) -> Answer:
    """sqrt(x); float32. A kernel that multiplies x by an estimate of 1 / sqrt(x) is off by two
    units at most."""
    if call.tensor(0).dtype != "float32":
        raise NoOracle(f"SQRT of {call.tensor(0).dtype}")
    with np.errstate(all="ignore"):
        if profile.square_root == "rounded":
            return exact(np.sqrt(call.value(0)))
        value = np.sqrt(call.value(0).astype(np.float64))
        return Answer((value,), (4 * UNIT_ROUNDOFF * np.abs(value),))


def reciprocal_root(call: Call, profile: OperatorProfile) -> Answer:
    """1 / sqrt(x); float32, or int8 by a Newton iteration in fixed point.

    In float32 the root and the quotient are each rounded, or an estimate is refined: two units.
    """
    x, y = call.tensor(0), call.outputs[0]
    if x.dtype == "float32":
        with np.errstate(all="ignore"):
            value = 1 / np.sqrt(call.value(0).astype(np.float64))
            return Answer((value,), (4 * UNIT_ROUNDOFF * np.abs(value),))
    if x.dtype != "int8":
        raise NoOracle(f"RSQRT of {x.dtype}")
    values = np.arange(1, 256)
    mantissa, shift = _inverse_root(values)
    by = multipliers(np.asarray(1.0 / float(np.sqrt(np.float32(x.step)) * np.float32(y.step))))
    data = multiply_double_rounding(np.ones_like(mantissa), type(by)(mantissa, shift + _ROOT_BITS))
    scaled = multiply_double_rounding(
        data, type(by)(by.mantissa, np.asarray(by.shift) - _ROOT_BITS)
    )
    table = np.concatenate([[127], np.clip(scaled + y.zero, -128, 127)])
    centred = _centred(call, 0)
    if centred.min(initial=0) < 0:
        raise NoOracle("RSQRT of a negative value, which the kernel refuses")
    return exact(table[centred].astype(np.int8))


_ROOT_BITS = 20


def _inverse_root(values: Int64) -> tuple[Int64, Int64]:
    """1 / sqrt(value) of small positive integers as mantissa * 2**(shift - 31), by Newton's method.

    common.cc GetInvSqrtQuantizedMultiplierExp: five steps in Q3.28 from 1, then times sqrt(1/2).
    """
    free = 31 - np.frexp(values.astype(np.float64))[1]
    pairs = free // 2 - 1
    half_three = np.int64((1 << 28) + (1 << 27))
    argument = (values << (2 * pairs)) >> 1
    half = rounding_right_shift(argument, 1)
    x = np.full_like(argument, 1 << 28)
    for _ in range(5):
        cube = _saturated(_high(_high(x, x), x), 6)
        x = _saturated(_high(half_three, x) - _high(half, cube), 3)
    root = _high(x, np.int64(1518500250))
    shift = 11 - pairs
    root = np.where(shift < 0, root << np.maximum(-shift, 0), root)
    shift = -np.maximum(shift, 0)
    one = values <= 1
    return np.where(one, 2**31 - 1, root), np.where(one, 0, shift)


def _high(a: Any, b: Any) -> Int64:
    return np.asarray((a * b + (1 << 30)) >> 31)


def _saturated(x: Int64, bits: int) -> Int64:
    return np.clip(x << bits, -(2**31), 2**31 - 1)


KERNELS: dict[str, Kernel] = {
    "ADD": add,
    "SUB": subtract,
    "MUL": multiply,
    "DIV": divide,
    "SQUARED_DIFFERENCE": squared_difference,
    "MAXIMUM": _extreme(np.maximum),
    "MINIMUM": _extreme(np.minimum),
    "NEG": _float_of_one(np.negative),
    "ABS": _float_of_one(np.abs),
    "SQUARE": _float_of_one(np.square),
    "SQRT": root,
    "RSQRT": reciprocal_root,
}
