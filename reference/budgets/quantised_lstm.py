"""Compute what quantisation alone costs: the ideal fake-quantised run at recorded scales.

The LSTM runs in float64 on the dequantised weights and inputs, and after each step hidden and
cell state are moved to the nearest value their tensors can hold (fake quantisation: Jacob et al.,
CVPR 2018, section 3). Its distance from the float model is unavoidable at these scales; an
integer kernel's distance from it is fixed-point noise, or a fault.

TFLM also saturates the recurrent product alone (profiles.Profile.recurrent_product), which the
ideal run does not: models that reach it, far outside any calibration, are for the exact oracle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import limits
from reference.budgets.float_lstm import STUDENT_T, Budget, Grid, Noise, noisy_runs
from reference.lstm.float64 import LstmOptions, LstmRun, LstmState
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.weights import Gates, LstmWeights

EXACT = Noise(argument_limit=8.0)
"""No noise, but the range of Q3.12, in which both runtimes hold the gates' arguments."""

KERNEL = Noise(argument=1.5 * 2.0**-12, activation_absolute=13 * 2.0**-15, argument_limit=8.0)
"""Fixed-point noise of the integer kernels: two half steps of Q3.12 and the multipliers' error
in a gate's argument; gemmlowp's tanh and logistic, 12.1 steps of Q0.15 at most over all inputs
and formats (measured exhaustively; the interpolated table has 2.1)."""


def dequantised_weights(model: IntegerLstm) -> LstmWeights:
    """The real weights an integer model stands for, float64."""

    def real(gates: Gates, scales: GateScales, factor: float = 1.0) -> Gates:
        values = [
            None if gate is None or scale is None else gate.astype(np.float64) * scale * factor
            for gate, scale in zip(gates, scales, strict=True)
        ]
        return Gates(*values)  # type: ignore[arg-type]

    bias_scale = model.projection_scale * model.hidden_scale
    return LstmWeights(
        real(model.input_kernel, model.input_kernel_scale),
        real(model.recurrent_kernel, model.recurrent_kernel_scale),
        real(model.bias, model.input_kernel_scale, model.input_scale),
        None
        if model.peephole is None or model.peephole_scale is None
        else real(model.peephole, model.peephole_scale),
        None if model.projection is None else model.projection * model.projection_scale,
        None if model.projection_bias is None else model.projection_bias * bias_scale,
    )


def ideal_run(model: IntegerLstm, x: NDArray[Any], initial: LstmState | None = None) -> LstmRun:
    """The ideal quantised LSTM. x: real inputs, or quantised ones in the model's activation
    dtype; initial, outputs and states are real (float64)."""
    outputs, cells = _runs(model, x, initial, EXACT, samples=1)
    return _as_run(model, outputs[0], cells[0])


def kernel_budget(
    model: IntegerLstm, x: NDArray[Any], initial: LstmState | None = None, seed: int = 0
) -> tuple[LstmRun, Budget]:
    """The ideal run, and how far from it a correct integer kernel may lie, in real units.

    One step of the output is always allowed: noise can tip any rounding. Where the hidden state's
    own feedback amplifies one step to many (recurrent kernels far beyond trained ones), rare tips
    escape the samples, and the bound is too small: there only the exact oracle decides.
    """
    outputs, cells = _runs(model, x, initial, KERNEL, seed=seed)
    ideal = ideal_run(model, x, initial)
    ideal_outputs = ideal.outputs.swapaxes(0, 1) if model.time_major else ideal.outputs

    def interval(deviations: NDArray[Any], step: float) -> NDArray[np.float64]:
        spread = np.sqrt(np.square(deviations).mean(axis=0))
        return np.asarray(STUDENT_T * spread + 1.0001 * step, np.float64)

    bound = interval(outputs - ideal_outputs, model.output_state_scale)
    return ideal, Budget(
        bound.swapaxes(0, 1) if model.time_major else bound,
        bound[:, -1],
        interval(cells - ideal.state.cell, model.cell_scale),
    )


def _runs(
    model: IntegerLstm, x: NDArray[Any], initial: LstmState | None, noise: Noise, **more: Any
) -> tuple[NDArray[Any], NDArray[Any]]:
    real = x
    if np.issubdtype(x.dtype, np.integer):
        real = (x.astype(np.float64) - model.input_zero_point) * model.input_scale
    low, high = limits(model.activation_dtype)
    zero_point = model.output_state_zero_point
    options = LstmOptions(
        cell_clip=np.floor(model.cell_clip / model.cell_scale) * model.cell_scale,
        projection_clip=model.projection_clip,
        time_major=model.time_major,
    )
    return noisy_runs(
        dequantised_weights(model),
        real,
        options,
        initial,
        noise,
        Grid(model.output_state_scale, low - zero_point, high - zero_point),
        Grid(model.cell_scale, -(2**15), 2**15 - 1),
        **more,
    )


def _as_run(model: IntegerLstm, outputs: NDArray[Any], cells: NDArray[Any]) -> LstmRun:
    ordered = outputs.swapaxes(0, 1) if model.time_major else outputs
    return LstmRun(ordered, LstmState(outputs[:, -1], cells), ())
