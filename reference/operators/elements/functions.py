"""Compute LOGISTIC, TANH, ELU, EXP, LOG and GELU as each runtime does.

Sources (2.15.1): kernels/activations.cc, elu.cc, exp.cc, elementwise.cc and gelu.cc over
internal/reference and internal/optimized; micro/kernels of the same names for TensorFlow Lite
Micro; XNNPACK's lut-elementwise-nc.c of 2023, and reference/unary-elementwise.cc of 2026. int8
functions are tables of 256 values, made once for each pair of scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic import fixed_functions
from reference.arithmetic.activations import (
    gemmlowp_logistic,
    gemmlowp_tanh,
    table_logistic,
    table_tanh,
    tabulated,
)
from reference.arithmetic.affine import limits
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    rounding_right_shift,
)
from reference.lstm.float32_micro import c_library
from reference.operators.elements import float_functions
from reference.operators.elements.lookup import (
    all_int8,
    look_up_int8,
    look_up_int16,
    table_of_int8,
    table_of_int16,
    table_of_xnnpack,
)
from reference.operators.elements.rescale import rounded, saturated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, bounded, exact
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]
Int64 = NDArray[np.int64]

#: Integer bits of the arguments of LOGISTIC and TANH, of int8 and of int16.
_INT8_BITS = 4
_INT16_BITS = 3


def _sigmoid32(x: Array) -> Array:
    one = np.float32(1)
    with np.errstate(over="ignore"):
        return np.asarray(one / (one + c_library("expf")(-x)), np.float32)


def _sigmoid32_xnnpack(x: Array) -> Array:
    """XNNPACK of 2023: from exp(|x|), whichever the sign."""
    one = np.float32(1)
    with np.errstate(over="ignore"):
        below = one / (one + c_library("expf")(np.abs(x)))
    return np.where(np.signbit(x), below, one - below).astype(np.float32)


def _sigmoid64_xnnpack(x: Array) -> Array:
    """XNNPACK of 2026: in float64, within 100."""
    power = np.exp(np.clip(x.astype(np.float64), -100, 100))
    return np.asarray(power / (1 + power), np.float32)


def _elu32(x: Array) -> Array:
    return np.where(x < 0, c_library("expf")(np.minimum(x, 0)) - np.float32(1), x)


def _elu32_xnnpack(x: Array) -> Array:
    return np.where(x < 0, c_library("expm1f")(np.minimum(x, 0)), x)


def _gelu32(x: Array) -> Array:
    complement = c_library("erfcf")(x * np.float32(-math.sqrt(0.5)))
    return np.asarray(np.float32(0.5) * x * complement, np.float32)


def _gelu32_approximate(x: Array) -> Array:
    cubic = x + np.float32(0.044715) * x * x * x
    gate = np.float32(1) + c_library("tanhf")(np.float32(math.sqrt(2 / math.pi)) * cubic)
    return np.asarray(np.float32(0.5) * x * gate, np.float32)


def _log32(x: Array) -> Array:
    """What has no logarithm becomes the least there is, and so the table's least value."""
    defined = x > 0
    found = c_library("logf")(np.where(defined, x, np.float32(1)))
    return np.where(defined, found, np.float32(-np.inf))


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "LOGISTIC": _sigmoid32,
    "TANH": lambda x: c_library("tanhf")(x),
    "ELU": _elu32,
    "EXP": lambda x: c_library("expf")(x),
    "LOG": _log32,
    "GELU": _gelu32,
    "GELU approximate": _gelu32_approximate,
}
_XNNPACK_FUNCTIONS: dict[tuple[str, str], Callable[[Array], Array]] = {
    ("LOGISTIC", "xnnpack_2023"): _sigmoid32_xnnpack,
    ("LOGISTIC", "xnnpack_2026"): _sigmoid64_xnnpack,
}
for _form in ("xnnpack_2023", "xnnpack_2026"):
    _XNNPACK_FUNCTIONS["TANH", _form] = _FUNCTIONS["TANH"]
    _XNNPACK_FUNCTIONS["ELU", _form] = _elu32_xnnpack


