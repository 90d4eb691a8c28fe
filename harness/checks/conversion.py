"""Measure one conversion: the phases build, convert and structure."""

from __future__ import annotations

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from harness.conversion.results import Conversion
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session
from harness.structure.recipe_rules import faults


def measure_conversion(case: Case, session: Session) -> Measured:
    """The phases build, convert and structure."""
    artifacts = session.artifacts(case)
    outcome = structure_outcome(artifacts.conversion, case)
    seconds = {"convert": artifacts.conversion.seconds}
    if artifacts.built is not None:
        seconds["build"] = artifacts.built.seconds
    return Measured(outcome, seconds=seconds)


def structure_outcome(conversion: Conversion, case: Case) -> StepResult:
    """The conversion's outcome, or what its structure lacks of what the recipe says."""
    if not conversion.result.agreed or conversion.structure is None:
        return conversion.result
    if case.recipe.name == AS_CONVERTED.name:
        return StepResult(Phase.STRUCTURE, Outcome.AGREED)
    variant = case.subject.variant
    found = faults(conversion.structure, case.recipe, variant.fusion if variant else None)
    if found:
        return StepResult(Phase.STRUCTURE, Outcome.DIVERGED, "; ".join(found))
    return StepResult(Phase.STRUCTURE, Outcome.AGREED)
