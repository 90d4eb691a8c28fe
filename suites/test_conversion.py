"""Does it convert, and is the flatbuffer what the recipe promised?

Every variant of the catalogue (or your model) with every recipe. A case passes the phases
build, convert and structure, or ends in the way that fixtures/limitations.toml registers.
"""

from __future__ import annotations

from collections.abc import Callable

from fixtures.cases import Case, Judged, Measured
from fixtures.lab import Lab


def test_conversion(
    conversion_case: Case, lab: Lab, verdict: Callable[[Case, Measured], Judged]
) -> None:
    verdict(conversion_case, lab.conversion(conversion_case))
