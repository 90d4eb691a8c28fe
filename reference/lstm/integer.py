"""Compute the integer LSTM, bit for bit, for the runtime whose profile is given.

Gate arguments are Q3.12, gates and candidate Q0.15, the cell state int16 with a power-of-two
scale. Equations and sources: see reference.lstm.profiles, whose fields name each choice; the shared
order of operations is that of lstm_eval.cc LstmStepInteger8x8_16 (TFLite 2.15.1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.activations import Int64
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    multiply_int64,
    multiply_int64_cut,
    multiply_single_rounding,
    quantised_multiplier,
    rounding_right_shift,
    saturate,
    wrap_int32,
)
from reference.lstm.float64 import LstmRun, LstmState, LstmStep
from reference.lstm.integer_preparation import (
    Prepared,
    float32_quotient,
    hidden_quantisation,
    prepare,
    tanh_is_skipped,
    truncated_steps,
)
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import Profile

__all__ = ["lstm_integer", "tanh_is_skipped"]

#: Units × batch × steps whose input is multiplied at once: many steps of a small model, whose
#: cost is that of calling NumPy, but no more than stays in a processor's cache.
_CHUNK_NUMBERS = 4096

#: Columns that a Helium kernel accumulates in 32 bits (CMSIS-NN MAX_COL_COUNT).
HELIUM_COLUMNS = 512


def lstm_integer(
    model: IntegerLstm,
    x: NDArray[Any],
    profile: Profile,
    initial: LstmState | None = None,
    keep_steps: bool = False,
) -> LstmRun:
    """Run the integer LSTM over whole sequences, exactly as the profile's runtime does.

    x: int8 (or int16) [batch, time, features], or [time, batch, features] when time-major.
    initial: quantised; default hidden = zero point of the output state, cell = 0.
    keep_steps: return what every step computed too: gates in Q0.15, the rest as stored.
    Returns outputs and final states: hidden in the activation dtype, cell int16.
    Raises ValueError for wrong shapes or dtypes, and where the runtime refuses the model.
    """
    if x.ndim != 3 or x.shape[2] != model.features or x.dtype != model.activation_dtype:
        raise ValueError(
            f"expected {model.activation_dtype} with 3 axes and {model.features} features, "
            f"got {x.dtype} {x.shape}"
        )
    prepared = prepare(model, profile)
    if profile.cell_shift == "in_place" and model.time_major and x.shape[1] > 1:
        raise ValueError(f"{profile.name} reads past its biases: time-major and batch {x.shape[1]}")
    steps = x if model.time_major else x.swapaxes(0, 1)
    time, batch, _ = steps.shape
    hidden, cell = _initial_state(model, batch, initial)
    outputs = np.empty((time, batch, model.outputs), model.activation_dtype)
    kept: list[LstmStep] = []
    chunk = max(1, _CHUNK_NUMBERS // max(1, batch * model.units))
    for start in range(0, time, chunk):
        from_input = _input_arguments(model, profile, prepared, steps[start : start + chunk])
        for t, arguments in enumerate(from_input, start):
            at_rest = t == 0 and initial is None and profile.first_recurrent == "left_out"
            step = _step(model, profile, prepared, arguments, None if at_rest else hidden, cell)
            outputs[t] = hidden = step.hidden
            cell = step.cell
            if keep_steps:
                kept.append(step)
    ordered = outputs if model.time_major else outputs.swapaxes(0, 1)
    final = LstmState(hidden.astype(model.activation_dtype), cell.astype(np.int16))
    return LstmRun(ordered, final, tuple(kept))


def _step(
    model: IntegerLstm,
    profile: Profile,
    prepared: Prepared,
    from_input: Int64,
    hidden: Int64 | None,
    cell: Int64,
) -> LstmStep:
    """One step; from_input [gates, batch, units], hidden [batch, outputs], cell [batch, units].
    hidden None: there is none, and the recurrent product is left out."""
    arguments = from_input
    if hidden is not None:
        recurrent = _recurrent_arguments(model, profile, prepared, hidden)
        if profile.recurrent_product == "saturated":
            recurrent = saturate(recurrent, "int16")
        arguments = saturate(wrap_int32(from_input + recurrent), "int16")
    *i_argument, f_argument, c_argument, o_argument = arguments

    f = _look_up(prepared.sigmoid, _peep(f_argument, prepared.peephole[1], cell))
    if i_argument:
        i = _look_up(prepared.sigmoid, _peep(i_argument[0], prepared.peephole[0], cell))
    else:
        i = 2**15 - 1 - f
    candidate = _look_up(prepared.candidate, c_argument)

    cell = _new_cell(model, profile, f * cell, i * candidate)
    if prepared.cell_clip is not None:
        cell = np.clip(cell, -prepared.cell_clip, prepared.cell_clip)
    if prepared.cell_shift:
        cell = cell >> prepared.cell_shift

    o = _look_up(prepared.sigmoid, _peep(o_argument, prepared.peephole[3], cell))
    squashed = i if prepared.cell_tanh is None else _look_up(prepared.cell_tanh, cell)
    rescaled = _multiply(profile, o * squashed, prepared.hidden_multiplier)
    _, zero_point = hidden_quantisation(model, profile)
    hidden = saturate(rescaled + zero_point, model.activation_dtype)
    hidden = hidden if model.projection is None else _project(model, profile, hidden)
    return LstmStep(i, f, candidate, o, cell, hidden)


def _input_arguments(
    model: IntegerLstm, profile: Profile, prepared: Prepared, x: NDArray[Any]
) -> Int64:
    """The input's share of every gate's argument, int16 range, [time, gates, batch, units].

    x: [time, batch, features]; no step's share depends on another step."""
    time, batch, features = x.shape
    accumulators = _accumulate(
        model,
        profile,
        x.reshape(time * batch, features).astype(np.int64),
        model.input_zero_point,
        prepared.input_kernel,
        prepared.bias,
    )
    rescaled = _rescale(model, profile, accumulators, prepared.input_multiplier)
    limited = saturate(rescaled, "int16")
    return limited.reshape(len(limited), time, batch, -1).swapaxes(0, 1)


