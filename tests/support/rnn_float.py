"""Compute GRU and SimpleRNN in floating point, as Keras 2.15 does.

GRU: Cho et al. 2014; reset_after=False multiplies the hidden state by the reset gate before
the recurrent product (the paper), reset_after=True after it (Keras's default and cuDNN's).
Gate order z (update), r (reset), h (candidate): keras/layers/rnn/gru.py 2.15.
Layouts are Keras's: kernel [features, gates * units].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.lstm.float64 import ACTIVATIONS, Activation, Array, sigmoid


class RnnRun(NamedTuple):
    """outputs: [batch, time, units] in the order of computation; hidden: [batch, units]."""

    outputs: Array
    hidden: Array


def gru(
    kernel: NDArray[Any],
    recurrent_kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    x: NDArray[Any],
    reset_after: bool = True,
    initial: NDArray[Any] | None = None,
    go_backwards: bool = False,
    dtype: Any = np.float64,
) -> RnnRun:
    """Run a GRU over x [batch, time, features].

    bias: [2, 3 units] when reset_after (input row, recurrent row), else [3 units]; None is zero.
    As in Keras, go_backwards leaves the outputs in the order of computation.
    """
    units = recurrent_kernel.shape[0]
    rows = np.zeros((2, 3 * units))
    if bias is not None:
        rows[: 2 if reset_after else 1] = bias
    input_bias, recurrent_bias = rows.astype(dtype)
    w, r = np.asarray(kernel, dtype), np.asarray(recurrent_kernel, dtype)
    h = _initial(initial, len(x), units, dtype)
    outputs = []
    for x_t in _steps(x, go_backwards, dtype):
        from_input = np.split(x_t @ w + input_bias, 3, axis=1)
        gates = h @ r[:, : 2 * units] + recurrent_bias[: 2 * units]
        z = sigmoid(from_input[0] + gates[:, :units])
        reset = sigmoid(from_input[1] + gates[:, units:])
        r_h, b_h = r[:, 2 * units :], recurrent_bias[2 * units :]
        recurrent = reset * (h @ r_h + b_h) if reset_after else (reset * h) @ r_h
        h = z * h + (1 - z) * np.tanh(from_input[2] + recurrent)
        outputs.append(h)
    return RnnRun(np.stack(outputs, axis=1), h)


def simple_rnn(
    kernel: NDArray[Any],
    recurrent_kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    x: NDArray[Any],
    activation: Activation = "tanh",
    initial: NDArray[Any] | None = None,
    go_backwards: bool = False,
    dtype: Any = np.float64,
) -> RnnRun:
    """Run h = activation(W x + R h + b) over x [batch, time, features]; bias [units] or None."""
    w, r = np.asarray(kernel, dtype), np.asarray(recurrent_kernel, dtype)
    b = np.zeros(len(r), dtype) if bias is None else np.asarray(bias, dtype)
    h = _initial(initial, len(x), len(r), dtype)
    outputs = []
    for x_t in _steps(x, go_backwards, dtype):
        h = ACTIVATIONS[activation](x_t @ w + h @ r + b)
        outputs.append(h)
    return RnnRun(np.stack(outputs, axis=1), h)


def _initial(initial: NDArray[Any] | None, batch: int, units: int, dtype: Any) -> Array:
    return np.zeros((batch, units), dtype) if initial is None else np.asarray(initial, dtype)


def _steps(x: NDArray[Any], go_backwards: bool, dtype: Any) -> Array:
    steps = np.asarray(x, dtype).swapaxes(0, 1)
    return steps[::-1] if go_backwards else steps
