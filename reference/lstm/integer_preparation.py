"""Compute what the integer kernels compute once: multipliers, tables, limits.

Sources: lstm.cc PopulateQuantizedLstmParams8x8_16 (TFLite 2.15.1) and lstm_eval_common.cc
(TensorFlow Lite Micro, and CMSIS-NN behind it); reference.lstm.profiles names each difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.activations import (
    GEMMLOWP_TANH_BITS,
    Int16,
    Int64,
    gemmlowp_logistic,
    gemmlowp_tanh,
    table_logistic,
    table_tanh,
    table_tanh_scaling,
    tabulated,
)
from reference.arithmetic.fixed_point import Multiplier, quantised_multiplier, stacked_multipliers
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.profiles import Profile
from reference.lstm.weights import Gates

GATE_SCALE = 2.0**-12
"""Scale of a gate's argument, Q3.12."""


class Prepared(NamedTuple):
    """What the kernels compute once, before the first step. Gates are stacked in the order
    i, f, c, o, without i when it is coupled."""

    input_kernel: NDArray[np.float64]
    recurrent_kernel: NDArray[np.float64]
    bias: Int64
    input_multiplier: Multiplier
    recurrent_multiplier: Multiplier
    hidden_multiplier: Multiplier
    peephole: tuple[tuple[Int64, Multiplier] | None, ...]
    sigmoid: Int64
    candidate: Int64
    cell_tanh: Int64 | None
    cell_shift: int
    cell_clip: int | None


def prepare(model: IntegerLstm, profile: Profile) -> Prepared:
    if profile.cell_update == "shift" and model.cell_scale_log2 > -9:
        raise ValueError(f"{profile.name} refuses cell scale {model.cell_scale}, above 2**-9")
    if profile.cell_shift == "in_place" and not _is_power_of_two(model.cell_scale):
        raise ValueError(f"{profile.name} refuses cell scale {model.cell_scale}, no power of two")
    log2 = model.cell_scale_log2
    if profile.cell_activation == "table":
        shifted = max(log2, -12) if profile.cell_shift == "in_place" else log2
        cell_tanh: Int64 | None = tabulated(table_tanh, *table_tanh_scaling(shifted))
    else:
        cell_tanh = None if tanh_is_skipped(model, profile) else tabulated(gemmlowp_tanh, 15 + log2)
    table = profile.gate_activation == "table"
    bias = np.stack([np.asarray(b, np.int64) for b in model.bias.present()])
    return Prepared(
        input_kernel=_stack(model.input_kernel),
        recurrent_kernel=_stack(model.recurrent_kernel),
        bias=bias[:, None, :],
        input_multiplier=_gate_multipliers(model.input_kernel_scale, model.input_scale, profile),
        recurrent_multiplier=_gate_multipliers(
            model.recurrent_kernel_scale, model.output_state_scale, profile
        ),
        hidden_multiplier=_hidden_multiplier(model, profile),
        peephole=_prepare_peephole(model),
        sigmoid=tabulated(table_logistic) if table else tabulated(gemmlowp_logistic),
        candidate=_candidate(model, profile),
        cell_tanh=cell_tanh,
        cell_shift=max(-12 - log2, 0) if profile.cell_shift == "in_place" else 0,
        cell_clip=_cell_clip(model, profile),
    )


def _is_power_of_two(scale: float) -> bool:
    """As TensorFlow Lite's CheckedLog2 has it."""
    log2 = float(np.log2(scale))
    return abs(log2 - round(log2)) < 1e-3


def _candidate(model: IntegerLstm, profile: Profile) -> Int64:
    """The candidate for every argument, by the table's index: its fused activation."""
    table = profile.gate_activation == "table"
    if model.activation == "tanh" or profile.other_activation == "tanh":
        return tabulated(table_tanh, 3, 0) if table else tabulated(gemmlowp_tanh, 3)
    if profile.other_activation == "sigmoid":
        return tabulated(table_logistic) if table else tabulated(gemmlowp_logistic)
    return tabulated(_argument)


