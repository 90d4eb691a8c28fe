"""Does it run, and does it agree?

Every variant (or your model) with every recipe on every runtime. A case passes the phases load,
invoke and compare within its budget, or ends in the way that fixtures/limitations/cases.toml
registers. Keras itself is a runtime too: the function a recipe converts is held to the float64
oracle.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.parity import measure_parity
from harness.pipeline.cases import Case, Judged, Measured
from harness.session.session import Session


def test_parity(
    parity_case: Case, session: Session, verdict: Callable[[Case, Measured], Judged]
) -> None:
    verdict(parity_case, measure_parity(parity_case, session))
