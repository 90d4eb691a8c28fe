"""Disturb values as lower precision would: the schemes behind the Monte-Carlo budgets.

A scheme is a `Hooks` object that perturbs whatever it is given, `trials` draws at a time.

Rounding of floats (Parker 1997, Monte Carlo Arithmetic; Denis, de Oliveira Castro, Petit 2016):
each operation's result gets a random relative error of the size of the unit roundoff u. A sum
of n products computed in any order has the error bound n u S, S the sum of absolute values
(Higham 2002 §3.1); with independent roundings of n equal terms of one sign, the worst case, its
standard deviation is u S sqrt(n) / 3 (each partial sum k S / n is rounded with an error uniform
within u k S / n, of deviation u k S / (n sqrt 3)), in line with the sqrt(n) u of Higham & Mary
2019. The scheme draws Gaussians of that deviation.

Rounding to a grid (Widrow & Kollár 2008): the error of a value rounded to steps of s is uniform
within s / 2, if nothing is known of the value. Independent draws would miss that equal values
have equal errors, so a draw moves the whole grid instead: one random offset for each trial and
tensor, which makes each single error uniform and keeps equal values together. Exact zeros, which
every scheme represents, stay. Trial 0 has no offset: it is the grid that the converter chooses
if its ranges are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference.network.hooks import Array, Hooks, Lazy, WeightKind

UNIT_ROUNDOFF = 2.0**-24
"""Of float32: half the distance between 1 and the next number."""

SMALLEST = 2.0**-126
"""The smallest normal float32. What is smaller is kept with an error of 2**-150, or flushed to
zero, as a kernel's code and the processor's mode will have it (IEEE 754-2019 §7.5; Intel SDM 1
§10.2.3.3): an absolute error of up to this much in any operation whose exact result is not zero."""

FUNCTION_ULPS = 4.0
"""Largest error of a float32 activation function, in units of 2**-23 of its result; vectorised
tanh and exp of Eigen and XNNPACK, libm's are better."""

#: Above it SMALLEST is less than the last bit of what rounding adds in float64.
_UNDERFLOWS = SMALLEST / UNIT_ROUNDOFF * 2.0**54

#: Least and greatest value of every tensor, by the name it has in the hooks.
Ranges = Mapping[str, tuple[float, float]]


class Recorder(Hooks):
    """Exact arithmetic that remembers the range of every tensor."""

    def __init__(self) -> None:
        self.ranges: dict[str, tuple[float, float]] = {}

    def _see(self, name: str, value: Array) -> Array:
        low, high = self.ranges.get(name, (np.inf, -np.inf))
        self.ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
        return value

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        return self._see(name, value)

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self._see(name, value)

    def hidden(self, name: str, value: Array) -> Array:
        return self._see(name, value)


