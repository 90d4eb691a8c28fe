"""Does it run, and does it agree?

Every variant (or your model) with every recipe on every runtime. A case passes the phases load,
invoke and compare within its budget, or ends in the way that fixtures/limitations/cases.toml
registers. Keras itself is a runtime too: the function a recipe converts is held to the float64
oracle.
"""

from __future__ import annotations

from harness.checks.parity import measure_parity
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.parities, unit="conversions", of_file=True)


def test_parity(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_parity(case, session))
