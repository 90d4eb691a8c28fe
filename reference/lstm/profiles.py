"""Describe as data how each runtime's integer LSTM computes.

Two profiles differ only in the named fields below, so every difference between two runtimes
is one of these names. Sources: tensorflow/lite/kernels/lstm.cc and lstm_eval.cc
LstmStepInteger8x8_16 with portable_tensor_utils.cc (2.15.1); for TensorFlow Lite Micro
micro/kernels/lstm_eval.h, lstm_eval.cc and lstm_eval_common.cc.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Profile:
    """One runtime's arithmetic.

    scale_product: the precision of input scale x kernel scale before it becomes a multiplier.
    recurrent_product: saturated to int16 before it is added to the input product, or not.
    gate_activation: how the gates' sigmoid and tanh are computed.
    cell_activation: how tanh(cell state) is computed. gemmlowp knows cell scales from 2**-15 to
        2**-9; under 2**-15 TFLite writes nothing and reads the buffer's old content, the input
        gate.
    cell_update: f*c and i*g rescaled by one rounding shift (the result wraps at 16 bits) or by a
        quantised multiplier (the result saturates).
    hidden_quantisation: whose scale and zero point the hidden state is written with: the
        output-state tensor's or those of intermediate tensor 4.
    hidden_multiplier: the precision of the hidden state's multiplier before quantisation.
    vanishing_cell_clip: a clip that rounds to 0 steps is ignored, or forces the cell to 0.
    """

    name: str
    scale_product: Literal["float32", "float64"]
    recurrent_product: Literal["saturated", "unsaturated"]
    gate_activation: Literal["gemmlowp", "table"]
    cell_activation: Literal["gemmlowp", "table"]
    cell_update: Literal["shift", "multiplier"]
    hidden_quantisation: Literal["output_state", "intermediate"]
    hidden_multiplier: Literal["float32", "float64"]
    vanishing_cell_clip: Literal["ignored", "applied"]


TFLITE_2_15 = Profile(
    name="TFLite 2.15.1",
    scale_product="float32",
    recurrent_product="unsaturated",
    gate_activation="gemmlowp",
    cell_activation="gemmlowp",
    cell_update="shift",
    hidden_quantisation="intermediate",
    hidden_multiplier="float32",
    vanishing_cell_clip="ignored",
)

#: Measured: the integer LSTM of ai-edge-litert 2.3.0 is that of TensorFlow 2.15.1 in every factor.
LITERT_2_3 = replace(TFLITE_2_15, name="LiteRT 2.3.0")

TFLM = Profile(
    name="TensorFlow Lite Micro",
    scale_product="float64",
    recurrent_product="saturated",
    gate_activation="table",
    cell_activation="table",
    cell_update="multiplier",
    hidden_quantisation="output_state",
    hidden_multiplier="float64",
    vanishing_cell_clip="applied",
)

PROFILES = {profile.name: profile for profile in (TFLITE_2_15, LITERT_2_3, TFLM)}

FACTORS = tuple(field.name for field in fields(Profile) if field.name != "name")


def factors(a: Profile, b: Profile) -> tuple[str, ...]:
    """Names of the fields in which two profiles differ, in the order of computation."""
    return tuple(name for name in FACTORS if getattr(a, name) != getattr(b, name))


def with_factor(base: Profile, factor: str, other: Profile) -> Profile:
    """base with one field taken from other. Raises KeyError for an unknown factor."""
    if factor not in FACTORS:
        raise KeyError(factor)
    value: Any = getattr(other, factor)
    return replace(base, name=f"{base.name} with {factor}={value}", **{factor: value})