class Float32(Hooks):
    """Products summed in float32 in any order, activation functions off by a few ulps."""

    def __init__(self, trials: int, seed: int) -> None:
        self.trials = trials
        self.random = np.random.default_rng(seed)

    def _gaussian(self, value: Array, deviation: Array) -> Array:
        shape = (self.trials, *value.shape[1:])
        return np.asarray(value + self.random.standard_normal(shape, np.float32) * deviation)

    def _relative(self, value: Array, most: float) -> Array:
        """value with an error uniform within `most` of itself."""
        drawn = self.random.random((self.trials, *value.shape[1:]), np.float32)
        found = np.asarray(value * (1 - most + 2 * most * drawn))
        size = np.abs(value)
        if size.min(initial=np.inf) < _UNDERFLOWS:
            found += np.where(size > 0, SMALLEST, 0.0) * (2.0 * drawn.astype(np.float64) - 1.0)
        return found

    def total(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self._gaussian(value, _one_rounding(magnitude()) * (np.sqrt(terms) / 3))

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.total(name, value, terms, magnitude)

    def function(self, name: str, function: str, value: Array) -> Array:
        if function in ("linear", "relu"):
            return value
        return self._relative(value, 2 * FUNCTION_ULPS * UNIT_ROUNDOFF)

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        return self.function(name, function, value)

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self._gaussian(value, _one_rounding(magnitude()))

    def hidden(self, name: str, value: Array) -> Array:
        return self._relative(value, UNIT_ROUNDOFF)


def _one_rounding(size: Array) -> Array:
    """The largest error of one operation on values of that size: nothing where they are zero."""
    error = size * UNIT_ROUNDOFF
    if size.min(initial=np.inf) < _UNDERFLOWS:
        error += np.where(size > 0, SMALLEST, 0.0)
    return np.asarray(error)


class Float16Weights(Float32):
    """Weights stored in float16, all arithmetic in float32."""

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        # Half a float16 step: 2**-11 of the value, at least 2**-25 among subnormals.
        most = np.maximum(np.abs(value) * 2.0**-11, np.where(value == 0, 0, 2.0**-25))
        drawn = self.random.uniform(-1, 1, (self.trials, *value.shape))
        return np.asarray(value + most * drawn)


#: Values of one draw from which on rounding is faster draw by draw.
_CACHED = 4096


class _Grids:
    """Random grids: for each tensor and trial one offset, kept for all time steps."""

    def __init__(self, trials: int, random: np.random.Generator) -> None:
        self.trials, self.random = trials, random
        self._offsets: dict[str, Array] = {}

    def round(self, name: str, value: Array, step: float | Array, low: float, high: float) -> Array:
        """value on a moved grid of `step`, held to low … high steps."""
        scaled = value / step
        offsets = self._offset(name).reshape(-1, *(1,) * (value.ndim - 1))
        found = np.empty((self.trials, *value.shape[1:]))
        # Of large arrays a draw at a time: that stays in the processor's cache for all passes.
        many = found[0].size > _CACHED
        for part in (slice(k, k + 1) for k in range(self.trials)) if many else (slice(None),):
            given = scaled[part] if len(scaled) > 1 else scaled
            block, offset = found[part], offsets[part]
            np.add(given, offset, out=block)
            np.rint(block, out=block)
            _held(block, low, high)
            block -= offset
            _held(block, low, high)  # a moved grid may not reach beyond the limits either
            np.copyto(block, 0.0, where=given == 0)
        found *= step
        return found

    def _offset(self, name: str) -> Array:
        """Of each draw, in steps."""
        if name not in self._offsets:
            drawn = self.random.uniform(-0.5, 0.5, self.trials)
            drawn[0] = 0.0
            self._offsets[name] = drawn
        return self._offsets[name]


def _held(values: Array, low: float, high: float) -> None:
    """Clip in place: np.clip costs more than these two on few values."""
    np.maximum(values, low, out=values)
    np.minimum(values, high, out=values)


def _weight_steps(value: Array, tensors: int) -> Array:
    """Step of symmetric 8-bit weights, largest value 127, for each of the parts: [columns]."""
    columns = value.shape[-1]
    flat = np.abs(value).reshape(-1, tensors, columns // tensors)
    steps = flat.max(axis=(0, 2)) / 127
    return np.repeat(np.where(steps > 0, steps, 1.0), columns // tensors)


class DynamicRange(Float32):
    """Weights in 8 bits for each tensor; what is multiplied with them in 8 bits for each row.

    Weight tensors under `minimum_elements` stay float (TFLite converter 2.15.1: 1024), and so
    do all biases; a fused LSTM does as a whole where one of its kernels is so small. The arithmetic
    that is left is float32.
    """

    def __init__(self, trials: int, seed: int, minimum_elements: int = 1024) -> None:
        super().__init__(trials, seed)
        self.minimum_elements = minimum_elements
        self.grids = _Grids(trials, self.random)
        self._quantised: set[str] = set()
        #: Fused LSTMs that stay float.
        self._whole: set[str] = set()

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        small = value.size // tensors < self.minimum_elements
        if tensors > 1:  # a fused LSTM, whose input kernel comes first
            layer, units = name.rpartition("/")[0], value.shape[-1] // tensors
            if kind == "kernel" and (small or units**2 < self.minimum_elements):
                self._whole.add(layer)
            small = small or layer in self._whole
        if small or kind in ("bias", "scale"):
            return value[np.newaxis]
        self._quantised.add(name)
        return self.grids.round(name, value[np.newaxis], _weight_steps(value, tensors), -127, 127)

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        if weight not in self._quantised:
            return value
        last = tuple(range(-axes, 0))
        steps = np.abs(value).max(axis=last, keepdims=True) / 127
        steps = np.where(steps > 0, steps, 1.0)
        return self.grids.round(f"{weight}/operand", value, steps, -127, 127)


@dataclass(frozen=True)
class Widths:
    """Bits of an integer scheme: activations, and whether they have a zero point."""

    activation_bits: int
    asymmetric: bool


INT8 = Widths(8, True)
INT16X8 = Widths(16, False)


class Integer(Hooks):
    """Full integer arithmetic: activations on the grids of a calibration, weights in 8 bits.

    Inside an LSTM (TFLite 2.15.1 lstm_eval.cc, see reference.lstm.integer): gate arguments are
    Q3.12, gate outputs Q0.15, the cell state is int16 with a scale that is a power of two.
    Biases are int32 on the grid of the products, finer than anything else.
    """

    def __init__(self, trials: int, seed: int, ranges: Ranges, widths: Widths = INT8) -> None:
        self.trials, self.ranges, self.widths = trials, ranges, widths
        self.grids = _Grids(trials, np.random.default_rng(seed))

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        if kind == "bias":
            return value[np.newaxis]
        return self.grids.round(name, value[np.newaxis], _weight_steps(value, tensors), -127, 127)

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        low, high = fixed_range or self._range(name)
        return self._on_grid(name, value, low, high)

    def hidden(self, name: str, value: Array) -> Array:
        return self._on_grid(name, value, *self._range(name))

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        most = max(map(abs, self._range(name))) or 2.0**-15
        step = 2.0 ** np.ceil(np.log2(most)) / 2**15
        return self.grids.round(name, value, step, -(2**15), 2**15 - 1)

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.grids.round(name, value, 2.0**-12, -(2**15), 2**15 - 1)

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        if function not in ("tanh", "sigmoid", "hard_sigmoid"):
            return value  # unbounded: no fixed grid, the state's own is what counts
        # tanh and the logistic function in 16 bits are off by up to two steps of 2**-15.
        return self.grids.round(name, value, 2.0**-14, -(2**14), 2**14)

    def _range(self, name: str) -> tuple[float, float]:
        if name not in self.ranges:
            raise ValueError(f"the calibration knows no range of {name!r}")
        return self.ranges[name]

    def _on_grid(self, name: str, value: Array, low: float, high: float) -> Array:
        """Saturating, zero representable: the range is widened to hold it."""
        low, high = min(low, 0.0), max(high, 0.0)
        levels = 2**self.widths.activation_bits - 1
        if self.widths.asymmetric:
            step = (high - low) / levels or 1.0
            least = np.rint(low / step)
            return self.grids.round(name, value, step, least, least + levels)
        step = max(-low, high) / (levels // 2) or 1.0
        return self.grids.round(name, value, step, -(levels // 2), levels // 2)
