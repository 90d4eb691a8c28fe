"""Are your own predictions those of your flatbuffer, and if not, what does your code leave out?

`--predictions` has your code's answers to `--inputs`. They have to be those of one of the
runtimes; where they are not, the ways to get a prediction helper wrong are carried out on your
flatbuffer, and the one that gives your answers back is named with its cure.
"""

from __future__ import annotations

from harness.checks.predictions import measure_predictions
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.predictions)


def test_predictions(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_predictions(case, session))
