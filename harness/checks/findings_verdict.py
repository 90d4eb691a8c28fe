"""Fail a case by its findings, each held to the runs that it predicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from fixtures.limitations import cases as limitations
from fixtures.outcomes import Outcome, Phase, StepResult
from harness.checks.fitness import turned_by_rounding
from harness.checks.parity import measure_parity
from harness.checks.severity import CONSEQUENCES, Evidence, decided
from harness.flatbuffer.structure import Structure
from harness.pipeline.cases import Case, Judged, Measured, Verdict, judge
from harness.quantization.calibration_share import Share
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
    failed = {id(finding) for finding in failing}
    told = tuple(
        {**finding.document(), **({"failing": True} if id(finding) in failed else {})}
        for finding in findings
    )
    measured = replace(measured, findings=told)
    if parted or failing:
        message = "\n".join([*parted, *map(str, failing)])
        return replace(measured, result=StepResult(Phase.STRUCTURE, Outcome.DIVERGED, message))
    return replace(measured, result=StepResult(Phase.STRUCTURE, Outcome.AGREED, text(findings)))


def failing_of(case: Case, session: Session, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that fail a case: its errors, and a user's warnings where they asked for it.

    Of the catalogue, what is predicted of a runtime has happened, or the prediction is parted from
    its run: it fails nothing by itself.
    """
    if case.subject.registered:
        return [f for f in errors(findings) if not f.predicts]
    levels = ("error", "warning") if session.settings.asked.strict else ("error",)
    return [f for f in findings if f.level in levels]


def runs_of(case: Case, session: Session) -> dict[str, Judged]:
    """How the comparison of the whole model was judged, on each runtime that was asked for."""
    registry, asked = limitations.load(), session.settings.asked
    found = {}
    for runtime in case.confirm_on:
        run = replace(case, suite="test_parity", runtime=runtime)
        found[runtime.name] = judge(run, measure_parity(run, session), registry, asked)
    return found


def weighed(
    case: Case,
    session: Session,
    findings: Sequence[Finding],
    share: Share | None = None,
    proving: tuple[Verdict, ...] = ("failed",),
    scales: Share | None = None,
) -> list[Finding]:
    """The findings at the level that their proven consequence gives them (see
    harness/checks/severity.py)."""
    if case.subject.registered:
        return list(findings)
    needs_runs = any(
        f.level == "error" and CONSEQUENCES.get(f.rule, "runtime") == "runtime" for f in findings
    )
    compared = case.subject.model_path is not None or case.subject.variant is not None
    runs = runs_of(case, session) if needs_runs and compared else {}
    families = {runtime.name: runtime.adapter.kernels for runtime in case.confirm_on}
    ordinary = turned_by_rounding(case, session) if runs else None
    if needs_runs and not compared:
        findings = [_reached(finding, runs_of(case, session), families) for finding in findings]
    evidence = Evidence(False, runs, families, share, ordinary, proving, scales)
    return decided(findings, evidence)


def _reached(finding: Finding, runs: Mapping[str, Judged], families: Mapping[str, str]) -> Finding:
    """A finding about a flatbuffer alone: an error on a runtime that refuses the file anyway, and
    was not asked for, harms nobody."""
    about = [name for name in runs if families.get(name) in finding.predicts]
    refused = [
        name
        for name in about
        if runs[name].verdict == "limitation"
        and runs[name].measured.result.outcome is Outcome.REFUSED
    ]
    if finding.level != "error" or not about or refused != about:
        return finding
    message = f"{finding.message}; {', '.join(refused)} does not come so far"
    return replace(finding, level="warning", message=message)


def parted_from_runs(case: Case, session: Session, findings: Sequence[Finding]) -> list[str]:
    """Where what is predicted of the catalogue and its runs part."""
    parted: list[str] = []
    for name, judged in runs_of(case, session).items():
        told = [f for f in findings if name in f.predicts]
        forms = {finding.predicts[name] for finding in told}
        if sentence := _parting(name, forms, judged.measured.result):
            rules = ", ".join(sorted({finding.rule for finding in told})) or "nothing"
            parted.append(f"{sentence} (predicted by {rules})")
    return parted


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
