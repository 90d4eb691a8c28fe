"""Derive how far a correct float LSTM may lie from the oracle.

Method: Monte-Carlo arithmetic (Parker 1997, "Monte Carlo Arithmetic: exploiting randomness in
floating-point arithmetic"). The float64 LSTM runs many times, and after every operation an error
is added, uniform up to the largest that operation may make. The spread of the runs is the
model's own sensitivity: weights that contract forget the noise, weights that expand amplify it.
A worst-case running bound would grow like the product of all Jacobian norms and pass 1 after some
dozen steps of an expansive model; the spread does not, and still follows every step.

A sum of n products may err by sqrt(n) u sum |w x| in any order (Higham & Mary 2019, "A new
approach to probabilistic rounding error analysis"; the worst case would be n u). The budget is a
prediction interval: one more run from the same distribution exceeds it with probability FAILURE.
Real implementations draw from a narrower one, since sums seldom reach the bound for any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.lstm.float64 import (
    ACTIVATIONS,
    PLAIN,
    Array,
    LstmOptions,
    LstmState,
    clip,
    layer_norm,
    lstm,
    sigmoid,
)
from reference.lstm.weights import Gates, LstmWeights

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of one float32 rounding."""

SAMPLES = 32
FAILURE = 1e-9
STUDENT_T = 8.52
"""Quantile 1 - FAILURE / 2 of Student's t with SAMPLES degrees of freedom."""


@dataclass(frozen=True)
class Noise:
    """The largest error of each kind of operation.

    sum: of a sum of products, relative to sqrt(n) times the sum of absolute products.
    argument: absolute, of a gate's argument. activation_relative and activation_absolute: of a
    sigmoid or tanh. product: relative, of an element-wise product or sum. cell: absolute, of the
    new cell state. argument_limit: where a gate's argument saturates, first the input's share with
    the bias and then the sum; 0 means nowhere.
    """

    sum: float = 0.0
    argument: float = 0.0
    activation_relative: float = 0.0
    activation_absolute: float = 0.0
    product: float = 0.0
    cell: float = 0.0
    argument_limit: float = 0.0


FLOAT32 = Noise(
    sum=UNIT_ROUNDOFF,
    activation_relative=8 * UNIT_ROUNDOFF,
    activation_absolute=float(np.exp(-18.0)),
    product=UNIT_ROUNDOFF,
)
"""float32 with any summation order. Rational approximations of tanh and exp stay within 8 units;
the runtimes' sigmoid is exp(x) under -9 (reference/logistic.h), which is off by exp(2 x)."""


#: Rows [.., n] as they enter a product; with a generator, of a run under noise.
Rows = Callable[[Array, np.random.Generator | None], Array]


class Grid(NamedTuple):
    """The values a quantised tensor can hold: scale * (low ... high)."""

    scale: float
    low: float
    high: float

    def nearest(self, x: Array) -> Array:
        """x moved to the grid."""
        return np.asarray(np.clip(np.rint(x / self.scale), self.low, self.high) * self.scale)


class Budget(NamedTuple):
    """Largest allowed absolute error of each output [batch, time, outputs] (or time-major) and
    of the final hidden [batch, outputs] and cell state [batch, units]."""

    outputs: NDArray[np.float64]
    hidden: NDArray[np.float64]
    cell: NDArray[np.float64]

    def decides(self, oracle: NDArray[Any]) -> bool:
        """False where the model blows rounding errors up to the size of its own outputs: it is
        chaotic, the noise is no longer normally distributed, and no comparison of float32 runs
        says anything."""
        return bool(self.outputs.max(initial=0.0) < 0.1 * np.abs(oracle).max(initial=0.0))


def float_budget(
    weights: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions = PLAIN,
    initial: LstmState | None = None,
    seed: int = 0,
) -> Budget:
    """Elementwise error bound of a float32 LSTM against the float64 oracle lstm(...).

    Arguments as for lstm. The same seed gives the same budget: several runtimes of one operator
    are held to one that is derived once.
    """
    given = [*vars(weights).values(), x, *(initial or ()), options, seed]
    key = sha256(b"|".join(_bytes(part) for part in given)).digest()
    if key not in _DERIVED:
        while len(_DERIVED) >= _KEPT:
            _DERIVED.pop(next(iter(_DERIVED)), None)
        _DERIVED[key] = _derived(weights, x, options, initial, seed)
    return _DERIVED[key]


