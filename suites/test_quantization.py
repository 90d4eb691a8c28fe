"""Are the scales, zero points and calibration of every integer model right?

A broken rule names its tensors and the runtimes that it makes wrong, and by how much; each fused
LSTM, run alone on both runtimes, must answer exactly so.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.quantization import measure_quantization
from harness.pipeline.cases import Case, Measured
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.quantizations, unit="conversions", of_file=True)


def test_quantization(
    case: Case, session: Session, noted: Callable[..., Measured], verdict: Verdict
) -> None:
    verdict(case, noted(case, measure_quantization(case, session)))
