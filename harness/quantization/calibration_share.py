"""Measure which part of an integer model's error its calibration causes, and which its recipe.

Two runs of the oracle with the scheme's rounding: at the ranges that the file has, and at those
that the samples ask for. What the first is off beyond the second is the calibration's share; where
it is larger than the second itself, more of the error comes from the calibration than from the
recipe, and the finding is an error.

A few samples beyond the calibrated range prove nothing: of exchangeable samples some always are
(beyond both extremes of n others lies a share that follows Beta(2, n − 1), so their number among m
is beta-binomial; Wilks 1941, "Determination of sample sizes for setting tolerance limits"). As many
as chance explains are left out, those that are furthest off; but never most of them, for what is
off for most samples is no tail (a statistic that leaves out more than half follows whatever is
left: Rousseeuw & Leroy 1987, "Robust Regression and Outlier Detection", on breakdown points).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.budgets.consequences import errors_by_sample
from reference.budgets.monte_carlo import Scheme, calibrate
from reference.budgets.precision_schemes import Ranges

Array = NDArray[Any]
#: How improbable it must be that the calibration's samples and these are of one kind.
CHANCE = 0.01
#: The least that guides for integer conversion ask for, where the calibration's number of samples
#: is not known.
USUAL_CALIBRATION = 100


@dataclass(frozen=True)
class Share:
    """What an output's error is made of, root mean square over samples, in its unit.

    recipe: at the ranges of the samples themselves. calibration: what the file's ranges add.
    output: its position. left_out: how many samples chance explains.
    """

    recipe: float
    calibration: float
    output: int = 0
    left_out: int = 0

    @property
    def decides(self) -> bool:
        """Whether the calibration's share is larger than the recipe's own."""
        return self.calibration > self.recipe

    @property
    def ratio(self) -> float:
        return self.calibration / self.recipe if self.recipe else math.inf

    def __str__(self) -> str:
        text = (
            f"its share of the error of output {self.output} is {self.calibration:.3g} (root mean "
            f"square), the recipe's own {self.recipe:.3g}"
        )
        if self.left_out:
            text += f"; without the {self.left_out} samples furthest off, which chance explains"
        return text


def left_out_by_chance(calibrated: int, given: int) -> int:
    """The most of `given` samples that may lie beyond the extremes of `calibrated` others of the
    same kind, with a probability of at least CHANCE."""
    if calibrated < 2:
        return given
    tail = 0.0
    for k in range(given, 0, -1):
        tail += math.exp(_log_probability(k, calibrated, given))
        if tail >= CHANCE:
            return k
    return 0


def _log_probability(k: int, calibrated: int, given: int) -> float:
    """Of exactly k of the given samples beyond: beta-binomial with Beta(2, calibrated − 1)."""
    choices = math.lgamma(given + 1) - math.lgamma(k + 1) - math.lgamma(given - k + 1)
    return choices + _log_beta(k + 2, given - k + calibrated - 1) - _log_beta(2, calibrated - 1)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def extremes(samples: Array) -> tuple[Array, Array]:
    """Least and greatest value of each sample."""
    flat = samples.reshape(len(samples), -1)
    return flat.min(axis=1), flat.max(axis=1)


def wider_by_chance(calibration: Array, given: Array) -> bool:
    """Whether no more calibration samples lie beyond the given ones than chance explains: a
    calibration that has a few extreme samples is not of another kind."""
    low, high = extremes(calibration)
    beyond = int(np.count_nonzero((low < given.min()) | (high > given.max())))
    return beyond <= left_out_by_chance(len(given), len(calibration))


def share_of_calibration(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    stimulus: Mapping[str, Array],
    scheme: Scheme,
    file_ranges: Ranges,
    calibrated: int | None,
) -> Share:
    """The share at the output where the calibration's is the largest part.

    file_ranges: of every tensor, as the file has them. calibrated: the number of calibration
    samples that chance may excuse, None where it is not known. Raises what the oracle raises.
    """
    right = calibrate(document, weights, stimulus, carry_state=False)
    own = errors_by_sample(document, weights, stimulus, scheme, right)
    found = errors_by_sample(document, weights, stimulus, scheme, file_ranges)
    count = len(own[0])
    chance = left_out_by_chance(USUAL_CALIBRATION if calibrated is None else calibrated, count)
    out = min(chance, count // 2)
    shares = [_share(k, a, b, out) for k, (a, b) in enumerate(zip(own, found, strict=True))]
    return max(shares, key=lambda share: share.ratio)


def _share(output: int, own: Array, found: Array, left_out: int) -> Share:
    order = np.argsort(found - own)
    kept = order[: len(order) - left_out]
    if not len(kept):
        return Share(_rms(own), 0.0, output, left_out)
    recipe, total = _rms(own[kept]), _rms(found[kept])
    return Share(recipe, max(0.0, total - recipe), output, left_out)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.square(values).mean()))


def ranges_of_file(
    document: Mapping[str, Any],
    weights: Mapping[str, Array],
    stimulus: Mapping[str, Array],
    known: Mapping[str, tuple[float, float]],
    calibrated: Ranges | None,
) -> dict[str, tuple[float, float]]:
    """The ranges of every tensor of a file of which some are known, those of the inputs among them,
    by the oracle's names.

    calibrated: those that its calibration gives, where the samples are at hand; else the other
    tensors have the ranges that they have where the inputs stay within theirs.
    """
    if calibrated is None:
        cut = {
            name: np.clip(array, *known[name]) if name in known else array
            for name, array in stimulus.items()
        }
        calibrated = calibrate(document, weights, cut, carry_state=False)
    return {**calibrated, **{name: ends for name, ends in known.items() if name in calibrated}}


def named_inputs(
    names: Sequence[str], order: Sequence[int], ends: Sequence[tuple[float, float] | None]
) -> dict[str, tuple[float, float]]:
    """The range of each input by its name in the model. order: of the flatbuffer's inputs in it."""
    return {
        names[position]: pair
        for position, pair in zip(order, ends, strict=True)
        if pair is not None
    }
