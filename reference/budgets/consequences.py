"""Measure how far an integer scheme moves each sample's answer, and which tensor does it.

A budget says how far rounding may move an answer at the ranges that a calibration left behind. It
does not say whether these ranges are the right ones: saturation is in the budget of a calibration
that is too narrow, and coarse steps are in that of one that is too wide. Here the same disturbed
runs (reference.budgets.precision_schemes) are measured at two sets of ranges, those of the
calibration and those of the samples themselves, and with one tensor disturbed at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reference.budgets.monte_carlo import TRIALS, Scheme, make_hooks
from reference.budgets.precision_schemes import Ranges
from reference.network import evaluate
from reference.network.hooks import Array, Hooks, Lazy, WeightKind

#: Draws of one measurement. A root mean square of 8 draws and a sample's values is within some
#: ten percent, where a factor of two is asked for.
DRAWS = 8
#: Rows evaluated at once.
_MOST_ROWS = 1024


def errors_by_sample(
    document: Mapping[str, object],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    ranges: Ranges | None,
    seed: int = 0,
) -> list[Array]:
    """The root mean square error of each output for each sample: [samples] each, in its unit.

    Arguments as for `reference.budgets.monte_carlo.budgets`, which says what is raised.
    """
    parts = []
    for part in _parts(inputs, DRAWS):
        hooks = make_hooks(scheme, ranges, DRAWS, seed)
        parts.append(_moved(document, weights, part, hooks))
    return [np.concatenate(output) for output in zip(*parts, strict=True)]


def _moved(
    document: Mapping[str, object],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    hooks: Hooks,
) -> list[Array]:
    exact = evaluate(document, weights, inputs)
    noisy = evaluate(document, weights, inputs, hooks)
    found = []
    for a, b in zip(exact, noisy, strict=True):
        squares = np.square(b - a).mean(axis=0)
        found.append(np.sqrt(squares.reshape(len(squares), -1).mean(axis=1)))
    return found


def disturbed(
    document: Mapping[str, object],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    ranges: Ranges | None,
    seed: int = 0,
) -> list[Array]:
    """Each output under the scheme's rounding: [TRIALS, samples, …], each draw as sound as a
    runtime's answer."""
    parts = [
        evaluate(document, weights, part, make_hooks(scheme, ranges, TRIALS, seed))
        for part in _parts(inputs, TRIALS)
    ]
    return [np.concatenate(output, axis=1) for output in zip(*parts, strict=True)]


def _parts(inputs: Mapping[str, Array], draws: int) -> list[dict[str, Array]]:
    """The samples in groups that are evaluated at once."""
    count = len(next(iter(inputs.values())))
    rows = max([1, *(array.shape[1] for array in inputs.values() if array.ndim > 1)])
    step = max(1, _MOST_ROWS // (draws * rows))
    return [
        {name: array[start : start + step] for name, array in inputs.items()}
        for start in range(0, count, step)
    ]


def contributions(
    document: Mapping[str, object],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    scheme: Scheme,
    ranges: Ranges | None,
    output: int = 0,
) -> dict[str, float]:
    """The root mean square error that rounding one tensor alone makes at an output, by name.

    Names are the hooks' own: of an input, a layer, or `layer/part` inside of one. The largest
    comes first.
    """
    names = _Names()
    evaluate(document, weights, {k: v[:1] for k, v in inputs.items()}, names)
    found = {}
    for name in names.seen:
        hooks = _Only(make_hooks(scheme, ranges, DRAWS), name)
        moved = _moved(document, weights, inputs, hooks)[output]
        found[name] = float(np.sqrt(np.square(moved).mean()))
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


class _Names(Hooks):
    """Exact arithmetic that remembers which tensors there are, in their order."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        self.seen[name] = None
        return value[np.newaxis]

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        self.seen[name] = None
        return value

    def hidden(self, name: str, value: Array) -> Array:
        self.seen[name] = None
        return value

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        self.seen[name] = None
        return value


class _Only(Hooks):
    """Another set of hooks for one tensor, and exact arithmetic for all else."""

    def __init__(self, inner: Hooks, name: str) -> None:
        self.inner, self.name, self.trials = inner, name, inner.trials

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        one = name == self.name
        return self.inner.weight(name, kind, value, tensors) if one else value[np.newaxis]

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        return self.inner.operand(weight, value, axes) if weight == self.name else value

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        return self.inner.tensor(name, value, fixed_range) if name == self.name else value

    def hidden(self, name: str, value: Array) -> Array:
        return self.inner.hidden(name, value) if name == self.name else value

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self.inner.cell(name, value, magnitude) if name == self.name else value
