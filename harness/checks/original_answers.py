"""Judge a flatbuffer's answer by what the model it was converted from answered elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed, compare
from harness.comparison.decisions import Decider, decisions
from harness.comparison.recorded_answers import reversed_in_time
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import from_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Measured
from harness.pipeline.lone import orders_that_agree
from harness.workers.kinds import usable

Array = NDArray[Any]


def held(
    artifacts: CaseArtifacts,
    original: Expectation,
    outputs: Sequence[Array],
    against: Measured,
    alone: Measured,
) -> Measured:
    """The verdict on a runtime's answer.

    outputs: as real numbers, in the file's order. against: their comparison with the original
    model's answers. alone: what the file is found to be without those. Where TFLite gives the
    original model's answer, the runtime's has to hold in both ways: one that parts from TFLite
    where nothing explains it is wrong, however wide the budget of the file's precision is.
    """
    structure = artifacts.conversion.structure
    assert structure is not None
    told = decisions(original.outputs, outputs, deciders(original.outputs, structure))
    against = replace(against, decisions=told.document() if told else None)
    if against.result.outcome is Outcome.NOT_JUDGED and original.missing:
        message = f"{against.result.message}; {_figures(original, outputs)}"
        if told is not None:
            message += f"; {told}"
        # What is no answer at all needs no budget to be wrong: NaN, another shape, a constant.
        unbounded = [Allowed(float("inf")) for _ in original.outputs]
        fault = compare(original.outputs, outputs, unbounded).result
        if not fault.agreed:
            return replace(against, result=fault)
        against = replace(against, result=replace(against.result, message=message))
        if alone.result.agreed or alone.result.outcome is Outcome.NOT_JUDGED:
            return against
    if against.result.outcome is Outcome.DIVERGED:
        message = f"not the original model's answer: {against.result.message}"
        if why := _recognised(artifacts, original, outputs):
            message = f"{why}\n{message}"
        return replace(against, result=replace(against.result, message=message))
    counts = alone.result.outcome not in (Outcome.AGREED, Outcome.NOT_JUDGED)
    if counts and _tflite_is_right(artifacts):
        return replace(alone, accuracy=against.accuracy, decisions=against.decisions)
    return against


def deciders(expected: Sequence[Array], structure: Structure) -> list[Decider | None]:
    """How each output decides: several scores by their largest; one at a half, where the file ends
    in a sigmoid."""
    graph = structure.document["subgraphs"][0]
    made_by = {index: op["name"] for op in graph["operators"] for index in op["outputs"]}
    came_from = {
        op["outputs"][0]: op["inputs"][0]
        for op in graph["operators"]
        if op["name"] in ("DEQUANTIZE", "QUANTIZE", "RESHAPE") and op["inputs"]
    }
    found: list[Decider | None] = []
    for want, tensor in zip(expected, structure.outputs, strict=True):
        index = tensor.index
        while index in came_from:
            index = came_from[index]
        one = want.shape[-1] == 1 if want.ndim > 1 else True
        sigmoid = made_by.get(index) == "LOGISTIC"
        found.append(("threshold" if sigmoid else None) if one else "argmax")
    return found


def _tflite_is_right(artifacts: CaseArtifacts) -> bool:
    """Whether TFLite gives the original model's answer, as far as anything can tell."""
    run, structure = artifacts.runs.get(usable("tflite").name), artifacts.conversion.structure
    original = artifacts.original(usable("tflite"))
    if run is None or run.result is not None or structure is None or original is None:
        return False
    if original.missing:
        return True
    outputs = from_runtime(structure, (), run.outputs)
    return compare(original.outputs, outputs, original.budgets).result.agreed


def _figures(original: Expectation, outputs: Sequence[Array]) -> str:
    parts = []
    for k, (want, got) in enumerate(zip(original.outputs, outputs, strict=False)):
        if want.shape != got.shape:
            parts.append(f"output {k} has shape {list(got.shape)}, expected {list(want.shape)}")
            continue
        off = np.abs(np.asarray(got, np.float64) - want)
        rms = float(np.sqrt(np.square(off).mean()))
        parts.append(
            f"output {k} differs by {float(off.max()):.3g} at most, by {rms:.3g} in root mean "
            f"square, of answers up to {float(np.abs(want).max()):.3g}"
        )
    return "; ".join(parts)


def _recognised(artifacts: CaseArtifacts, original: Expectation, outputs: Sequence[Array]) -> str:
    """What was mixed up, where that alone would make the answer right; empty where nothing does."""
    structure = artifacts.conversion.structure
    if structure is None or original.missing:
        return ""
    if len(original.outputs) > 1:
        names = structure.output_names
        for order in orders_that_agree(structure, original, artifacts.runs):
            if order != names:
                pairs = zip(order, names, strict=True)
                told = "; ".join(f"{is_in!r} has what {name!r} should" for is_in, name in pairs)
                return f"the outputs are swapped: {told}"
    turned = reversed_in_time(original.outputs)
    if any(array.ndim >= 4 for array in turned):
        if compare(turned, outputs, original.budgets).result.agreed:
            return "the steps are in reverse: backwards in time it would be the right answer"
    flipped = [array[::-1] for array in original.outputs]
    if len(flipped[0]) > 1 and compare(flipped, outputs, original.budgets).result.agreed:
        return "the answers are in reverse: those to the last sample come first"
    return ""