#: The last budgets, by all that decides them.
_DERIVED: dict[bytes, Budget] = {}
_KEPT = 8


def _bytes(part: Any) -> bytes:
    """A value or array, or gates of them, by content."""
    if isinstance(part, Gates):
        return b"(" + b",".join(_bytes(gate) for gate in part) + b")"
    if isinstance(part, np.ndarray):
        return f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
    return repr(part).encode()


def _derived(
    weights: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions,
    initial: LstmState | None,
    seed: int,
) -> Budget:
    oracle = lstm(weights, x, options, initial)
    outputs, cells = noisy_runs(weights, x, options, initial, FLOAT32, seed=seed)
    hidden = outputs[:, :, 0 if options.go_backwards else -1]
    exact = oracle.outputs.swapaxes(0, 1) if options.time_major else oracle.outputs
    spread = interval(outputs - exact, exact)
    return Budget(
        spread.swapaxes(0, 1) if options.time_major else spread,
        interval(hidden - oracle.state.hidden, oracle.state.hidden),
        interval(cells - oracle.state.cell, oracle.state.cell),
    )


def interval(deviations: Array, exact: Array) -> NDArray[np.float64]:
    """Prediction interval from deviations [samples, ...], and the last rounding of the result."""
    spread = np.sqrt(np.square(deviations).mean(axis=0))
    return np.asarray(STUDENT_T * spread + UNIT_ROUNDOFF * np.abs(exact), np.float64)


def budget_used(observed: NDArray[Any], oracle: NDArray[Any], budget: NDArray[Any]) -> float:
    """Largest observed error as a share of its budget; up to 1 is agreement, NaN is infinite."""
    error = np.abs(np.asarray(observed, np.float64) - oracle)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error == 0, 0.0, error / budget)
    return float("inf") if np.isnan(share).any() else float(share.max(initial=0.0))


def noisy_runs(
    weights: LstmWeights,
    x: NDArray[Any],
    options: LstmOptions,
    initial: LstmState | None,
    noise: Noise,
    hidden_grid: Grid | None = None,
    cell_grid: Grid | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    rows: Rows | None = None,
) -> tuple[Array, Array]:
    """Outputs [samples, batch, time, outputs] and final cells [samples, batch, units] of the LSTM
    under noise, with hidden and cell state moved to their grids where there are any.

    rows: what is done to input and hidden state, row by row, as they enter the products: a hybrid
    kernel's quantisation (reference.budgets.hybrid_lstm).
    """
    steps = np.asarray(x if options.time_major else x.swapaxes(0, 1), np.float64)
    time, batch, _ = steps.shape
    run = _NoisyLstm(_in_float64(weights), options, noise, np.random.default_rng(seed), rows)
    state = initial or LstmState(
        np.zeros((batch, weights.outputs)), np.zeros((batch, weights.units))
    )
    hidden, cell = (np.broadcast_to(part, (samples, *part.shape)) for part in state)
    outputs = np.empty((samples, batch, time, weights.outputs))
    for t in reversed(range(time)) if options.go_backwards else range(time):
        hidden, cell = run.step(steps[t], hidden, cell, cell_grid)
        hidden = hidden if hidden_grid is None else hidden_grid.nearest(hidden)
        outputs[:, :, t] = hidden
    return outputs, cell


