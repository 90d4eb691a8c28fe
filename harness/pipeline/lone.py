"""Find what a flatbuffer without its Keras model can be held to, beside its LSTM operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.comparison import budgets
from harness.comparison.budgets import Expectation
from harness.comparison.compare import compare
from harness.conversion.output_names import fitting
from harness.execution.interpreters import Interpreters, Run
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.operators.agreement import Agreement, agreement
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.conditioning import response
from harness.workers.kinds import usable
from harness.workers.limits import Limits

Array = NDArray[Any]


def rest(
    artifacts: CaseArtifacts,
    wanted: Sequence[Runtime],
    runtimes: OperatorRuntimes,
    bounds: Limits,
) -> dict[str, Agreement]:
    """The operators of a quantised file beside its LSTMs, by runtime, where a difference has to be
    explained by them all."""
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    if not _alone(artifacts) or data is None or structure is None:
        return {}
    if quantization_of(structure) == "float32":
        return {}
    answer, found = artifacts.runs[usable("tflite").name].outputs, {}
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, True)
    for runtime in wanted:
        run = artifacts.runs[runtime.name]
        if run.result is not None or runtime == usable("tflite"):
            continue
        if "tensors" not in runtime.adapter.abilities:
            continue  # a device takes no operators by themselves
        if not artifacts.operators.count and _equal(run.outputs, answer):
            found[runtime.name] = Agreement()
        else:
            content = data.tobytes()
            found[runtime.name] = agreement(content, structure, samples, runtime, runtimes, bounds)
    return found


def rounding(
    artifacts: CaseArtifacts, interpreters: Interpreters, bounds: Limits
) -> tuple[float, ...]:
    """How far rounding may move the outputs of a float file, where runtimes part by more than they
    do on ordinary models; empty where they do not."""
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    if not _alone(artifacts) or data is None or structure is None:
        return ()
    reference = artifacts.runs[usable("tflite").name]
    others = [run.outputs for run in artifacts.runs.values() if run.result is None]
    if quantization_of(structure) != "float32" or all(
        _close(outputs, reference.outputs) for outputs in others
    ):
        return ()
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, True)

    def run(content: bytes) -> tuple[Array, ...] | None:
        held = np.frombuffer(content, np.uint8)
        found = interpreters.run(usable("tflite"), held, structure, samples, bounds=bounds)
        return None if found.result is not None else found.outputs

    return response(data.tobytes(), reference.outputs, run)


def in_the_order_that_fits(artifacts: CaseArtifacts, runs: Mapping[str, Run]) -> CaseArtifacts:
    """The artifacts of a file of several outputs and its Keras model: where no name, number or
    shape says which output is which, in the first order in which a runtime's answer agrees."""
    conversion, expected = artifacts.conversion, artifacts.expected
    structure = conversion.structure
    if structure is None or expected is None or conversion.matched_by:
        return artifacts
    if len(structure.outputs) < 2 or expected.missing:
        return artifacts
    for order in orders_that_agree(structure, expected, runs):
        found = replace(conversion, output_names=order, matched_by="values")
        return replace(artifacts, conversion=found)
    return artifacts


def orders_that_agree(
    structure: Structure, expected: Expectation, runs: Mapping[str, Run]
) -> Iterator[tuple[str, ...]]:
    """The orders of a file's outputs in which some runtime's answer is within the budgets."""
    outputs = [run.outputs for run in runs.values() if run.result is None]
    shapes = [list(value.shape[1:]) for value in expected.outputs]
    for order in fitting(structure, shapes) if outputs else ():
        for given in outputs:
            values = from_runtime(structure, order, given)
            if compare(expected.outputs, values, expected.budgets).result.agreed:
                yield order
                break


def _alone(artifacts: CaseArtifacts) -> bool:
    """Whether it is without a Keras model, and TFLite gives an answer."""
    run = artifacts.runs.get(usable("tflite").name)
    return artifacts.keras is None and run is not None and run.result is None


def _equal(outputs: Sequence[Array], wanted: Sequence[Array]) -> bool:
    pairs = zip(outputs, wanted, strict=True)
    return all(got.dtype == want.dtype and np.array_equal(got, want) for got, want in pairs)


def _close(outputs: Sequence[Array], wanted: Sequence[Array]) -> bool:
    """Whether two answers are as near each other as ordinary float models' are."""
    for got, want in zip(outputs, wanted, strict=True):
        if got.shape != want.shape or not (np.isfinite(got).all() and np.isfinite(want).all()):
            return True  # the comparison itself says it
        most = budgets.FLOAT32_WITHOUT_ORACLE * float(np.abs(want).max(initial=1.0))
        if got.size and float(np.abs(got.astype(np.float64) - want).max()) > most:
            return False
    return True
