"""Does it convert, and is the flatbuffer what the recipe says?

Every variant of the catalogue (or your model) with every recipe. A case passes the phases
build, convert and structure, or ends in the way that fixtures/limitations/cases.toml registers.
"""

from __future__ import annotations

from harness.checks.conversion import measure_conversion
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.conversions, unit="conversions", of_file=True)


def test_conversion(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_conversion(case, session))
