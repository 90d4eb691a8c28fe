"""What does a device need for it?

Every variant that TensorFlow Lite Micro runs (or your model): the smallest tensor arena and what
fills it, the size of the flatbuffer, its operators, the multiply-accumulates of an invoke, and
the C array for the firmware, which a compiler must turn into the same bytes and TensorFlow Lite
Micro into the same answer. The files are in report/device/.
"""

from __future__ import annotations

from harness.device.resources import device_cases, measure_resources
from harness.pipeline.cases import Case
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(device_cases, of_file=True)


def test_resources(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_resources(case, session))
