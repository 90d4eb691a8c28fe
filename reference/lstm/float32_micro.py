"""Compute TensorFlow Lite Micro's float32 LSTM to the bit.

Source: micro/kernels/lstm_eval.h (CalculateLstmGate, UpdateLstmCell, UpdateLstmHidden) over
reference/fully_connected.h, reference/logistic.h and reference/tanh.h. Products are summed one
after another in float32, then the bias is added; the input's and the hidden state's shares are
added last. exp and tanh are those of the C library, reached through ctypes, because NumPy's own
float32 versions differ from it in the last bit. Plain LSTM only: TFLM refuses every other.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.float64 import LstmOptions, LstmRun, LstmState
from reference.lstm.weights import LstmWeights

Float32 = NDArray[np.float32]

SIGMOID_ONE_ABOVE = np.float32(16.619047164916992)
SIGMOID_EXP_BELOW = np.float32(-9.0)
PLAIN = LstmOptions()


def lstm_float32(
    weights: LstmWeights,
    x: Float32,
    options: LstmOptions = PLAIN,
    initial: LstmState | None = None,
) -> LstmRun:
    """Run the kernel over whole sequences: x [batch, time, features] or time-major.

    An activation other than tanh leaves the candidate as it is, and the cell state still goes
    through tanh: the kernel knows no other (micro/kernels/lstm_eval.h). Raises ValueError for
    peephole,
    CIFG, projection, layer normalisation or a backward run, which TFLM does not have.
    """
    extras = (weights.peephole, weights.projection, weights.layer_norm)
    if weights.cifg or options.go_backwards or any(extra is not None for extra in extras):
        raise ValueError("TensorFlow Lite Micro has the plain LSTM only")
    steps = np.asarray(x if options.time_major else x.swapaxes(0, 1), np.float32)
    time, batch, _ = steps.shape
    shape = (batch, weights.units)
    state = initial or LstmState(np.zeros(shape), np.zeros(shape))
    hidden, cell = (np.asarray(part, np.float32) for part in state)
    outputs = np.empty((time, *shape), np.float32)
    for t in range(time):
        i, f, candidate, o = _gates(weights, steps[t], hidden)
        if options.activation == "tanh":
            candidate = c_library("tanhf")(candidate)
        cell = sigmoid(f) * cell + sigmoid(i) * candidate
        if options.cell_clip > 0:
            cell = np.clip(cell, -np.float32(options.cell_clip), np.float32(options.cell_clip))
        outputs[t] = hidden = c_library("tanhf")(cell) * sigmoid(o)
    ordered = outputs if options.time_major else outputs.swapaxes(0, 1)
    return LstmRun(ordered, LstmState(hidden, cell), ())


def _gates(weights: LstmWeights, x: Float32, hidden: Float32) -> list[Float32]:
    """The arguments of i, f, c and o, [batch, units] each."""
    parts = (weights.input_kernel, weights.recurrent_kernel, weights.bias)
    return [
        (sequential_product(x, kernel) + np.asarray(bias, np.float32))
        + sequential_product(hidden, recurrent)
        for kernel, recurrent, bias in zip(*(part.present() for part in parts), strict=True)
    ]


def sequential_product(x: Float32, kernel: NDArray[Any]) -> Float32:
    """x [batch, n] times kernel [units, n] transposed, summed in float32 in the order of n."""
    total = np.zeros((x.shape[0], kernel.shape[0]), np.float32)
    columns = np.asarray(kernel, np.float32).T
    for k in range(x.shape[1]):
        total += x[:, k : k + 1] * columns[k]
    return total


def sigmoid(x: Float32) -> Float32:
    """1 / (1 + exp(-x)), with exp(x) below -9 and 1 above 16.619 (reference/logistic.h)."""
    exp = c_library("expf")
    one = np.float32(1)
    middle = one / (one + exp(-x))
    lower = np.where(x < SIGMOID_EXP_BELOW, exp(x), middle)
    return np.where(x > SIGMOID_ONE_ABOVE, one, lower).astype(np.float32)


@cache
def c_library(name: str) -> Callable[[Float32], Float32]:
    """The C library's float function of that name (expf, tanhf), element by element."""
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    elementwise = np.frompyfunc(function, 1, 1)

    def apply(x: Float32) -> Float32:
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(elementwise(x), np.float32)

    return apply
