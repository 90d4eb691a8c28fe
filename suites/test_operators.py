"""Does each form of the LSTM operator do what it says, on every runtime?

Models of one operator, built from the schema: what Keras cannot express. Each is held to its
specification within derived rounding, and to its runtime's own arithmetic, outputs and states.
"""

from __future__ import annotations

from collections.abc import Callable

from fixtures.cases import Case, Judged, Measured
from fixtures.lab import Lab


def test_operator(
    operator_case: Case, lab: Lab, verdict: Callable[[Case, Measured], Judged]
) -> None:
    verdict(operator_case, lab.operator(operator_case))
