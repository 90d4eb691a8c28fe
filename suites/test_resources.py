"""What does a device need for it?

Every variant that TensorFlow Lite Micro runs (or your model): the smallest tensor arena and what
fills it, the size of the flatbuffer, its operators, the multiply-accumulates of an invoke, and
the C array for the firmware, which a compiler must turn into the same bytes and TensorFlow Lite
Micro into the same answer. The files are in report/device/.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.pipeline.cases import Case, Judged, Measured


def test_resources(
    resource_case: Case,
    resource_check: Callable[[Case], Measured],
    verdict: Callable[[Case, Measured], Judged],
) -> None:
    verdict(resource_case, resource_check(resource_case))
