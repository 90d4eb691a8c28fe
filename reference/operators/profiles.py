"""Describe as data how each runtime's operators compute: two runtimes differ in named factors.

Every field is a factor of the attribution, with the source of each of its values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

#: How a 32-bit accumulator is rescaled (reference/operators/rescaling.py).
Rescaling = Literal["double", "double_up", "single", "float32"]


@dataclass(frozen=True)
class OperatorProfile:
    """One runtime's operators.

    lstm: the name of its integer LSTM's profile (reference/lstm/profiles.py).
    rounding: of 32-bit rescaling: twice (the default of all builds) or once.
    delegate: which XNNPACK takes operators over (reference/operators/delegation.py): none, that of
        TensorFlow 2.15.1 or that of LiteRT 2.3.0. It rescales in float32, ties to even.
    scale_product: the precision of input scale x weight scale of a FULLY_CONNECTED per tensor.
    matrix_rescaling: how the built-in kernels of FULLY_CONNECTED and CONV_2D rescale
        (reference/operators/rescaling.py); "double_up" is ruy's on x86-64.
    depthwise_rescaling: the same of DEPTHWISE_CONV_2D.
    int16_without_bias: the accumulator of an int16 FULLY_CONNECTED without a bias; with one it has
        64 bits.
    int16_rescaling: of such a 64-bit accumulator: by a mantissa of 15 bits, or in float64, ties
        away from zero (kernels/internal/reference/integer_ops/fully_connected.h of 2026).
    difference_scales: the precision of the multipliers of SUB.
    product_scale: the precision of the multiplier of MUL.
    int16_powers: whether ADD and SUB of int16 only shift where all scales are powers of two and
        the option pot_scale_int16 holds.
    square_root: of float32: rounded correctly, or estimated (XNNPACK of 2026 on x86-64).
    same_padding: what the delegate adds under SAME when the last window ends before the image
        does: nothing, or, by an unsigned subtraction that wraps, so much that windows see nothing.
    """

    name: str
    lstm: str
    rounding: Literal["double", "single"] = "double"
    delegate: Literal["none", "xnnpack_2023", "xnnpack_2026"] = "none"
    scale_product: Literal["float32", "float64"] = "float32"
    matrix_rescaling: Rescaling = "double_up"
    depthwise_rescaling: Rescaling = "double"
    int16_without_bias: Literal["int32", "int64"] = "int32"
    int16_rescaling: Literal["mantissa15", "float64"] = "mantissa15"
    difference_scales: Literal["float32", "float64"] = "float64"
    product_scale: Literal["float32", "float64"] = "float32"
    int16_powers: Literal["shifted", "general"] = "shifted"
    square_root: Literal["rounded", "estimated"] = "rounded"
    same_padding: Literal["saturates", "wraps"] = "saturates"


TFLITE_BUILTIN = OperatorProfile("TFLite 2.15.1, built-in kernels", "TFLite 2.15.1")
TFLITE_REFERENCE = replace(
    TFLITE_BUILTIN,
    name="TFLite 2.15.1, reference kernels",
    matrix_rescaling="double",
    int16_without_bias="int64",
)
TFLITE_DEFAULT = replace(
    TFLITE_BUILTIN,
    name="TFLite 2.15.1 with XNNPACK",
    delegate="xnnpack_2023",
    same_padding="wraps",
)
LITERT = replace(
    TFLITE_BUILTIN,
    name="LiteRT 2.3.0",
    lstm="LiteRT 2.3.0",
    delegate="xnnpack_2026",
    square_root="estimated",
    int16_rescaling="float64",
)
TFLM = OperatorProfile(
    "TensorFlow Lite Micro",
    "TensorFlow Lite Micro",
    scale_product="float64",
    matrix_rescaling="double",
    int16_without_bias="int64",
    product_scale="float64",
    int16_powers="general",
)

#: By the names of the harness's runtimes.
PROFILES = {
    "tflite": TFLITE_DEFAULT,
    "tflite-reference": TFLITE_REFERENCE,
    "tflite-no-xnnpack": TFLITE_BUILTIN,
    "litert": LITERT,
    "tflm": TFLM,
}

FACTORS = tuple(field.name for field in fields(OperatorProfile) if field.name not in ("name",))


def factors(a: OperatorProfile, b: OperatorProfile) -> tuple[str, ...]:
    """Names of the fields in which two profiles differ."""
    return tuple(name for name in FACTORS if getattr(a, name) != getattr(b, name))


def with_factor(base: OperatorProfile, factor: str, other: OperatorProfile) -> OperatorProfile:
    """base with one field taken from other. Raises KeyError for an unknown factor."""
    if factor not in FACTORS:
        raise KeyError(factor)
    value: Any = getattr(other, factor)
    return replace(base, name=f"{base.name} with {factor}={value}", **{factor: value})
