"""Search for an input that reaches a limit which a file has and its samples do not reach.

A clip at 2 is no fault to be seen where the cell state stays below 1.7 on every sample, and still
the file is another model than its source. So inputs are looked for, within the range of the samples
of each feature: corners and random ones first, then the best of them, changed in some of their
values at a time (a stochastic coordinate ascent), on the float64 oracle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.network import Hooks, evaluate
from reference.network.hooks import Lazy

Array = NDArray[Any]
#: Inputs that are tried at a time, and how often. Both are fixed, so that a run can be repeated;
#: the clock only ends what would take too long.
TRIED, ROUNDS = 24, 40
#: Batches more, once an input is beyond the limit, for one that moves the outputs most.
DEEPENED = 12
SECONDS = 1.0
#: The samples of a batch axis, in an array of the oracle's hooks: [trials, samples, …].
_SAMPLES = 1


@dataclass(frozen=True)
class Limit:
    """Where a file ends a tensor. name: the oracle's, `layer/cell` of an LSTM's cell state or the
    layer's own for its output. low, high: what the file lets through."""

    layer: str
    name: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Reached:
    """What a search came to. furthest: the value that came nearest to the limit, or furthest beyond
    it. by_samples: the same of the samples. sample: the input that did, [1, batch, …] each. apart:
    by how much that moves the model's outputs, each; empty where the limit was not reached."""

    limit: Limit
    furthest: float
    by_samples: float
    sample: Mapping[str, Array]
    tried: int
    apart: tuple[float, ...] = ()

    @property
    def beyond(self) -> bool:
        return self.furthest > 1.0


class _Watch(Hooks):
    """Remembers how far one tensor comes, as a share of its limit, by sample."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.shares: Array = np.zeros(0)

    def _seen(self, name: str, value: Array) -> None:
        if name != self.limit.name:
            return
        axes = tuple(k for k in range(value.ndim) if k != _SAMPLES)
        shares = np.full(value.shape[_SAMPLES], -np.inf)
        if np.isfinite(self.limit.high):
            shares = np.maximum(shares, value.max(axis=axes) / self.limit.high)
        if np.isfinite(self.limit.low) and self.limit.low < 0:
            shares = np.maximum(shares, value.min(axis=axes) / self.limit.low)
        if self.shares.shape != shares.shape:
            self.shares = shares
        self.shares = np.maximum(self.shares, shares)

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        self._seen(name, value)
        return value

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        self._seen(name, value)
        return value


class _Limited(Hooks):
    """Lets the file's limit into the evaluation."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit

    def _cut(self, name: str, value: Array) -> Array:
        return value if name != self.limit.name else np.clip(value, self.limit.low, self.limit.high)

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self._cut(name, value)

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        return self._cut(name, value)


def search(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    samples: Mapping[str, Array],
    limit: Limit,
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> Reached:
    """The input within the samples' range that takes a tensor furthest towards its limit.

    document, weights: as for reference.network.evaluate. samples: [N, batch, …] by input. It ends
    at the first input beyond the limit, after `rounds` batches or after `seconds`. Raises what the
    oracle raises.
    """
    ends, random = time.monotonic() + seconds, np.random.default_rng(seed)

    def shares(inputs: Mapping[str, Array]) -> Array:
        watch = _Watch(limit)
        evaluate(document, weights, inputs, watch)
        return watch.shares

    count = len(next(iter(samples.values())))
    kept = {name: array[: 4 * TRIED] for name, array in samples.items()}
    scores = shares(kept)
    if not scores.size:
        return Reached(limit, -np.inf, -np.inf, {}, count)
    best, best_score = _picked(kept, int(scores.argmax())), float(scores.max())
    by_samples, tried = best_score, len(scores)
    draw = _drawing(samples, random)
    for number in range(rounds):
        if best_score > 1 or time.monotonic() > ends:
            break
        inputs = draw() if number < 2 else _changed(best, draw(), random)
        scores = shares(inputs)
        tried += len(scores)
        if float(scores.max()) > best_score:
            best, best_score = _picked(inputs, int(scores.argmax())), float(scores.max())
    if best_score <= 1:
        return Reached(limit, best_score, by_samples, best, tried)

    def apart(inputs: Mapping[str, Array]) -> Array:
        """By output and input, how far the limit moves it."""
        exact = evaluate(document, weights, inputs)
        limited = evaluate(document, weights, inputs, _Limited(limit))
        return np.array([_largest(a - b[0]) for a, b in zip(exact, limited, strict=True)])

    moved = apart(best)
    for _ in range(DEEPENED):
        if time.monotonic() > ends:
            break
        inputs = _changed(best, draw(), random)
        all_moved = apart(inputs)
        tried += all_moved.shape[1]
        at = int(all_moved.max(axis=0).argmax())
        if all_moved[:, at].max() > moved.max():
            best, moved = _picked(inputs, at), all_moved[:, at : at + 1]
    best_score = float(shares(best)[0])
    told = tuple(float(one) for one in moved[:, 0])
    return Reached(limit, best_score, by_samples, best, tried, told)


def _largest(values: Array) -> Array:
    """Of each sample."""
    return np.asarray(np.abs(values).reshape(len(values), -1).max(axis=1, initial=0.0))


def _picked(inputs: Mapping[str, Array], number: int) -> dict[str, Array]:
    return {name: array[number : number + 1] for name, array in inputs.items()}


def _drawing(
    samples: Mapping[str, Array], random: np.random.Generator
) -> Callable[[], dict[str, Array]]:
    """Inputs of every feature's own range: half of them at its ends all the time, half random."""
    ends = {name: _ends(array) for name, array in samples.items()}

    def draw() -> dict[str, Array]:
        found = {}
        for name, array in samples.items():
            low, high = ends[name]
            shape = (TRIED, *array.shape[1:])
            if array.dtype.kind != "f":
                found[name] = random.choice(array.reshape(-1), shape).astype(array.dtype)
                continue
            anywhere = low + (high - low) * random.random(shape)
            still = np.ones_like(anywhere)
            corner = random.integers(0, 2, (TRIED, *(1,) * (array.ndim - 2), array.shape[-1]))
            cornered = np.where(still * corner > 0, high, low)
            at_ends = (np.arange(TRIED) % 2).reshape(-1, *(1,) * (array.ndim - 1))
            found[name] = np.where(at_ends > 0, cornered, anywhere).astype(array.dtype)
        return found

    return draw


def _ends(array: Array) -> tuple[Array, Array]:
    """The least and greatest value of each feature, the last axis."""
    flat = array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array.reshape(-1, 1)
    return flat.min(axis=0), flat.max(axis=0)


def _changed(
    best: Mapping[str, Array], drawn: Mapping[str, Array], random: np.random.Generator
) -> dict[str, Array]:
    """The best input with a share of its values exchanged for drawn ones: few in some, many in
    others."""
    found = {}
    for name, array in drawn.items():
        chance = 2.0 ** -random.integers(1, 6, (len(array), *(1,) * (array.ndim - 1)))
        found[name] = np.where(random.random(array.shape) < chance, array, best[name])
    return found
