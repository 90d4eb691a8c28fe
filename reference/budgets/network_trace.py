"""Trace a network's LSTMs step by step and gate by gate: exact values and budgets.

The network runs through hooks that keep what they are given. The exact run gives the values; the
scheme's disturbed runs (reference.budgets.precision_schemes) give, for every step and quantity, how
far a correct implementation of that precision may be off, by the rule of
`reference.budgets.monte_carlo`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.budgets.monte_carlo import SAFETY, TRIALS, Scheme, make_hooks
from reference.budgets.precision_schemes import UNIT_ROUNDOFF, Ranges
from reference.network import run
from reference.network.hooks import Array, Hooks, Lazy, WeightKind
from reference.network.layers import Run

QUANTITIES = ("i", "f", "candidate", "o", "cell", "hidden")
"""In the order of their computation, as in `reference.lstm.float64.LstmStep`."""


@dataclass(frozen=True, eq=False)
class Traced:
    """One quantity of one LSTM. value: [steps, rows, units], float64, in the order of
    computation; budget: [steps], the largest error allowed at any row and unit."""

    value: Array
    budget: Array


class Tap(Hooks):
    """Another set of hooks, and what the recurrent cells compute through it."""

    def __init__(self, inner: Hooks) -> None:
        self.inner, self.trials = inner, inner.trials
        self.seen: dict[str, list[Array]] = {}

    def _keep(self, name: str, value: Array) -> Array:
        self.seen.setdefault(name, []).append(value)
        return value

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        return self.inner.weight(name, kind, value, tensors)

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        return self.inner.tensor(name, value, fixed_range)

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        return self.inner.operand(weight, value, axes)

    def total(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.inner.total(name, value, terms, magnitude)

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.inner.gate(name, value, terms, magnitude)

    def function(self, name: str, function: str, value: Array) -> Array:
        return self.inner.function(name, function, value)

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        return self._keep(name, self.inner.gate_output(name, function, value))

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self._keep(name, self.inner.cell(name, value, magnitude))

    def hidden(self, name: str, value: Array) -> Array:
        return self._keep(name, self.inner.hidden(name, value))


def trace(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    inputs: Mapping[str, Array],
    layers: Sequence[str],
    scheme: Scheme,
    ranges: Ranges | None = None,
    trials: int = TRIALS,
    seed: int = 0,
) -> dict[str, dict[str, Traced]]:
    """For each of the LSTM layers its QUANTITIES over all steps.

    layers: names as the hooks have them: `layer`, `layer/forward`, `layer/backward`. The rest as
    in `reference.budgets.monte_carlo.budgets`, which says what is raised.
    """
    taps = [Tap(Hooks()), Tap(make_hooks(scheme, ranges, trials, seed))]
    for tap in taps:
        run(document, weights, inputs, Run(tap))
    return {layer: _traced(layer, taps[0].seen, taps[1].seen) for layer in layers}


def _traced(
    layer: str, exact: Mapping[str, Sequence[Array]], noisy: Mapping[str, Sequence[Array]]
) -> dict[str, Traced]:
    of_exact, of_noisy = _quantities(layer, exact), _quantities(layer, noisy)
    found = {}
    for name in QUANTITIES:
        value = of_exact[name][:, 0]
        budget = np.array([_budget(e, n) for e, n in zip(value, of_noisy[name], strict=True)])
        found[name] = Traced(value, budget)
    return found


def _quantities(layer: str, seen: Mapping[str, Sequence[Array]]) -> dict[str, Array]:
    """Each [steps, trials, rows, units]; input and forget gate come through the hooks as one."""
    both = np.stack(seen[f"{layer}/if"])
    n = both.shape[-1] // 2
    rest = {"candidate": "g", "o": "o", "cell": "cell", "hidden": "hidden"}
    return {
        "i": both[..., :n],
        "f": both[..., n:],
        **{name: np.stack(seen[f"{layer}/{part}"]) for name, part in rest.items()},
    }


def _budget(exact: Array, noisy: Array) -> float:
    """exact: [rows, units]; noisy: [trials, rows, units]. Systematic plus SAFETY times random."""
    error = noisy - exact
    mean = error.mean(axis=0)
    random = max(float(np.abs(error - mean).max()), UNIT_ROUNDOFF * float(np.abs(exact).max()))
    return float(np.abs(mean).max()) + SAFETY * random
