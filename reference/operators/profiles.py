"""Describe as data how each runtime's operators compute: two runtimes differ in named factors.

Every field is a factor of the attribution, with the source of each of its values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal


@dataclass(frozen=True)
class OperatorProfile:
    """One runtime's operators.

    lstm: the name of its integer LSTM's profile (reference/lstm/profiles.py).
    rounding: of 32-bit rescaling: twice (the default of all builds) or once.
    """

    name: str
    lstm: str
    rounding: Literal["double", "single"] = "double"


TFLITE_BUILTIN = OperatorProfile("TFLite 2.15.1, built-in kernels", "TFLite 2.15.1")
TFLITE_REFERENCE = replace(TFLITE_BUILTIN, name="TFLite 2.15.1, reference kernels")
TFLITE_DEFAULT = replace(TFLITE_BUILTIN, name="TFLite 2.15.1 with XNNPACK")
LITERT = replace(TFLITE_DEFAULT, name="LiteRT 2.3.0", lstm="LiteRT 2.3.0")
TFLM = OperatorProfile("TensorFlow Lite Micro", "TensorFlow Lite Micro")

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
