"""Does it convert, and is the flatbuffer what the recipe says?

Every variant of the catalogue (or your model) with every recipe. A case passes the phases
build, convert and structure, or ends in the way that fixtures/limitations/cases.toml registers.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.conversion import measure_conversion
from harness.pipeline.cases import Case, Judged, Measured
from harness.session.session import Session


def test_conversion(
    conversion_case: Case, session: Session, verdict: Callable[[Case, Measured], Judged]
) -> None:
    verdict(conversion_case, measure_conversion(conversion_case, session))
