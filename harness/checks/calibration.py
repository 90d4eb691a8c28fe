"""Measure what a file's calibration costs the model, beside what its recipe costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.comparison import budgets
from harness.flatbuffer.structure import Structure, quantised_inputs, quantization_of
from harness.flatbuffer.tensor_codec import affine_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.quantization.calibration_share import (
    USUAL_CALIBRATION,
    Share,
    named_inputs,
    ranges_of_file,
    share_of_calibration,
    wider_by_chance,
)
from harness.session.session import Session
from harness.structure.findings import Finding
from harness.weights.audit import normalised
from harness.weights.layer_alignment import align
from harness.weights.lstm_matching import matches
from reference.arithmetic.affine import Affine, dequantise
from reference.lstm.integer_weights import IntegerLstm
from reference.network import UnsupportedLayer

_RULES = ("too-narrow", "too-wide", "not-the-calibration")
#: What no few extreme samples of the calibration explain: they are cut off, or the same samples
#: give other scales.
_UNEXCUSED = ("too-narrow", "not-the-calibration")


def measured_share(
    case: Case, session: Session, artifacts: CaseArtifacts, findings: Sequence[Finding]
) -> Share | None:
    """What the ranges of a user's file do to the error on these samples; None where no finding
    asks for it or the oracle does not know the model."""
    asked = any(finding.rule in _RULES for finding in findings)
    structure, data = artifacts.conversion.structure, artifacts.conversion.data
    built = artifacts.built
    if case.subject.registered or not asked or built is None:
        return None
    if structure is None or data is None:
        return None
    if not built.result.agreed:
        return None
    scheme = budgets.scheme_of(quantization_of(structure))
    if scheme not in ("int8", "int16x8"):
        return None
    try:
        document = budgets.description(case.subject, built.config)
        known = {
            **_inside(structure, data.tobytes(), document, built.weights),
            **_inputs(structure, artifacts),
        }
        samples = artifacts.calibrated_with
        if not samples and session.settings.calibration is not None:
            samples = artifacts.calibration
        ranges = (
            budgets.ranges(document, built.weights, samples, session.store) if samples else None
        )
        whole = ranges_of_file(document, built.weights, artifacts.stimulus, known, ranges)
        count = len(next(iter(samples.values()))) if samples else None
        if count is not None and session.settings.calibration is not None:
            # Fewer than guides ask for are no excuse, but the fault itself.
            count = max(count, USUAL_CALIBRATION)
        with session.account.time("oracle"):
            share = share_of_calibration(
                document, built.weights, artifacts.stimulus, scheme, whole, count
            )
    except (UnsupportedLayer, ValueError):
        return None
    if (
        samples
        and all(f.rule not in _UNEXCUSED for f in findings)
        and _by_chance(artifacts, samples, known)
    ):
        return Share(share.recipe + share.calibration, 0.0, share.output)
    return share


def _inputs(structure: Structure, artifacts: CaseArtifacts) -> dict[str, tuple[float, float]]:
    names = tuple(artifacts.stimulus)
    ends = [_ends(affine_of(tensor)) for tensor in quantised_inputs(structure)]
    return named_inputs(names, structure.input_positions(names), ends)


def _ends(affine: Affine | None) -> tuple[float, float] | None:
    """The least and greatest value that a tensor holds."""
    if affine is None:
        return None
    info = np.iinfo(affine.dtype)
    low, high = dequantise(np.array([info.min, info.max], affine.dtype), affine)
    return float(low), float(high)


def _inside(
    structure: Structure, content: bytes, document: Mapping[str, Any], weights: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """The ranges that a file has for the states of its LSTMs and the outputs of its Dense layers,
    by the names that the oracle has for them."""
    found: dict[str, tuple[float, float]] = {}
    for match in matches(content, weights):
        model = match.lstm.parameters
        if match.layer and isinstance(model, IntegerLstm):
            hidden = Affine(model.hidden_scale, model.hidden_zero_point, model.activation_dtype)
            if (ends := _ends(hidden)) is not None:
                found[f"{match.layer}/hidden"] = ends
            largest = model.cell_scale * 2**15
            found[f"{match.layer}/cell"] = (-largest, largest)
    nodes = {node["name"]: node for node in document["nodes"]}
    without = normalised(document)
    graph, aligned = align(content, document, weights)
    for one in aligned:
        if one.kernel is None or one.layer in without:
            continue
        tensor = structure.tensors[int(graph.operators[one.position].outputs[0])]
        config = nodes[one.layer]["config"]
        config = config["layer"]["config"] if "layer" in config else config
        plain = config.get("activation", "linear") in ("linear", "relu")
        if (ends := _ends(affine_of(tensor))) is not None:
            found[one.layer if plain else f"{one.layer}/logits"] = ends
    return found


def _by_chance(artifacts: CaseArtifacts, samples: Any, known: Mapping[str, Any]) -> bool:
    """Whether every input's calibration is of one kind with the samples that are compared, and the
    file has its range."""
    return all(
        wider_by_chance(samples[name], array) and _holds_no_more(known.get(name), samples[name])
        for name, array in artifacts.stimulus.items()
        if array.dtype.kind == "f"
    )


def _holds_no_more(ends: tuple[float, float] | None, samples: Any) -> bool:
    """Whether a range is that of these samples, but for a step of 8 bits."""
    if ends is None:
        return True
    step = (ends[1] - ends[0]) / 255
    low, high = min(0.0, float(samples.min())), max(0.0, float(samples.max()))
    return ends[0] >= low - step and ends[1] <= high + step
