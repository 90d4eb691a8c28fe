"""Are the scales, zero points and calibration of every integer model right?

A broken rule names its tensors and the runtimes that it makes wrong, and by how much; each fused
LSTM, run alone on both runtimes, must answer exactly so.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.findings_verdict import Checked
from harness.pipeline.cases import Case, Judged, Measured


def test_quantization(
    quantization_case: Case,
    quantization_check: Callable[[Case], Checked],
    verdict: Callable[[Case, Measured], Judged],
) -> None:
    verdict(quantization_case, quantization_check(quantization_case).measured)