def function(call: Call, profile: OperatorProfile) -> Answer:
    """LOGISTIC, TANH, ELU, EXP and LOG."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    if x.dtype == np.float32:
        return bounded(_real(call.name, x, profile))
    if not call.integer:
        raise NoOracle(f"{call.name} of {source.dtype}")
    if x.dtype == np.int8:
        forms = {"ELU": profile.elu_int8, "EXP": "table", "LOG": "table"}
        form = forms.get(call.name, profile.sigmoid_int8)
        table = _int8_table(call.name, form, source.step, source.zero, target.step, target.zero)
        return exact(look_up_int8(table, x))
    if x.dtype == np.int16 and call.name in ("LOGISTIC", "TANH"):
        return exact(_int16_function(call.name, x, source.step, profile))
    if x.dtype == np.int16 and call.name == "EXP":
        table = _exp_int16(source.step, target.step)
        return exact(look_up_int16(table, x).astype(np.int16))
    raise NoOracle(f"{call.name} of {source.dtype}")


def gelu(call: Call, profile: OperatorProfile) -> Answer:
    """GELU: x Phi(x), or its approximation by tanh (kernels/gelu.cc, reference/gelu.h)."""
    x, source, target = call.value(0), call.tensor(0), call.outputs[0]
    approximate = bool(call.options.get("approximate", False))
    if x.dtype == np.float32:
        return bounded(float_functions.gelu(x, approximate))
    if x.dtype != np.int8 or not call.integer:
        raise NoOracle(f"GELU of {source.dtype}")
    name = "GELU approximate" if approximate else "GELU"
    table = _int8_table(name, "table", source.step, source.zero, target.step, target.zero)
    return exact(look_up_int8(table, x))


@lru_cache(maxsize=64)
def _exp_int16(input_scale: float, output_scale: float) -> Int64:
    return table_of_int16(c_library("expf"), input_scale, 0, output_scale, 0, np.float32)


def _real(name: str, x: Array, profile: OperatorProfile) -> float_functions.Bounded:
    if name == "LOGISTIC":
        return float_functions.logistic(x, profile.sigmoid_float)
    if name == "TANH":
        return float_functions.tanh(x, profile.tanh_of_nan)
    if name == "EXP":
        return float_functions.exp(x, profile.exp_float)
    if name == "LOG":
        return float_functions.log(x, profile.log_float)
    return float_functions.elu(x)


@lru_cache(maxsize=256)
def _int8_table(
    name: str,
    form: str,
    input_scale: float,
    input_zero: int,
    output_scale: float,
    output_zero: int,
) -> Array:
    scales = (input_scale, input_zero, output_scale, output_zero)
    if form.startswith("xnnpack"):
        return table_of_xnnpack(_XNNPACK_FUNCTIONS[name, form], *scales, form == "xnnpack_2026")
    if form == "table":
        return table_of_int8(_FUNCTIONS[name], *scales)
    return _gemmlowp_table(name, input_scale, input_zero)


def _gemmlowp_table(name: str, scale: float, zero: int) -> Array:
    """reference/integer_ops/logistic.h and tanh.h: Q4.27 arguments within a radius."""
    fraction, shift = math.frexp(scale * 2.0 ** (31 - _INT8_BITS))
    by = Multiplier(math.floor(fraction * 2**31 + 0.5), shift)
    if by.mantissa == 2**31:  # the kernel stores it in 32 bits
        by = Multiplier(-(2**31), shift)
    radius = math.floor(((1 << _INT8_BITS) - 1) * 2.0 ** (31 - _INT8_BITS) / 2.0**shift)
    x = all_int8() - zero
    inside = np.abs(x) < radius
    argument = multiply_double_rounding(np.where(inside, x, 0), by)
    if name == "LOGISTIC":
        value = rounding_right_shift(fixed_functions.logistic(argument, _INT8_BITS), 23) - 128
    else:
        value = rounding_right_shift(fixed_functions.tanh(argument, _INT8_BITS), 24)
    return saturated(np.where(inside, value, np.where(x < 0, -128, 127)), "int8")


def _int16_function(name: str, x: Array, scale: float, profile: OperatorProfile) -> Array:
    """reference/integer_ops, or gemmlowp's where the scale is 2**-12 (TANH: or twice that)."""
    power = _nearest_power_of_two(scale)
    left = None if power is None else 15 - _INT16_BITS + power
    if left is not None and (left == 0 or (name == "TANH" and left == 1)):
        if profile.sigmoid_int16 == "table":
            by, right = 3 << left, 0
        else:
            doubled = np.clip(x.astype(np.int64) << left, *limits("int16")).astype(np.int16)
            form = gemmlowp_logistic if name == "LOGISTIC" else gemmlowp_tanh
            return tabulated(form, _INT16_BITS)[doubled].astype(np.int16)
    else:
        by, right = _table_argument(scale)
    function = table_logistic if name == "LOGISTIC" else table_tanh
    return tabulated(function, by, right)[x].astype(np.int16)


def _nearest_power_of_two(scale: float) -> int | None:
    """log2 of a scale within a thousandth of an integer (CheckedLog2), or None."""
    log2 = np.float32(np.float32(math.log(scale)) * np.float32(1 / np.float32(math.log(2))))
    nearest = rounded(log2)
    return int(nearest) if abs(float(log2) - nearest) < 1e-3 else None


def _table_argument(scale: float) -> tuple[int, int]:
    """Multiplier and right shift that bring a scale to a third of 2**-12."""
    real, shift = scale * 4096.0 * 3.0, 0
    while real <= 32767.0 / 2.0 and shift <= 30:
        shift, real = shift + 1, real * 2.0
    if real > 32767:
        raise NoOracle("an int16 argument whose scale overflows the kernel's product")
    return int(real), shift


KERNELS: dict[str, Kernel] = {
    "LOGISTIC": function,
    "TANH": function,
    "ELU": function,
    "EXP": function,
    "LOG": function,
    "GELU": gelu,
}
