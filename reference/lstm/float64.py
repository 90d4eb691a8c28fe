"""Compute the LSTM in floating point, with every option of the TensorFlow Lite operator.

Equations: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; peepholes
and projection of Sak et al. 2014 ("Long Short-Term Memory Recurrent Neural Network
Architectures for Large Scale Acoustic Modeling"); coupled input and forget gate (CIFG) of
Greff et al. 2017; layer normalisation of Ba et al. 2016, placed and guarded as in
tensorflow/lite/kernels/lstm_eval.cc LstmStepWithAuxInput (2.15.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.lstm.weights import Gates, LstmWeights

Array = NDArray[np.floating[Any]]
Activation = Literal["tanh", "relu", "relu6", "sigmoid", "none"]

LAYER_NORM_GUARD = 1e-8
"""Added to the variance (MeanStddevNormalization, 2.15.1)."""


@dataclass(frozen=True)
class LstmOptions:
    """Options that are not weights.

    cell_clip, projection_clip: clamp to plus or minus this; 0 means none.
    activation: of the candidate and of the cell state on its way out.
    time_major: sequences are [time, batch, features], else [batch, time, features].
    go_backwards: steps run from the last to the first; outputs stay at their own step's place.
    stale_output: TFLite 2.15.1's fault with activation "none": ApplyActivationToVector writes
        nothing, so the output gate multiplies the candidate left in the buffer, not the cell
        state. Without effect for other activations.
    """

    cell_clip: float = 0.0
    projection_clip: float = 0.0
    activation: Activation = "tanh"
    time_major: bool = False
    go_backwards: bool = False
    stale_output: bool = False


PLAIN = LstmOptions()


class LstmState(NamedTuple):
    """hidden: [batch, outputs], cell: [batch, units]."""

    hidden: NDArray[Any]
    cell: NDArray[Any]


class LstmStep(NamedTuple):
    """Everything one step computed; arrays are [batch, units] but hidden [batch, outputs]."""

    i: NDArray[Any]
    f: NDArray[Any]
    candidate: NDArray[Any]
    o: NDArray[Any]
    cell: NDArray[Any]
    hidden: NDArray[Any]


class LstmRun(NamedTuple):
    """outputs: [batch, time, outputs] or time-major; state: after the last step;
    steps: one entry for each step in the order of computation, empty unless asked for."""

    outputs: NDArray[Any]
    state: LstmState
    steps: tuple[LstmStep, ...]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that no exponential overflows."""
    tail = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + tail), tail / (1 + tail))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": _relu,
    "relu6": _relu6,
    "sigmoid": sigmoid,
    "none": np.positive,
}


def lstm(
    weights: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions = PLAIN,
    initial: LstmState | None = None,
    dtype: Any = np.float64,
    keep_steps: bool = False,
) -> LstmRun:
    """Run the LSTM over whole sequences.

    x: [batch, time, features], or [time, batch, features] when time-major.
    initial: zeros when None. dtype: of all arithmetic. Raises ValueError for a wrong shape.
    """
    if x.ndim != 3 or x.shape[2] != weights.features:
        raise ValueError(f"expected 3 axes and {weights.features} features, got {x.shape}")
    steps_first = np.asarray(x if options.time_major else x.swapaxes(0, 1), dtype)
    time, batch, _ = steps_first.shape
    state = initial or LstmState(
        np.zeros((batch, weights.outputs)), np.zeros((batch, weights.units))
    )
    hidden, cell = np.asarray(state.hidden, dtype), np.asarray(state.cell, dtype)
    if hidden.shape != (batch, weights.outputs) or cell.shape != (batch, weights.units):
        raise ValueError(f"initial state has shapes {hidden.shape} and {cell.shape}")
    typed = _as_type(weights, dtype)
    outputs = np.empty((time, batch, weights.outputs), dtype)
    steps = []
    for t in reversed(range(time)) if options.go_backwards else range(time):
        step = lstm_step(typed, steps_first[t], hidden, cell, options)
        outputs[t] = hidden = step.hidden
        cell = step.cell
        if keep_steps:
            steps.append(step)
    ordered = outputs if options.time_major else outputs.swapaxes(0, 1)
    return LstmRun(ordered, LstmState(hidden, cell), tuple(steps))


def lstm_step(
    weights: LstmWeights, x: Array, hidden: Array, cell: Array, options: LstmOptions
) -> LstmStep:
    """One step: x [batch, features], hidden [batch, outputs], cell [batch, units]."""
    activation = ACTIVATIONS[options.activation]
    f = sigmoid(_gate(weights, "f", x, hidden, cell))
    i = 1 - f if weights.cifg else sigmoid(_gate(weights, "i", x, hidden, cell))
    candidate = activation(_gate(weights, "c", x, hidden, None))
    cell = clip(f * cell + i * candidate, options.cell_clip)
    o = sigmoid(_gate(weights, "o", x, hidden, cell))
    stale = options.stale_output and options.activation == "none"
    squashed = candidate if stale else activation(cell)
    return LstmStep(i, f, candidate, o, cell, _project(weights, o * squashed, options))


def _gate(weights: LstmWeights, gate: str, x: Array, hidden: Array, cell: Array | None) -> Array:
    """A gate's argument W x + R h (+ p * c) + b; normalised before the bias if asked for."""
    kernel, recurrent = getattr(weights.input_kernel, gate), getattr(weights.recurrent_kernel, gate)
    total: Array = x @ kernel.T + hidden @ recurrent.T
    if weights.peephole is not None and cell is not None:
        total = total + getattr(weights.peephole, gate) * cell
    if weights.layer_norm is not None:
        total = layer_norm(total) * getattr(weights.layer_norm, gate)
    return np.asarray(total + getattr(weights.bias, gate))


def layer_norm(x: Array) -> Array:
    """Zero mean and unit variance along the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + LAYER_NORM_GUARD).astype(x.dtype))


def _project(weights: LstmWeights, hidden: Array, options: LstmOptions) -> Array:
    if weights.projection is None:
        return hidden
    projected: Array = hidden @ weights.projection.T
    if weights.projection_bias is not None:
        projected = projected + weights.projection_bias
    return clip(projected, options.projection_clip)


def clip(x: Array, limit: float) -> Array:
    """x clamped to plus or minus limit; unchanged when limit is 0."""
    return np.clip(x, -limit, limit) if limit > 0 else x


def bidirectional(
    forward: LstmWeights,
    backward: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions = PLAIN,
    merge: Literal["concat", "sum"] | None = "concat",
    dtype: Any = np.float64,
) -> tuple[NDArray[Any], ...]:
    """Two LSTMs over the same sequence, the second backwards; its outputs stay in input order.

    Returns one merged array, or with merge None the forward and the backward outputs.
    """
    ahead = lstm(forward, x, options, dtype=dtype).outputs
    back_options = LstmOptions(**{**vars(options), "go_backwards": not options.go_backwards})
    back = lstm(backward, x, back_options, dtype=dtype).outputs
    if merge is None:
        return ahead, back
    return (np.concatenate([ahead, back], axis=-1) if merge == "concat" else ahead + back,)


def _as_type(weights: LstmWeights, dtype: Any) -> LstmWeights:
    def convert(part: Any) -> Any:
        if part is None:
            return None
        return part.as_type(dtype) if isinstance(part, Gates) else np.asarray(part, dtype)

    return LstmWeights(**{name: convert(part) for name, part in vars(weights).items()})
