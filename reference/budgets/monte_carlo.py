"""Derive by Monte Carlo how far an implementation of lower precision may be off.

As far as the model itself moves when every operation is disturbed by as much as that precision
rounds (Monte Carlo arithmetic: Parker 1997; Verificarlo: Denis, de Oliveira Castro, Petit
2016). The response contains what no fixed tolerance knows: that this model's recurrence dies
out or grows, that these weights are large, that this output is a softmax. The disturbances are
in `reference.budgets.precision_schemes`; faults are not among them, so a fault has to stay within
what rounding could do to pass.

An element's error in one draw is a systematic part, its mean over the draws (saturation beyond
a calibrated range is one: every draw has it), plus a random part. The budget of an output is
the largest systematic part plus SAFETY times the largest random part, over all elements and
TRIALS draws. A sound implementation is one more draw. If a single Gaussian element decides (the
worst case: with many elements the largest of them varies less), the chance that one more draw
passes 3 times the largest of 32 is the integral of P(|Z| > 3 m) over the density of the largest
m of 32 |Z|: 5.9e-7, a false alarm in 1.7 million comparisons. 16 draws would need a factor of
over 4 (1.3e-6) for the same, 64 draws 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from reference.budgets.precision_schemes import (
    INT8,
    INT16X8,
    SMALLEST,
    UNIT_ROUNDOFF,
    DynamicRange,
    Float16Weights,
    Float32,
    Integer,
    Ranges,
    Recorder,
)
from reference.network import evaluate, run
from reference.network.hooks import Array, Hooks
from reference.network.layers import Run

Scheme = Literal["float32", "float16", "dynamic-range", "int8", "int16x8"]

TRIALS = 32
SAFETY = 3.0

MINIMUM_ELEMENTS = 1024
"""Weights with fewer elements stay float in a dynamic-range conversion (2.15.1)."""

CELL_CLIP = 10.0
"""The limit of the cell state that the 2.15.1 converter writes into every fused LSTM."""

_MOST_ROWS = 1024
"""Trials times samples times batch evaluated at once: bounds memory, changes no draw."""


class NotFinite(ValueError):
    """The exact value, or its response to rounding, is NaN or infinite: there is no budget."""


@dataclass(frozen=True)
class Budget:
    """The largest error that rounding explains at one output, in the unit of the output.

    value: of the largest error over all elements, systematic + SAFETY * random.
    rms: of the root mean square error over all elements, by the same rule; the sharper one of
    the two for faults that are everywhere (a wrong scale), since it varies less.
    systematic, random: the parts of value. typical: the root mean square error over draws and
    elements. scale: the largest |exact| value.
    """

    value: float
    rms: float
    systematic: float
    random: float
    typical: float
    scale: float

    @property
    def decides(self) -> bool:
        """Whether the budget is below the output itself: otherwise zeros would pass."""
        return self.value < self.scale


@dataclass(frozen=True, eq=False)
class Quiet:
    """The samples of one output that no calibrated range cuts off, and their own budget.

    Saturation is systematic: where it moves some samples, the budget of all has room for any fault
    of the others. samples: bool [samples]. value, rms: as a Budget's, of these samples alone.
    """

    samples: Array
    value: float
    rms: float


@dataclass(frozen=True, eq=False)
class Derived:
    """What follows from one document, its weights and its inputs: for each output the exact value
    [samples, batch, …], its budget, and its quiet samples where others saturate and these are
    most of them, else None."""

    values: list[Array]
    budgets: list[Budget]
    quiet: list[Quiet | None]


def calibrate(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    carry_state: bool = True,
    cell_clip: float = 0.0,
    final_cell: bool = False,
) -> Ranges:
    """The range of every tensor over calibration samples, each input [samples, batch, …].

    carry_state: as in TensorFlow Lite's calibrator 2.15.1, where a fused LSTM starts each sample
    in the state the last one left; so the samples' order and number count.
    final_cell: the range of a fused LSTM's cell state is that of its values after the last step
    of each sample, all that the 2.15.1 calibrator looks at. A cell that grows larger on the way
    then saturates: a fault of the conversion, so a budget for a verdict does not use it. With
    it, budgets say whether this fault explains an error.
    Raises what `evaluate` raises, and ValueError for no samples or final_cell alone.
    """
    if final_cell and not carry_state:
        raise ValueError("final_cell is what the calibrator sees that carries states")
    count = _samples(inputs)
    recorder = Recorder()
    carried: dict[str, list[Array]] = {}
    final: dict[str, tuple[float, float]] = {}
    if not carry_state:
        run(document, weights, inputs, Run(recorder, cell_clip))
    for index in range(count) if carry_state else ():
        sample = {name: array[index : index + 1] for name, array in inputs.items()}
        run(document, weights, sample, Run(recorder, cell_clip, carried))
        for layer, (_, cell) in carried.items():
            low, high = final.get(layer, (0.0, 0.0))
            final[layer] = (min(low, float(cell.min())), max(high, float(cell.max())))
    ranges = dict(recorder.ranges)
    if final_cell:
        ranges.update({f"{layer}/cell": bounds for layer, bounds in final.items()})
    return ranges


def budgets(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    calibration: Ranges | None = None,
    trials: int = TRIALS,
    seed: int = 0,
    safety: float = SAFETY,
    minimum_elements: int = MINIMUM_ELEMENTS,
    cell_clip: float = 0.0,
) -> list[Budget]:
    """The budget of each output for these inputs, each [samples, batch, …].

    calibration: from `calibrate`, for the integer schemes. minimum_elements: of a weight that
    dynamic-range quantises. cell_clip: as in `evaluate`. Deterministic for a seed.
    Raises ValueError for an unknown scheme or an integer one without calibration, and what
    `evaluate` raises; and NotFinite where the exact value or a draw is not finite.
    """
    options = (calibration, trials, seed, safety, minimum_elements, cell_clip)
    return values_and_budgets(document, weights, inputs, scheme, *options)[1]


def values_and_budgets(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    calibration: Ranges | None = None,
    trials: int = TRIALS,
    seed: int = 0,
    safety: float = SAFETY,
    minimum_elements: int = MINIMUM_ELEMENTS,
    cell_clip: float = 0.0,
) -> tuple[list[Array], list[Budget]]:
    """The exact value of each output too, which the budgets are about."""
    options = (calibration, trials, seed, safety, minimum_elements, cell_clip)
    found = derived(document, weights, inputs, scheme, *options)
    return found.values, found.budgets


def derived(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    calibration: Ranges | None = None,
    trials: int = TRIALS,
    seed: int = 0,
    safety: float = SAFETY,
    minimum_elements: int = MINIMUM_ELEMENTS,
    cell_clip: float = 0.0,
) -> Derived:
    """Values, budgets and quiet samples. Arguments and errors as those of `budgets`."""
    count = _samples(inputs)
    step = max(1, _MOST_ROWS // (trials * _rows(inputs)))
    parts: list[list[Budget]] = []
    values: list[list[Array]] = []
    spreads: list[list[_Spread]] = []
    for start in range(0, count, step):
        part = {name: array[start : start + step] for name, array in inputs.items()}
        hooks = make_hooks(scheme, calibration, trials, seed, minimum_elements)
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            exact = evaluate(document, weights, part, cell_clip=cell_clip)
            noisy = evaluate(document, weights, part, hooks, cell_clip)
        values.append(exact)
        parts.append([_budget(a, b, safety) for a, b in zip(exact, noisy, strict=True)])
        spreads.append([_spread(a, b) for a, b in zip(exact, noisy, strict=True)])
    return Derived(
        [np.concatenate(output) for output in zip(*values, strict=True)],
        [_together(output, safety) for output in zip(*parts, strict=True)],
        [_quiet(output, safety) for output in zip(*spreads, strict=True)],
    )


def make_hooks(
    scheme: Scheme,
    calibration: Ranges | None = None,
    trials: int = TRIALS,
    seed: int = 0,
    minimum_elements: int = MINIMUM_ELEMENTS,
) -> Hooks:
    """The scheme's disturbances, to be given to `evaluate` once."""
    if scheme not in get_args(Scheme):
        raise ValueError(f"unknown scheme {scheme!r}, expected one of {get_args(Scheme)}")
    if trials < 2:
        raise ValueError(f"{trials} trials: at least 2 are needed")
    if scheme == "float32":
        return Float32(trials, seed)
    if scheme == "float16":
        return Float16Weights(trials, seed)
    if scheme == "dynamic-range":
        return DynamicRange(trials, seed, minimum_elements)
    if calibration is None:
        raise ValueError(f"{scheme} needs the ranges of a calibration")
    return Integer(trials, seed, calibration, INT8 if scheme == "int8" else INT16X8)


