"""Judge a conversion by its operators: each runtime held to its own arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fixtures.limitations import cases as limitations
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES, Runtime
from harness.checks.arithmetic.cost import quantisation_cost
from harness.checks.arithmetic.held import RULE, held
from harness.checks.arithmetic.wording import blame_of, text_of
from harness.checks.conversion import measure_conversion
from harness.checks.parity import measure_parity
from harness.operators.held_model import HeldModel
from harness.pipeline.cases import Case, Measured, judge
from harness.session.session import Session


def measure_arithmetic(case: Case, session: Session) -> Measured:
    """The phase compare of every operator of a conversion, on each runtime that runs it.

    Where a runtime does not run it, or the conversion ended otherwise, other suites say so.
    """
    measured = measure_conversion(case, session)
    if not measured.result.agreed:
        return measured
    found = {runtime.name: held(case, session, runtime) for runtime in case.confirm_on}
    models = {name: one for name, one in found.items() if isinstance(one, HeldModel)}
    excused = {
        name: why
        for name, one in models.items()
        if one.wrong and (why := _known(case, session, _runtime(case, name)))
    }
    wrong = {name: one for name, one in models.items() if one.wrong and name not in excused}
    values = sum(one.values for one in models.values())
    documents = tuple(
        {**one.document(), "known": excused.get(name, "")} for name, one in models.items()
    )
    measured = replace(measured, values=values, budget_rule=RULE, arithmetic=documents)
    if not case.subject.registered:
        measured = replace(measured, quantisation_cost=quantisation_cost(case, session))
    if wrong:
        named = blame_of(_runtime(case, next(iter(wrong))), next(iter(wrong.values())))
        lines = [text_of(name, one) for name, one in wrong.items()]
        result = StepResult(Phase.COMPARE, Outcome.DIVERGED, "\n".join([*lines, str(named)]))
        return replace(measured, result=result, blame=named.document())
    if not values:
        reasons = {
            name: one if isinstance(one, str) else _unread(one) for name, one in found.items()
        }
        return replace(measured, result=_nothing(case, reasons))
    message = "; ".join(filter(None, [_left_over(models), *_excuses(excused)]))
    return replace(measured, result=StepResult(Phase.COMPARE, Outcome.AGREED, message))


def _known(case: Case, session: Session, runtime: Runtime) -> str:
    """The limitation that a wrong answer on a runtime is already known by, and judged by where the
    whole model is compared; empty for none."""
    parity = replace(case, suite="test_parity", runtime=runtime)
    if case.subject.registered:
        entry = limitations.load().of(case.subject, case.recipe, runtime)
        known = entry is not None and entry.phase is Phase.COMPARE
        return entry.id if known and entry is not None else ""
    judged = judge(
        parity, measure_parity(parity, session), limitations.load(), session.settings.asked
    )
    if judged.verdict != "limitation":
        return ""
    return judged.limitation.id if judged.limitation is not None else judged.verdict


def _runtime(case: Case, name: str) -> Runtime:
    return next((r for r in case.confirm_on if r.name == name), None) or RUNTIMES[name]


def _left_over(models: Mapping[str, HeldModel]) -> str:
    """What no oracle says anything of, once for all runtimes."""
    found = dict.fromkeys(text for one in models.values() for text in one.unjudged)
    return f"without an oracle: {'; '.join(found)}" if found else ""


def _excuses(excused: Mapping[str, str]) -> list[str]:
    return [f"wrong on {name}, as is known ({why})" for name, why in excused.items()]


def _unread(model: HeldModel) -> str:
    return model.problem or "; ".join(model.unjudged) or "there is nothing to compare"


def _nothing(case: Case, reasons: Mapping[str, str]) -> StepResult:
    """Nothing was compared. Of the catalogue the suite of parity has each reason registered."""
    told = "; ".join(f"{name}: {why}" for name, why in reasons.items()) or "no runtime was asked"
    if case.subject.registered:
        return StepResult(Phase.STRUCTURE, Outcome.AGREED, told)
    return StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, f"nothing was compared: {told}")
