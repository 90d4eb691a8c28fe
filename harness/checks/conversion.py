"""Measure one conversion: the phases build, convert and structure."""

from __future__ import annotations

from fixtures.outcomes import Kind, Outcome, Phase
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


def structure_outcome(conversion: Conversion, case: Case) -> Outcome:
    """The conversion's outcome, or what its structure lacks of the recipe's promises."""
    if not conversion.outcome.agreed or conversion.structure is None:
        return conversion.outcome
    if case.recipe.name == AS_CONVERTED.name:
        return Outcome(Phase.STRUCTURE, Kind.AGREED)
    variant = case.subject.variant
    found = faults(conversion.structure, case.recipe, variant.fusion if variant else None)
    if found:
        return Outcome(Phase.STRUCTURE, Kind.DIVERGED, "; ".join(found))
    return Outcome(Phase.STRUCTURE, Kind.AGREED)
