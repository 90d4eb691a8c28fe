"""Compute the hybrid LSTM: int8 kernels, float activations that are quantised row by row.

What tensorflow/lite/kernels/lstm_eval.cc (2.15.1, LstmStepHybrid) does: the input and, at each
step, the hidden state are quantised for each row of the batch by itself (BatchQuantizeFloats in
kernels/internal/tensor_utils: symmetric with the largest magnitude at 127, or, with the option
asymmetric_quantize_inputs, over the row's range and zero with 255 steps); the products with the
int8 kernels are sums of integers, exact; they are scaled in float32 and added to the bias. All else
is the float LSTM.

Two correct kernels differ by their float32 roundings, as those of a float LSTM do, and where a
value of the hidden state lies so near the middle of two steps that these roundings decide. The
budget has both: noise after every operation, and a value within JITTER steps of a middle may go
either way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.budgets.float_lstm import FLOAT32, UNIT_ROUNDOFF, Budget, Noise, interval, noisy_runs
from reference.lstm.float64 import PLAIN, Array, LstmOptions, LstmRun, LstmState
from reference.lstm.weights import LstmWeights

SYMMETRIC_MOST, ASYMMETRIC_STEPS = 127, 255
JITTER = 4 * 8 * SYMMETRIC_MOST * UNIT_ROUNDOFF
"""In steps: four times what the 8 float32 roundings of a hidden value of full size come to. In a
sum of the noise's draws every value that can go either way then does so in a good part of them."""


def quantised_rows(
    values: Array, random: np.random.Generator | None = None, asymmetric: bool = False
) -> Array:
    """Rows [.., n] as the kernel's products see them: quantised, and back in real units."""
    real = np.asarray(values, np.float32)
    if asymmetric:
        low = np.minimum(real.min(axis=-1, keepdims=True), 0)
        high = np.maximum(real.max(axis=-1, keepdims=True), 0)
        step = (high.astype(np.float64) - low) / ASYMMETRIC_STEPS
        step = np.where(step > 0, step, 1.0)
        zero_point = _asymmetric_zero_point(low, high, step)
        # The kernel keeps scale and inverse in float32: at the ends of a range that is symmetric
        # about zero they decide a tie.
        scale = step.astype(np.float32)
        inverse = (1.0 / scale.astype(np.float64)).astype(np.float32)
        shifted = zero_point.astype(np.float32) + real * inverse
        codes = np.clip(_rounded(shifted, random), -128, 127)
        return np.asarray((codes - zero_point) * scale.astype(np.float64))
    most = np.abs(real).max(axis=-1, keepdims=True)
    factor = SYMMETRIC_MOST / np.where(most > 0, most, np.float32(1))
    codes = np.clip(_rounded(real * factor, random), -SYMMETRIC_MOST, SYMMETRIC_MOST)
    return np.asarray(codes * (most.astype(np.float64) / SYMMETRIC_MOST))


def _asymmetric_zero_point(low: Array, high: Array, step: Array) -> Array:
    """From the end that loses less, rounded and held to int8 (AsymmetricQuantizeFloats)."""
    from_low, from_high = -128 - low / step, 127 - high / step
    nearer = 128 + np.abs(low / step) < 127 + np.abs(high / step)
    return np.clip(_rounded(np.where(nearer, from_low, from_high), None), -128, 127)


def _rounded(values: Array, random: np.random.Generator | None) -> Array:
    """Half away from zero; under noise a value near a middle goes either way."""
    if random is not None:
        values = values + random.uniform(-JITTER, JITTER, values.shape)
    return np.asarray(np.copysign(np.floor(np.abs(values) + 0.5), values), np.float64)


def hybrid_budget(
    weights: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions = PLAIN,
    initial: LstmState | None = None,
    asymmetric: bool = False,
    seed: int = 0,
) -> tuple[LstmRun, Budget]:
    """What a hybrid LSTM answers, and how far a correct kernel may lie from it.

    weights: the kernels' integers times their scales. x: float32, as for
    `reference.lstm.float64.lstm`. asymmetric: the operator's option.
    """

    def rows(values: Array, random: np.random.Generator | None) -> Array:
        return quantised_rows(values, random, asymmetric)

    exact, cell = noisy_runs(weights, x, options, initial, Noise(), samples=1, rows=rows)
    outputs, cells = noisy_runs(weights, x, options, initial, FLOAT32, seed=seed, rows=rows)
    last = 0 if options.go_backwards else -1
    spread = interval(outputs - exact, exact[0])
    state = LstmState(exact[0][:, last], cell[0])
    run = LstmRun(_ordered(exact[0], options), state, ())
    return run, Budget(_ordered(spread, options), spread[:, last], interval(cells - cell, cell[0]))


def _ordered(values: Array, options: LstmOptions) -> Array:
    return values.swapaxes(0, 1) if options.time_major else values
