"""Judge a flatbuffer without its Keras model by the arithmetic of its operators alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.checks.arithmetic.held import RULE, held
from harness.checks.arithmetic.wording import blame_of, text_of
from harness.comparison.compare import Allowed, compare
from harness.diagnosis.operator_evidence import wrong_by_its_scales
from harness.operators.held_model import HeldModel
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session


def settled(
    case: Case,
    session: Session,
    measured: Measured,
    outputs: Sequence[Any],
    expected: Sequence[Any] | None,
    saturated: Sequence[float] = (),
) -> Measured:
    """What was measured of a file alone against another runtime, settled by its operators.

    Where one is not what its oracle says, the file diverges on this runtime. Where each has an
    oracle and is right, the answer is the file's, however another runtime rounds: it agrees, unless
    it is none (constant, not finite) or its scales contradict each other. Else it stays as it was.
    outputs: as real numbers; expected: another runtime's, None where there is none.
    """
    artifacts = session.artifacts(case)
    assert case.runtime is not None
    if artifacts.keras is not None:
        return measured
    one = held(case, session, case.runtime)
    if not isinstance(one, HeldModel):
        return measured
    measured = replace(measured, arithmetic=(one.document(),))
    if one.wrong:
        named = blame_of(case.runtime, one)
        result = StepResult(Phase.COMPARE, Outcome.DIVERGED, text_of(case.runtime.name, one))
        return replace(measured, result=result, blame=named.document())
    if not one.proven or measured.result.phase is not Phase.COMPARE:
        return measured
    if not measured.result.agreed and not _sound(artifacts, outputs, expected, saturated):
        return measured
    rule = f"{RULE}: all {len(one.operators)} operators, {one.values} values"
    agreed = StepResult(Phase.COMPARE, Outcome.AGREED)
    values = measured.values or one.values
    return replace(measured, result=agreed, values=values, budget_rule=rule)


def _sound(
    artifacts: CaseArtifacts,
    outputs: Sequence[Any],
    expected: Sequence[Any] | None,
    saturated: Sequence[float],
) -> bool:
    """Whether outputs are an answer at all, and no operator's scales contradict each other: each
    is then exact, and the file is wrong all the same."""
    if any(wrong_by_its_scales(part) for part in artifacts.operators.parts):
        return False
    wanted = list(outputs if expected is None else expected)
    allowed = [Allowed(float("inf")) for _ in wanted]
    return compare(wanted, list(outputs), allowed, saturated).result.agreed
