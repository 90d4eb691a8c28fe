"""Do the models of another day still answer as they did?

Flatbuffers of TensorFlow 1.15's OpHint with the recorded answers of the session they came from,
on every runtime; those with the LSTM of 20 inputs also padded to the 24 that TensorFlow Lite
Micro demands. What today's runtimes refuse, and what that converter dropped, is registered.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.golden import measure_golden
from harness.pipeline.cases import Case, Judged, Measured
from harness.session.session import Session


def test_golden(
    golden_case: Case, session: Session, verdict: Callable[[Case, Measured], Judged]
) -> None:
    verdict(golden_case, measure_golden(golden_case, session))
