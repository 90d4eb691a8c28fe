"""Say whether a recipe is fit for a model, and how many of its decisions it turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fixtures.recipes import AS_CONVERTED, Quantization
from harness.comparison import budgets
from harness.comparison.compare import Allowed
from harness.comparison.decisions import Decisions, deciders, decisions
from harness.comparison.fitness import unfit
from harness.flatbuffer.structure import Structure, quantised_inputs, quantization_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.session.session import Session
from reference.budgets.consequences import contributions, disturbed
from reference.budgets.monte_carlo import SAFETY, Scheme
from reference.budgets.precision_schemes import Ranges
from reference.network import UnsupportedLayer, evaluate

#: Samples on which the tensor that does it is looked for.
_SAMPLES = 16


def quantization_of_case(case: Case, artifacts: CaseArtifacts) -> Quantization:
    """How the file is quantised: as the recipe says, or as a user's own file shows."""
    if case.recipe.name == AS_CONVERTED.name:
        return quantization_of(artifacts.conversion.structure)
    return case.recipe.quantization


def _document(case: Case, artifacts: CaseArtifacts) -> Mapping[str, Any] | None:
    built = artifacts.built
    if built is None or not built.result.agreed:
        return None
    try:
        return budgets.description(case.subject, built.config)
    except UnsupportedLayer:
        return None


def decisions_of(
    case: Case, session: Session, expected: Sequence[Any], actual: Sequence[Any]
) -> Decisions | None:
    """The decisions of a classifier that a runtime turns; None where it is none, or unknown."""
    document = _document(case, session.artifacts(case))
    return None if document is None else decisions(expected, actual, deciders(document))


def turned_by_rounding(case: Case, session: Session) -> float | None:
    """The most decisions that the recipe's rounding alone turns; None where the model is no
    classifier, or unknown. As a budget: the mean over the draws plus SAFETY times the largest
    distance from it."""
    artifacts = session.artifacts(case)
    document, built = _document(case, artifacts), artifacts.built
    if document is None or built is None or not any(deciders(document)):
        return None
    scheme = budgets.scheme_of(quantization_of_case(case, artifacts))
    try:
        ranges = _ranges(document, session, artifacts, scheme)
        with session.account.time("oracle"):
            exact = evaluate(document, built.weights, artifacts.stimulus)
            noisy = disturbed(document, built.weights, artifacts.stimulus, scheme, ranges)
    except (UnsupportedLayer, ValueError):
        return None
    how, found = deciders(document), []
    for draw in range(len(noisy[0])):
        told = decisions(exact, [output[draw] for output in noisy], how)
        found.append(told.changed if told is not None else 0)
    mean = float(np.mean(found))
    return mean + SAFETY * (max(found) - mean)


def _ranges(
    document: Mapping[str, Any], session: Session, artifacts: CaseArtifacts, scheme: Scheme
) -> Ranges | None:
    if scheme not in ("int8", "int16x8"):
        return None
    assert artifacts.built is not None
    return budgets.ranges(document, artifacts.built.weights, artifacts.calibration, session.store)


def recipe_unfit(
    case: Case,
    session: Session,
    expected: Sequence[Any],
    actual: Sequence[Any],
    allowed: Sequence[Allowed],
) -> str:
    """Why an answer within its budget is worth nothing: the budget is as large as the spread of the
    answers. Empty where it is not; else with the tensor whose rounding does it."""
    artifacts = session.artifacts(case)
    assert case.runtime is not None
    quantization = quantization_of_case(case, artifacts)
    if not case.runtime.native or quantization == "float32":
        return ""
    found = unfit(expected, actual, allowed)
    if found is None:
        return ""
    text = f"the recipe is unfit for this model: {found}"
    culprit = _culprit(case, session, artifacts, quantization, found.output)
    return f"{text}; {culprit}" if culprit else text


def _culprit(
    case: Case,
    session: Session,
    artifacts: CaseArtifacts,
    quantization: Quantization,
    output: int,
) -> str:
    """The tensor whose rounding alone moves the output most."""
    document, built = _document(case, artifacts), artifacts.built
    scheme = budgets.scheme_of(quantization)
    if document is None or built is None:
        return ""
    try:
        ranges = _ranges(document, session, artifacts, scheme)
        few = {name: array[:_SAMPLES] for name, array in artifacts.stimulus.items()}
        parts = contributions(document, built.weights, few, scheme, ranges, output)
    except (UnsupportedLayer, ValueError):
        return ""
    name, moved = next(iter(parts.items()))
    step = _step(artifacts, name)
    return (
        f"most of it comes from {name!r}{step}: rounded alone it moves the answers by {moved:.3g}"
    )


def _step(artifacts: CaseArtifacts, name: str) -> str:
    """The step of an input of that name, as a text."""
    structure: Structure | None = artifacts.conversion.structure
    names = tuple(artifacts.stimulus)
    if structure is None or name not in names:
        return ""
    try:
        order = structure.input_positions(names)
    except ValueError:
        return ""
    for tensor, position in zip(quantised_inputs(structure), order, strict=True):
        if names[position] == name and tensor.scale:
            return f" (an input with a step of {tensor.scale[0]:.3g})"
    return ""
