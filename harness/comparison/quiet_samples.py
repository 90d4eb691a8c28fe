"""Hold the samples that no calibrated range cuts off to their own budget.

Saturation moves an answer whatever the rounding is, so it is in the budget of a calibration that
is too narrow, and the budget of all samples then has room for any fault of those it does not touch
(reference.budgets.monte_carlo.Quiet).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed, Comparison, compare


def without_saturated(
    expected: Expectation, outputs: Sequence[Any], of_all: Comparison, factor: float = 1.0
) -> Comparison:
    """A comparison that agreed, or that of the samples alone which no calibrated range cuts off
    where those are beyond their own budget: what saturation is allowed to the others is no excuse
    for them. factor: of the budgets, as it was applied to all."""
    if not of_all.result.agreed:
        return of_all
    for index, quiet in enumerate(expected.quiet):
        if quiet is None:
            continue
        samples, budget = quiet
        of_some = compare(
            [expected.outputs[index][samples]],
            [np.asarray(outputs[index])[samples]],
            [Allowed(factor * budget.largest, factor * budget.rms)],
        )
        if of_some.budget_used is not None and of_some.budget_used > 1:
            told = of_some.result.message.replace("output 0", f"output {index}", 1)
            few = f"of the {np.count_nonzero(samples)} of {len(samples)} samples that no calibrated"
            message = f"{told}; {few} range cuts off"
            return replace(of_some, result=replace(of_some.result, message=message))
    return of_all