def _argument(x: Int16) -> Int16:
    return x


def tanh_is_skipped(model: IntegerLstm, profile: Profile) -> bool:
    """True where the runtime silently leaves tanh(cell) out: TFLite under a cell scale of 2**-15.

    lstm_integer reproduces what then happens: the hidden state is o * i instead of o * tanh(c).
    """
    bits = 15 + model.cell_scale_log2
    return profile.cell_activation == "gemmlowp" and bits not in GEMMLOWP_TANH_BITS


def _stack(gates: Gates) -> NDArray[np.float64]:
    """[gates, columns, units], ready to be multiplied from the left."""
    stacked = np.stack([gate.astype(np.float64).T for gate in gates.present()])
    return np.ascontiguousarray(stacked)


def _gate_multipliers(scales: GateScales, operand_scale: float, profile: Profile) -> Multiplier:
    reals = []
    for scale in scales:
        if scale is None:
            continue
        product = float(np.float32(scale)) * float(np.float32(operand_scale))
        if profile.scale_product == "float32":
            product = float(np.float32(product))
        reals.append(product / GATE_SCALE)
    return stacked_multipliers(reals, ndim=3)


def hidden_quantisation(model: IntegerLstm, profile: Profile) -> tuple[float, int]:
    """Scale and zero point the hidden state is written with.

    Under a projection TFLite 2.15.1 applies the zero point with the wrong sign, both when it
    writes the hidden state and when it reads it back. The two cancel until the hidden state
    saturates, which then happens at the mirrored bounds (observed; seen in no source).
    """
    if profile.hidden_quantisation == "intermediate":
        sign = 1 if model.projection is None else -1
        return model.hidden_scale, sign * model.hidden_zero_point
    return model.output_state_scale, model.output_state_zero_point


def _hidden_multiplier(model: IntegerLstm, profile: Profile) -> Multiplier:
    scale, _ = hidden_quantisation(model, profile)
    real = 2.0**-30 / float(np.float32(scale))
    return quantised_multiplier(
        float(np.float32(real)) if profile.hidden_multiplier == "float32" else real
    )


def _prepare_peephole(model: IntegerLstm) -> tuple[tuple[Int64, Multiplier] | None, ...]:
    if model.peephole is None or model.peephole_scale is None:
        return (None, None, None, None)
    result: list[tuple[Int64, Multiplier] | None] = []
    for weight, scale in zip(model.peephole, model.peephole_scale, strict=True):
        if weight is None or scale is None:
            result.append(None)
            continue
        real = float(np.float32(2.0**model.cell_scale_log2 * float(np.float32(scale)) / GATE_SCALE))
        result.append((weight.astype(np.int64), quantised_multiplier(real)))
    return tuple(result)


def _cell_clip(model: IntegerLstm, profile: Profile) -> int | None:
    """The clip in steps of the cell state, truncated; None for no clip."""
    if model.cell_clip <= 0 or profile.cell_clip == "ignored":
        return None
    precision = np.float32 if profile.clip_quotient == "float32" else np.float64
    steps = truncated_steps(model.cell_clip, model.cell_scale, 2**15 - 1, precision)
    return None if steps == 0 and profile.vanishing_cell_clip == "ignored" else steps


def truncated_steps(
    limit: float, scale: float, most: int, precision: type[np.floating[Any]] = np.float32
) -> int:
    """A clip in quantisation steps: two float32 values divided, cut off, never rounded.

    A quotient that float32 does not hold is infinite, as in C, and ends at `most`."""
    with np.errstate(over="ignore", divide="ignore"):
        quotient = precision(np.float32(limit)) / precision(np.float32(scale))
    return int(min(quotient, precision(most)))


def float32_quotient(a: float, b: float, divisor: float) -> float:
    """a * b / divisor as C computes it in float."""
    return float(np.float32(a) * np.float32(b) / np.float32(divisor))
