"""Find what a model is given and what its cells reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.comparison import budgets
from harness.flatbuffer.structure import Structure
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.support.cache import Store
from reference.network import UnsupportedLayer


def samples_in_order(structure: Structure, artifacts: CaseArtifacts) -> list[Any] | None:
    """The stimuli in the flatbuffer's order; None where its signature names other inputs, which
    the parity suite reports."""
    if not artifacts.stimulus:
        return None
    try:
        order = structure.input_positions(tuple(artifacts.stimulus))
    except ValueError:
        return None
    arrays = list(artifacts.stimulus.values())
    return [arrays[position] for position in order]


def cell_ranges(
    case: Case, artifacts: CaseArtifacts, store: Store
) -> Mapping[str, tuple[float, float]]:
    """Least and greatest cell state of each LSTM over the stimuli, by the float64 oracle."""
    if artifacts.built is None or not artifacts.stimulus:
        return {}
    try:
        document = budgets.description(case.subject, artifacts.built.config)
        weights, stimulus = artifacts.built.weights, artifacts.stimulus
        ranges = budgets.ranges(document, weights, stimulus, store, carry_state=False)
    except (UnsupportedLayer, ValueError):
        return {}
    ending = "/cell"
    return {k.removesuffix(ending): v for k, v in ranges.items() if k.endswith(ending)}