def _recurrent_arguments(
    model: IntegerLstm, profile: Profile, prepared: Prepared, hidden: Int64
) -> Int64:
    """The hidden state's share of every gate's argument, [gates, batch, units], not saturated."""
    zero_point = model.output_state_zero_point
    accumulators = _accumulate(model, profile, hidden, zero_point, prepared.recurrent_kernel)
    return _rescale(model, profile, accumulators, prepared.recurrent_multiplier)


def _accumulate(
    model: IntegerLstm,
    profile: Profile,
    x: Int64,
    zero_point: int,
    kernel: NDArray[np.float64],
    bias: Int64 | int = 0,
) -> Int64:
    """kernel (x - zero point) + bias, [gates, rows, units]. Kernels that add a bias with the zero
    point's share in it get the same number, as far as it fits."""
    if profile.accumulator == "helium" and model.activation_dtype == "int16":
        sums = np.asarray(kernel.sum(axis=1, keepdims=True), np.int64)
        first = _matmul(x[:, :HELIUM_COLUMNS], kernel[:, :HELIUM_COLUMNS])
        rest = _matmul(x[:, HELIUM_COLUMNS:], kernel[:, HELIUM_COLUMNS:])
        return wrap_int32(first + bias - zero_point * sums) + rest
    accumulators = _matmul(x - zero_point, kernel) + bias
    return wrap_int32(accumulators) if model.activation_dtype == "int8" else accumulators


