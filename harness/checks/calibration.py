"""Measure what a file's calibration costs the model, beside what its recipe costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.comparison import budgets
from harness.flatbuffer.structure import Structure, quantised_inputs, quantization_of
from harness.flatbuffer.tensor_codec import affine_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.quantization.calibration_share import (
    Share,
    named_inputs,
    ranges_of_file,
    share_of_calibration,
    wider_by_chance,
)
from harness.session.session import Session
from harness.structure.findings import Finding
from reference.arithmetic.affine import dequantise
from reference.network import UnsupportedLayer

_RULES = ("too-narrow", "too-wide")


def measured_share(
    case: Case, session: Session, artifacts: CaseArtifacts, findings: Sequence[Finding]
) -> Share | None:
    """What the ranges of a user's file do to the error on these samples; None where no finding
    asks for it or the oracle does not know the model."""
    asked = any(finding.rule in _RULES for finding in findings)
    structure, built = artifacts.conversion.structure, artifacts.built
    if case.subject.registered or not asked or structure is None or built is None:
        return None
    if not built.result.agreed:
        return None
    scheme = budgets.scheme_of(quantization_of(structure))
    if scheme not in ("int8", "int16x8"):
        return None
    try:
        document = budgets.description(case.subject, built.config)
        inputs = _inputs(structure, artifacts)
        samples = artifacts.calibrated_with
        if not samples and session.settings.calibration is not None:
            samples = artifacts.calibration
        ranges = (
            budgets.ranges(document, built.weights, samples, session.store) if samples else None
        )
        whole = ranges_of_file(document, built.weights, artifacts.stimulus, inputs, ranges)
        count = len(next(iter(samples.values()))) if samples else None
        with session.account.time("oracle"):
            share = share_of_calibration(
                document, built.weights, artifacts.stimulus, scheme, whole, count
            )
    except (UnsupportedLayer, ValueError):
        return None
    if samples and all(f.rule != "too-narrow" for f in findings) and _by_chance(artifacts, samples):
        return Share(share.recipe + share.calibration, 0.0, share.output)
    return share


def _inputs(structure: Structure, artifacts: CaseArtifacts) -> dict[str, tuple[float, float]]:
    names = tuple(artifacts.stimulus)
    ends: list[tuple[float, float] | None] = []
    for tensor in quantised_inputs(structure):
        affine = affine_of(tensor)
        if affine is None:
            ends.append(None)
            continue
        info = np.iinfo(affine.dtype)
        low, high = dequantise(np.array([info.min, info.max], affine.dtype), affine)
        ends.append((float(low), float(high)))
    return named_inputs(names, structure.input_positions(names), ends)


def _by_chance(artifacts: CaseArtifacts, samples: Any) -> bool:
    """Whether every input's calibration is of one kind with the samples that are compared."""
    return all(
        wider_by_chance(samples[name], array)
        for name, array in artifacts.stimulus.items()
        if array.dtype.kind == "f"
    )
