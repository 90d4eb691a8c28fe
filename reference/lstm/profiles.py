"""Describe as data how each runtime's integer LSTM computes.

Two profiles differ only in the named fields below, so every difference between two runtimes
is one of these names. Sources: tensorflow/lite/kernels/lstm.cc and lstm_eval.cc
LstmStepInteger8x8_16 with portable_tensor_utils.cc (2.15.1); for TensorFlow Lite Micro
micro/kernels/lstm_eval.h, lstm_eval.cc and lstm_eval_common.cc. The kernels of devices are in
reference.lstm.device_kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Profile:
    """One runtime's arithmetic, its fields in the order of computation.

    scale_product: the precision of input scale x kernel scale before it becomes a multiplier.
    accumulator: of int16 activations: 64 bits, or "helium": the bias and the first 512 columns in
        32 bits, which wrap, and only the rest in 64.
    half_bit: whether the gates' rescaling of a 64-bit accumulator adds its rounding half in 64
        bits, or after the value was cut to 32.
    rounding: of 32-bit rescaling: twice (the default of all builds) or once.
    first_recurrent: whether the first step of an invoke without a state computes the recurrent
        product of a hidden state at its zero point, which is 0, or leaves it out.
    recurrent_product: saturated to int16 before it is added to the input product, or not.
    gate_activation: how the gates' sigmoid and tanh are computed.
    other_activation: what a fused activation other than tanh does to the candidate: tanh all the
        same, sigmoid, or nothing, so that the argument in Q3.12 is read as the candidate in Q0.15.
    cell_update: f*c and i*g rescaled by one rounding shift (cut to int16, it wraps) or by a
        quantised multiplier (cut to int16, it saturates).
    input_times_candidate: i*g cut to int16 before it is added to f*c, or added in 32 bits.
    cell_clip: applied, or not known to the kernel.
    clip_quotient: the precision of clip / cell scale.
    vanishing_cell_clip: a clip that rounds to 0 steps is ignored, or forces the cell to 0.
    cell_shift: how tanh takes a cell scale under 2**-12: by a shift of its argument, or by a shift
        of the stored cell state itself, which then forgets.
    cell_activation: how tanh(cell state) is computed. gemmlowp knows cell scales from 2**-15 to
        2**-9; under 2**-15 TFLite writes nothing and reads the buffer's old content, the input
        gate.
    hidden_quantisation: whose scale and zero point the hidden state is written with: the
        output-state tensor's or those of intermediate tensor 4.
    hidden_multiplier: the precision of the hidden state's multiplier before quantisation.
    state: what is left of hidden and cell state at the next invoke: all, or nothing.
    """

    name: str
    scale_product: Literal["float32", "float64"]
    accumulator: Literal["int64", "helium"]
    half_bit: Literal["int64", "int32"]
    rounding: Literal["double", "single"]
    first_recurrent: Literal["computed", "left_out"]
    recurrent_product: Literal["saturated", "unsaturated"]
    gate_activation: Literal["gemmlowp", "table"]
    other_activation: Literal["tanh", "sigmoid", "argument"]
    cell_update: Literal["shift", "multiplier"]
    input_times_candidate: Literal["int16", "int32"]
    cell_clip: Literal["applied", "ignored"]
    clip_quotient: Literal["float32", "float64"]
    vanishing_cell_clip: Literal["ignored", "applied"]
    cell_shift: Literal["of_argument", "in_place"]
    cell_activation: Literal["gemmlowp", "table"]
    hidden_quantisation: Literal["output_state", "intermediate"]
    hidden_multiplier: Literal["float32", "float64"]
    state: Literal["carried", "cleared"]


TFLITE_2_15 = Profile(
    name="TFLite 2.15.1",
    scale_product="float32",
    accumulator="int64",
    half_bit="int64",
    rounding="double",
    first_recurrent="computed",
    recurrent_product="unsaturated",
    gate_activation="gemmlowp",
    other_activation="tanh",
    cell_update="shift",
    input_times_candidate="int16",
    cell_clip="applied",
    clip_quotient="float32",
    vanishing_cell_clip="ignored",
    cell_shift="of_argument",
    cell_activation="gemmlowp",
    hidden_quantisation="intermediate",
    hidden_multiplier="float32",
    state="carried",
)

#: Measured: the integer LSTM of ai-edge-litert 2.3.0 is that of TensorFlow 2.15.1 in every factor.
LITERT_2_3 = replace(TFLITE_2_15, name="LiteRT 2.3.0")

TFLM = Profile(
    name="TensorFlow Lite Micro",
    scale_product="float64",
    accumulator="int64",
    half_bit="int64",
    rounding="double",
    first_recurrent="computed",
    recurrent_product="saturated",
    gate_activation="table",
    other_activation="argument",
    cell_update="multiplier",
    input_times_candidate="int16",
    cell_clip="applied",
    clip_quotient="float64",
    vanishing_cell_clip="applied",
    cell_shift="of_argument",
    cell_activation="table",
    hidden_quantisation="output_state",
    hidden_multiplier="float64",
    state="carried",
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
