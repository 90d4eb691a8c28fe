"""Fail a case by its findings, each held to the runs that it predicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from fixtures.limitations import cases as limitations
from fixtures.outcomes import Outcome, Phase, StepResult
from harness.checks.parity import measure_parity
from harness.flatbuffer.structure import Structure
from harness.pipeline.cases import Case, Measured, judge
from harness.session.session import Session
from harness.structure.findings import Finding, errors, text


@dataclass(frozen=True)
class Checked:
    """How a case ended and everything that was found. structure: None without a flatbuffer."""

    measured: Measured
    findings: tuple[Finding, ...] = ()
    structure: Structure | None = None


def ended(
    measured: Measured,
    findings: Sequence[Finding],
    failing: Sequence[Finding],
    parted: Sequence[str],
) -> Measured:
    if parted or failing:
        message = "\n".join([*parted, *map(str, failing)])
        return replace(measured, result=StepResult(Phase.STRUCTURE, Outcome.DIVERGED, message))
    return replace(measured, result=StepResult(Phase.STRUCTURE, Outcome.AGREED, text(findings)))


def held_to_runs(
    case: Case, session: Session, findings: Sequence[Finding]
) -> tuple[list[str], list[Finding]]:
    """Where predicted and run part, and the errors that a user's gate fails on."""
    registry, asked = limitations.load(), session.settings.asked
    parted: list[str] = []
    failing = [f for f in errors(findings) if not f.predicts]
    for runtime in case.confirm_on:
        run = replace(case, suite="test_parity", runtime=runtime)
        outcome = measure_parity(run, session)
        told = [f for f in findings if runtime.name in f.predicts]
        forms = {finding.predicts[runtime.name] for finding in told}
        if sentence := _parting(runtime.name, forms, outcome.result):
            rules = ", ".join(sorted({finding.rule for finding in told})) or "nothing"
            parted.append(f"{sentence} (predicted by {rules})")
        if judge(run, outcome, registry, asked).verdict == "failed":
            failing += [f for f in told if f.level == "error" and f not in failing]
    return parted, failing


def _parting(runtime: str, forms: Collection[str], outcome: StepResult) -> str:
    """How a runtime's outcome parts from what was predicted of it; empty when it does not."""
    ended = "agreed" if outcome.agreed else f"{outcome.outcome.value} in {outcome.phase.value}"
    if not forms:
        return "" if outcome.agreed else f"{runtime} {ended}, which nothing predicted"
    if "refuses" in forms:
        refused = outcome.phase in (Phase.LOAD, Phase.INVOKE) and outcome.outcome is Outcome.REFUSED
        return "" if refused else f"{runtime} should refuse the model and {ended}"
    wrong = outcome.outcome in (Outcome.DIVERGED, Outcome.HUNG)
    return "" if wrong else f"{runtime} should be wrong and {ended}"
