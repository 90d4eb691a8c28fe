"""Measure one conversion: the phases build, convert and structure."""

from __future__ import annotations

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from harness.conversion.results import Conversion
from harness.pipeline.cases import Case, Measured
from harness.session.session import Lab
from harness.structure.recipe_rules import faults


def measure_conversion(case: Case, lab: Lab) -> Measured:
    """The phases build, convert and structure."""
    material = lab.material(case)
    outcome = structure_outcome(material.conversion, case)
    seconds = {"convert": material.conversion.seconds}
    if material.built is not None:
        seconds["build"] = material.built.seconds
    return Measured(outcome, seconds=seconds)


def structure_outcome(conversion: Conversion, case: Case) -> StepResult:
    """The conversion's outcome, or what its structure lacks of the recipe's promises."""
    if not conversion.result.agreed or conversion.structure is None:
        return conversion.result
    if case.recipe.name == AS_CONVERTED.name:
        return StepResult(Phase.STRUCTURE, Outcome.AGREED)
    variant = case.subject.variant
    found = faults(conversion.structure, case.recipe, variant.fusion if variant else None)
    if found:
        return StepResult(Phase.STRUCTURE, Outcome.DIVERGED, "; ".join(found))
    return StepResult(Phase.STRUCTURE, Outcome.AGREED)
