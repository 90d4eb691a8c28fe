"""Tell where a budget is as large as what it is to judge: the recipe is unfit for the model then.

A budget is what rounding explains. Where it reaches the spread of the model's own answers over the
samples, any answer of that kind would pass, and the conversion tells the samples apart no longer.
Both root mean squares are compared: that of all errors which rounding explains, and that of the
answers about their mean over the samples. A runtime's own error has to be so large, too: SAFETY
times it, as in the budget, reaches the spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparison.compare import Allowed
from reference.budgets.monte_carlo import SAFETY

Array = NDArray[Any]
#: An int8 tensor holds zero, so its step is at least the largest value ÷ 255.
_LEVELS = 255
#: Answers that use so many levels of their int8 range or fewer are nearly one value: as few as of
#: 4 bits.
_FEW_LEVELS = 16


@dataclass(frozen=True)
class Unfit:
    """An output whose budget decides nothing. spread: of its answers over the samples; error: of
    the runtime. All root mean squares, in the output's unit."""

    output: int
    budget: float
    spread: float
    error: float

    def __str__(self) -> str:
        return (
            f"output {self.output}: rounding alone may be off by {self.budget:.3g} (root mean "
            f"square, this runtime is by {self.error:.3g}), and the model's answers to these "
            f"samples differ from their mean by {self.spread:.3g}"
        )


def spread(values: Array) -> float:
    """Root mean square over samples [N, …] of the distance from the mean over samples."""
    real = np.asarray(values, np.float64)
    return float(np.sqrt(np.square(real - real.mean(axis=0)).mean()))


def resolution(values: Array) -> float:
    """The finest step of an int8 tensor that holds these values and zero."""
    real = np.asarray(values, np.float64)
    return float(max(0.0, real.max()) - min(0.0, real.min())) / _LEVELS


def unfit(
    expected: Sequence[Array], actual: Sequence[Array], budgets: Sequence[Allowed]
) -> Unfit | None:
    """The first output of which the recipe makes nothing but noise; None where there is none.

    Answers of hardly any variety are none of it: of them the samples show nothing
    (`shows_nothing`, and what uses a few levels of its range).
    """
    for index, (want, got, budget) in enumerate(zip(expected, actual, budgets, strict=True)):
        real = np.asarray(want, np.float64)
        variety = float(np.ptp(real, axis=0).max())
        if variety <= _FEW_LEVELS * resolution(real):
            continue
        about = spread(real)
        error = float(np.sqrt(np.square(np.asarray(got, np.float64) - real).mean()))
        if budget.rms >= about and SAFETY * error >= about:
            return Unfit(index, budget.rms, about, error)
    return None
