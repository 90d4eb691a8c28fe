"""A runtime that refuses a file alone, and was not asked for, harms nobody by what it would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.checks.findings_verdict import _reached
from harness.pipeline.cases import Case, Judged, Measured, Verdict
from harness.structure.findings import Finding

LOOP = Finding("tflm-loop", "error", "wrong numbers, or never ends", predicts={"tflm": "wrong"})
FAMILIES = {"tflite": "tflite", "tflm": "tflm"}


def _runs(phase: Phase, outcome: Outcome, verdict: Verdict) -> dict[str, Judged]:
    subject = Subject("my.tflite", "tflite", path=Path("my.tflite"))
    case = Case("test_parity", subject, AS_CONVERTED, RUNTIMES["tflm"])
    agreed = Measured(StepResult(Phase.COMPARE, Outcome.AGREED))
    ended = Measured(StepResult(phase, outcome, "told"))
    return {
        "tflite": Judged(case, agreed, None, "agreed"),
        "tflm": Judged(case, ended, None, verdict),
    }


def test_a_refusal_of_a_runtime_that_was_not_asked_for() -> None:
    found = _reached(LOOP, _runs(Phase.LOAD, Outcome.REFUSED, "limitation"), FAMILIES)
    assert found.level == "warning"
    assert found.message.endswith("; tflm does not come so far")


@pytest.mark.parametrize(
    ("phase", "outcome", "verdict"),
    [
        (Phase.LOAD, Outcome.REFUSED, "failed"),
        (Phase.INVOKE, Outcome.HUNG, "limitation"),
        (Phase.COMPARE, Outcome.DIVERGED, "failed"),
        (Phase.COMPARE, Outcome.AGREED, "agreed"),
    ],
)
def test_any_other_end_leaves_the_finding(phase: Phase, outcome: Outcome, verdict: Verdict) -> None:
    assert _reached(LOOP, _runs(phase, outcome, verdict), FAMILIES) == LOOP
