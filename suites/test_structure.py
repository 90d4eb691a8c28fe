"""Will it fuse, and if not, why?

What will TFLite Micro say? Did the recipe do what it says?

Every subject with every recipe, read from the flatbuffer and the model's configuration before a
runtime is asked. What the structure predicts of TFLite and TFLite Micro must then come true.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.findings_verdict import Checked
from harness.pipeline.cases import Case, Judged, Measured


def test_structure(
    structure_case: Case,
    structure_check: Callable[[Case], Checked],
    verdict: Callable[[Case, Measured], Judged],
) -> None:
    verdict(structure_case, structure_check(structure_case).measured)