@dataclass(frozen=True, eq=False)
class _NoisyLstm:
    """reference.lstm.float64.lstm_step with an error after each operation."""

    weights: LstmWeights
    options: LstmOptions
    noise: Noise
    random: np.random.Generator
    rows: Rows | None = None

    @cached_property
    def sizes(self) -> dict[str, tuple[Array, Array]]:
        """|input kernel| and |recurrent kernel| of each gate, transposed."""
        kernels = zip(self.weights.input_kernel, self.weights.recurrent_kernel, strict=True)
        return {
            name: (np.abs(kernel).T, np.abs(recurrent).T)
            for name, (kernel, recurrent) in zip(Gates._fields, kernels, strict=True)
            if kernel is not None and recurrent is not None
        }

    def disturbed(self, x: Array, amplitude: Array | float) -> Array:
        """x with an error of its own in each element, uniform within plus or minus amplitude."""
        return np.asarray(x + self.random.uniform(-1, 1, x.shape) * amplitude)

    def step(self, x: Array, hidden: Array, cell: Array, grid: Grid | None) -> tuple[Array, Array]:
        """x [batch, features]; hidden and cell [samples, batch, ...]."""
        activation, noise, w = ACTIVATIONS[self.options.activation], self.noise, self.weights
        if self.rows is not None:
            x, hidden = self.rows(x, None), self.rows(hidden, self.random if noise.sum else None)
        f = self.squashed(sigmoid(self.gate("f", x, hidden, cell)))
        i = 1 - f if w.cifg else self.squashed(sigmoid(self.gate("i", x, hidden, cell)))
        candidate = self.squashed(activation(self.gate("c", x, hidden, None)))
        kept, added = f * cell, i * candidate
        error = noise.product * (np.abs(kept) + np.abs(added) + np.abs(kept + added)) + noise.cell
        cell = clip(self.disturbed(kept + added, error), self.options.cell_clip)
        cell = cell if grid is None else grid.nearest(cell)
        o = self.squashed(sigmoid(self.gate("o", x, hidden, cell)))
        hidden = o * self.squashed(activation(cell))
        return self.projected(self.disturbed(hidden, noise.product * np.abs(hidden))), cell

    def squashed(self, value: Array) -> Array:
        amplitude = self.noise.activation_relative * np.abs(value) + self.noise.activation_absolute
        return self.disturbed(value, amplitude)

    def gate(self, name: str, x: Array, hidden: Array, cell: Array | None) -> Array:
        w = self.weights
        kernel, recurrent = getattr(w.input_kernel, name), getattr(w.recurrent_kernel, name)
        bias, limit = getattr(w.bias, name), self.noise.argument_limit
        from_input = x @ kernel.T if w.layer_norm is not None else x @ kernel.T + bias
        total = clip(clip(from_input, limit) + _times(hidden, recurrent.T), limit)
        of_kernel, of_recurrent = self.sizes[name]
        size = np.abs(x) @ of_kernel + _times(np.abs(hidden), of_recurrent)
        if w.peephole is not None and cell is not None:
            share = getattr(w.peephole, name) * cell
            total, size = clip(total + share, limit), size + np.abs(share)
        if w.layer_norm is not None:
            mean_size = np.abs(total).mean(axis=-1, keepdims=True)
            total = self.disturbed(total, self.sum_error(size + mean_size))
            total = layer_norm(total) * getattr(w.layer_norm, name)
            return self.disturbed(
                total + bias, 4 * self.noise.product * (np.abs(total) + abs(bias))
            )
        return self.disturbed(total, self.sum_error(size + np.abs(bias)))

    def sum_error(self, size: Array) -> Array:
        terms = self.weights.features + self.weights.outputs + 2
        return np.asarray(np.sqrt(terms) * self.noise.sum * size + self.noise.argument)

    def projected(self, hidden: Array) -> Array:
        projection, bias = self.weights.projection, self.weights.projection_bias
        if projection is None:
            return hidden
        size = np.abs(hidden) @ np.abs(projection).T
        total = hidden @ projection.T
        if bias is not None:
            total, size = total + bias, size + np.abs(bias)
        error = np.sqrt(self.weights.units + 1) * self.noise.sum * size
        return clip(self.disturbed(total, error), self.options.projection_clip)


def _times(values: Array, matrix: Array) -> Array:
    """values [.., n] times a matrix [n, units], in one product."""
    flat = values.reshape(-1, values.shape[-1]) @ matrix
    return np.asarray(flat.reshape(*values.shape[:-1], matrix.shape[-1]))


def _in_float64(weights: LstmWeights) -> LstmWeights:
    def convert(part: Any) -> Any:
        if part is None:
            return None
        is_group = isinstance(part, Gates)
        return part.as_type(np.float64) if is_group else np.asarray(part, np.float64)

    return LstmWeights(**{name: convert(part) for name, part in vars(weights).items()})