def _budget(exact: Array, noisy: Array, safety: float) -> Budget:
    """exact: [samples, …]; noisy: [trials, samples, …]."""
    if exact.size == 0:
        raise ValueError("an output without elements has no budget")
    if not (np.isfinite(exact).all() and np.isfinite(noisy).all()):
        raise NotFinite("the exact value or its response to rounding is not finite")
    scale = float(np.abs(exact).max())
    error = noisy - exact
    mean = error.mean(axis=0)
    drawn = error - mean
    systematic, random = float(np.abs(mean).max()), float(np.abs(drawn).max())
    # Whatever comes before, the output itself is stored in float32 at best.
    random = max(random, UNIT_ROUNDOFF * scale, SMALLEST if scale else 0.0)
    draws = np.sqrt(np.square(drawn).reshape(len(drawn), -1).mean(axis=1))
    rms = _rms(mean) + safety * max(float(draws.max()), UNIT_ROUNDOFF * _rms(exact))
    return Budget(systematic + safety * random, rms, systematic, random, _rms(error), scale)


@dataclass(frozen=True, eq=False)
class _Spread:
    """The parts of a budget for each sample: the largest of both parts [samples], their mean
    squares [samples] and [trials, samples], and the largest |exact| value [samples]."""

    systematic: Array
    random: Array
    mean_square: Array
    draws: Array
    scale: Array


