"""Do the models of another day still answer as they did?

Flatbuffers of TensorFlow 1.15's OpHint with the recorded answers of the session they came from,
on every runtime; those with the LSTM of 20 inputs also padded to the 24 that TensorFlow Lite
Micro demands. What today's runtimes refuse, and what that converter dropped, is registered. And
files of Keras 3 versions, rebuilt in Keras 2, with the recorded answers of the Keras that wrote
them.
"""

from __future__ import annotations

from harness.checks.golden import measure_golden
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.goldens, judges="installation")


def test_golden(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_golden(case, session))
