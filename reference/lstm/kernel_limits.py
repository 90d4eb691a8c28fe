"""Measure how near a model comes to where device kernels part from the reference kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.integer import HELIUM_COLUMNS
from reference.lstm.integer_preparation import truncated_steps
from reference.lstm.integer_weights import IntegerLstm

#: The largest gate argument in Q3.12, in real units.
GATE_LIMIT = 8.0


def largest_recurrent_share(model: IntegerLstm, outputs: NDArray[Any]) -> float:
    """The largest |W_h h| of any gate, in real units, h being a hidden state of outputs [N, units].

    Beyond `GATE_LIMIT` it matters whether the kernel saturates it before the sum.
    """
    hidden = outputs.reshape(-1, model.outputs).astype(np.float64) - model.output_state_zero_point
    largest = 0.0
    for kernel, scale in zip(model.recurrent_kernel, model.recurrent_kernel_scale, strict=True):
        if kernel is not None and scale is not None:
            sums = np.abs(hidden @ kernel.astype(np.float64).T).max(initial=0.0)
            largest = max(largest, float(sums) * scale * model.output_state_scale)
    return largest


def wrapped_share(model: IntegerLstm, x: NDArray[Any]) -> float:
    """The share of the input accumulators, int16 activations, that do not fit the 32 bits in which
    a Helium kernel adds the bias and the first 512 columns. x: [..., features] as stored."""
    rows = x.reshape(-1, model.features).astype(np.float64)
    wrapped = values = 0
    for kernel, bias in zip(model.input_kernel, model.bias, strict=True):
        if kernel is None or bias is None:
            continue
        wide = kernel.astype(np.float64)
        effective = bias - model.input_zero_point * wide.sum(axis=1)
        first = rows[:, :HELIUM_COLUMNS] @ wide[:, :HELIUM_COLUMNS].T + effective
        wrapped += int(((first < -(2.0**31)) | (first >= 2.0**31)).sum())
        values += first.size
    return wrapped / values if values else 0.0


def clip_vanishes(model: IntegerLstm) -> bool:
    """Whether there is a clip, and it is less than one step of the cell state."""
    if model.cell_clip <= 0:
        return False
    return truncated_steps(model.cell_clip, model.cell_scale, 2**15 - 1, np.float64) == 0
