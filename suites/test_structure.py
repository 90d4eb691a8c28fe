"""Will it fuse, and if not, why?

What will TFLite Micro say? Did the recipe do what it says?

Every subject with every recipe, read from the flatbuffer and the model's configuration before a
runtime is asked. What the structure predicts of TFLite and TFLite Micro must then come true.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.structure import measure_structure
from harness.pipeline.cases import Case, Measured
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.structures, unit="conversions", of_file=True)


def test_structure(
    case: Case, session: Session, noted: Callable[..., Measured], verdict: Verdict
) -> None:
    verdict(case, noted(case, measure_structure(case, session), contents=True))
