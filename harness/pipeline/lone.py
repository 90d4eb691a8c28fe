"""Find what a flatbuffer without its Keras model can be held to, beside its LSTM operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES, Runtime
from harness.comparison import budgets
from harness.execution.interpreters import Interpreters
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.structure import quantization_of
from harness.flatbuffer.tensor_codec import to_runtime
from harness.operators.agreement import Agreement, agreement
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.conditioning import response
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
    answer, found = artifacts.runs["tflite"].outputs, {}
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, True)
    for runtime in wanted:
        run = artifacts.runs[runtime.name]
        if run.result is not None or runtime.name == "tflite":
            continue
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
    reference = artifacts.runs["tflite"]
    others = [run.outputs for run in artifacts.runs.values() if run.result is None]
    if quantization_of(structure) != "float32" or all(
        _close(outputs, reference.outputs) for outputs in others
    ):
        return ()
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, True)

    def run(content: bytes) -> tuple[Array, ...] | None:
        held = np.frombuffer(content, np.uint8)
        found = interpreters.run(RUNTIMES["tflite"], held, structure, samples, bounds=bounds)
        return None if found.result is not None else found.outputs

    return response(data.tobytes(), reference.outputs, run)


def _alone(artifacts: CaseArtifacts) -> bool:
    """Whether it is without a Keras model, and TFLite gives an answer."""
    run = artifacts.runs.get("tflite")
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
