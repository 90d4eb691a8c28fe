"""The proof of a repaired model says what is left unfused, worse, or written otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.assurance.certificate.faults import repair_faults
from harness.pipeline.cases import Measured
from harness.repair.model_proof import Judged, not_as_rewritten, shortcomings

AGREED = StepResult(Phase.COMPARE, Outcome.AGREED)
DIVERGED = StepResult(Phase.COMPARE, Outcome.DIVERGED, "0.5 off")
REFUSED = StepResult(Phase.LOAD, Outcome.REFUSED, "no REVERSE_V2")
CRASHED = StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV")


def judged(result: StepResult, fused: int = 1, loops: int = 0) -> Judged:
    unfused = () if fused else ("layer 'lstm' (LSTM) is a WHILE loop",)
    return Judged(fused, 1, loops, unfused, {"tflite": Measured(result)})


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (AGREED, AGREED, False),
        (DIVERGED, AGREED, False),
        (REFUSED, REFUSED, False),
        (DIVERGED, REFUSED, False),
        (AGREED, REFUSED, True),
        (DIVERGED, DIVERGED, True),
        (REFUSED, DIVERGED, True),
        (REFUSED, CRASHED, True),
    ],
)
def test_a_runtime_may_only_refuse_what_it_did_not_answer_before(
    before: StepResult, after: StepResult, wrong: bool
) -> None:
    found = shortcomings(judged(before, 0, 1), judged(after))
    assert bool(found) == wrong
    assert all("tflite" in fault for fault in found)


def test_what_is_not_fused_is_told() -> None:
    before = judged(AGREED, 0, 1)
    assert "WHILE loop" in shortcomings(before, judged(AGREED, fused=0, loops=1))[0]
    assert shortcomings(before, judged(AGREED, loops=1)) == ["1 WHILE loops are left"]
    gone = replace(judged(AGREED, fused=0), layers=0, unfused=())
    assert shortcomings(before, gone) == ["the rewritten model did not convert"]


def test_another_file_than_the_rewritten_model_is_told() -> None:
    made = repair_faults.of_stack()
    config, weights = made.config, dict(made.weights)
    assert not_as_rewritten(made, config, weights) == []
    assert not_as_rewritten(made, None, weights)
    assert not_as_rewritten(made, repair_faults.unrolled().config, weights)
    assert not_as_rewritten(made, config, {**weights, "rnn/9": np.zeros(1)})
    name = "rnn/4"
    weights[name] = np.nextafter(weights[name], np.float32(9))
    assert not_as_rewritten(made, config, weights) == [
        f"the weight {name} of the file that was written is another"
    ]