def _new_cell(model: IntegerLstm, profile: Profile, kept: Int64, added: Int64) -> Int64:
    """f*c + i*g from the two products, saturated to int16."""
    narrow = profile.input_times_candidate == "int16"
    if profile.cell_update == "shift":
        kept = rounding_right_shift(kept, 15).astype(np.int16).astype(np.int64)
        added = rounding_right_shift(added, 30 + model.cell_scale_log2)
        added = added.astype(np.int16).astype(np.int64) if narrow else added
    else:
        scale = float(np.float32(model.cell_scale))
        kept_by = quantised_multiplier(2.0**-15 * scale / scale)
        added_by = quantised_multiplier(2.0**-30 / scale)
        kept = saturate(_multiply(profile, kept, kept_by), "int16")
        added = _multiply(profile, added, added_by)
        added = saturate(added, "int16") if narrow else added
    return saturate(kept + added, "int16")


def _peep(argument: Int64, peephole: tuple[Int64, Multiplier] | None, cell: Int64) -> Int64:
    """The gate's argument with the peephole's share of the cell state, saturated."""
    if peephole is None:
        return argument
    weight, multiplier = peephole
    return saturate(argument + multiply_double_rounding(weight * cell, multiplier), "int16")


def _project(model: IntegerLstm, profile: Profile, hidden: Int64) -> Int64:
    """Projection of the hidden state (TFLite only): outputs in the output state's scale."""
    assert model.projection is not None
    scale = float32_quotient(model.projection_scale, model.hidden_scale, model.output_state_scale)
    kernel = model.projection.astype(np.float64)[None].swapaxes(1, 2)
    _, zero_point = hidden_quantisation(model, profile)
    total = _matmul(hidden - zero_point, kernel)[0]
    if model.projection_bias is not None:
        total = total + model.projection_bias
    rescaled = multiply_double_rounding(wrap_int32(total), quantised_multiplier(scale))
    projected = saturate(rescaled + model.output_state_zero_point, "int8")
    if model.projection_clip > 0:
        limit = truncated_steps(model.projection_clip, model.output_scale, 127)
        if limit > 0:
            projected = np.clip(projected, -limit, limit)
    return projected


def _initial_state(
    model: IntegerLstm, batch: int, initial: LstmState | None
) -> tuple[Int64, Int64]:
    if initial is None:
        hidden = np.full((batch, model.outputs), model.output_state_zero_point, np.int64)
        return hidden, np.zeros((batch, model.units), np.int64)
    hidden, cell = initial.hidden.astype(np.int64), initial.cell.astype(np.int64)
    if hidden.shape != (batch, model.outputs) or cell.shape != (batch, model.units):
        raise ValueError(f"initial state has shapes {hidden.shape} and {cell.shape}")
    return hidden, cell


def _matmul(x: Int64, kernel: NDArray[np.float64]) -> Int64:
    """x [rows, n] times kernel [gates, n, units], exact: every partial sum is an integer under
    2**53 (2**16 * 2**7 * n), so float64 matrix products, which are fast, lose nothing."""
    product: Int64 = np.matmul(x.astype(np.float64), kernel).astype(np.int64)
    return product


def _rescale(
    model: IntegerLstm, profile: Profile, accumulators: Int64, multiplier: Multiplier
) -> Int64:
    """Accumulators to Q3.12: 32-bit for int8 activations, 64-bit for int16. Only a bias can
    push a 32-bit accumulator over its limit, under 2**16 columns."""
    if model.activation_dtype == "int8":
        return _multiply(profile, accumulators, multiplier)
    if profile.half_bit == "int32":
        return multiply_int64_cut(accumulators, multiplier)
    return multiply_int64(accumulators, multiplier)


def _multiply(profile: Profile, x: Int64, by: Multiplier) -> Int64:
    """A 32-bit rescaling."""
    if profile.rounding == "single":
        return multiply_single_rounding(x, by)
    return multiply_double_rounding(x, by)


def _look_up(table: Int64, x: Int64) -> Int64:
    return table.take(x)