def _spread(exact: Array, noisy: Array) -> _Spread:
    """exact: [samples, …]; noisy: [trials, samples, …]."""
    count = len(exact)
    error = (noisy - exact).reshape(len(noisy), count, -1)
    mean = error.mean(axis=0)
    drawn = error - mean
    return _Spread(
        np.abs(mean).max(axis=1),
        np.abs(drawn).max(axis=(0, 2)),
        np.square(mean).mean(axis=1),
        np.square(drawn).mean(axis=2),
        np.abs(exact).reshape(count, -1).max(axis=1),
    )


def _quiet(parts: Sequence[_Spread], safety: float) -> Quiet | None:
    """The samples whose systematic part is within what chance moves any of them, where there are
    others and these are most; their budget by the rule of all."""
    systematic, random, mean_square, scale = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("systematic", "random", "mean_square", "scale")
    )
    draws = np.concatenate([part.draws for part in parts], axis=1)
    samples = systematic <= safety * random.max()
    if samples.all() or 2 * np.count_nonzero(samples) < len(samples):
        return None
    least = UNIT_ROUNDOFF * float(scale[samples].max())
    spread = float(np.sqrt(draws[:, samples].mean(axis=1).max()))
    value = float(systematic[samples].max()) + safety * max(float(random[samples].max()), least)
    rms = float(np.sqrt(mean_square[samples].mean())) + safety * max(spread, least)
    return Quiet(samples, value, rms)


def _rms(array: Array) -> float:
    return float(np.sqrt(np.square(array).mean()))


def _together(parts: Sequence[Budget], safety: float) -> Budget:
    """The budget over several groups of samples."""
    systematic, random = max(p.systematic for p in parts), max(p.random for p in parts)
    return Budget(
        systematic + safety * random,
        max(p.rms for p in parts),
        systematic,
        random,
        _rms(np.array([p.typical for p in parts])),
        max(p.scale for p in parts),
    )


def _samples(inputs: Mapping[str, Array]) -> int:
    counts = {len(array) for array in inputs.values()}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(f"samples of the inputs: {sorted(counts)}, expected one number above 0")
    return counts.pop()


def _rows(inputs: Mapping[str, Array]) -> int:
    """Sequences of one sample (time steps, for a time-major model): a bound is enough."""
    return max([1, *(array.shape[1] for array in inputs.values() if array.ndim > 1)])
