"""Hold a device's answers to the kernels that are known, and its state to what the model needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES, Runtime
from harness.checks.conversion import structure_outcome
from harness.checks.parity import measure_parity
from harness.diagnosis.device_kernels import REFERENCE, Answers, Kernels, Told, tell
from harness.execution.interpreters import Interpreters, Run
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import to_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session

Array = NDArray[Any]
#: Invokes of a stream: enough for a state to show in every unit.
STREAM = 16
_CURE = (
    "feed whole sequences to each invoke; or use kernels that keep the state (the reference LSTM "
    "kernel, or a TFLM that passes the variable tensors to CMSIS-NN); or make the states inputs "
    "and outputs of the model"
)


class StreamRunner:
    """Runs streams of samples without a reset between them, in workers of its own."""

    def __init__(self, session: Session) -> None:
        self.interpreters = Interpreters(session.heavy, session.light, session.elsewhere)

    def close(self) -> None:
        self.interpreters.close()


def stream_order(samples: int) -> tuple[int, ...]:
    """Which sample each invoke of a stream has."""
    return tuple(k % samples for k in range(max(STREAM, min(samples, 2 * STREAM))))


def measure_board(case: Case, session: Session) -> Measured:
    """The phases load, invoke and compare of a device, and what its answers say of its kernels."""
    assert case.runtime is not None
    artifacts = session.artifacts(case)
    outcome = structure_outcome(artifacts.conversion, case)
    if not outcome.agreed:
        return Measured(outcome)
    conversion, run = artifacts.conversion, artifacts.runs[case.runtime.name]
    data, structure = conversion.data, conversion.structure
    assert data is not None
    assert structure is not None
    seconds = {"load": run.load_seconds, "invoke": run.invoke_seconds}
    if run.result is not None:
        return Measured(run.result, seconds=seconds)
    host = artifacts.runs["tflm"]
    if host.result is not None:
        message = f"no kernels to compare with: {RUNTIMES['tflm'].title}: {host.result}"
        return Measured(StepResult(Phase.COMPARE, Outcome.REFUSED, message), seconds=seconds)
    streams = {}
    for runtime in (case.runtime, RUNTIMES["tflm"]):
        streamed = _streamed(runtime, case, artifacts, session)
        if streamed.result is not None:
            found = streamed.result
            message = f"a stream on {runtime.title}: {found.message}"
            return Measured(replace(found, message=message), seconds=seconds)
        streams[runtime.name] = streamed
    order = stream_order(len(run.outputs[0]))
    device = Answers(run.outputs, streams[case.runtime.name].outputs, order)
    known = [Kernels(REFERENCE, Answers(host.outputs, streams["tflm"].outputs, order))]
    try:
        told = tell(device, known)
    except ValueError as error:
        return Measured(StepResult(Phase.COMPARE, Outcome.DIVERGED, str(error)), seconds=seconds)
    return Measured(
        _verdict(case, session, structure, told),
        values=told.values + told.streamed,
        seconds=seconds,
        budget_rule="the bits of known kernels, samples alone and in a stream",
        board=_document(case.runtime, run, told, len(order)),
    )


def _streamed(runtime: Runtime, case: Case, artifacts: CaseArtifacts, session: Session) -> Run:
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    assert data is not None
    assert structure is not None
    users = case.subject.kind == "tflite"
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, users)
    order = list(stream_order(len(samples[0])))
    chosen = [array[order] for array in samples]
    bounds = session.settings.bounds(case.subject)
    runner = session.keep(StreamRunner)
    return runner.interpreters.run(runtime, data, structure, chosen, reset=False, bounds=bounds)


def promises_streaming(structure: Structure) -> str:
    """Why a model has to go on at each invoke where the last one ended; empty where it need not."""
    if "VAR_HANDLE" in structure.operators:
        return "it is stateful"
    shape = structure.inputs[0].shape
    if structure.fused_lstms and len(shape) == 3 and shape[1] == 1:
        return "it takes one step at a time"
    return ""


def _verdict(case: Case, session: Session, structure: Structure, told: Told) -> StepResult:
    agreed = StepResult(Phase.COMPARE, Outcome.AGREED, str(told))
    if not told.exact:
        # Other arithmetic is no fault where a budget says how far it may go.
        parity = measure_parity(case, session)
        judged = parity.result.agreed and parity.budget is not None
        float_only = quantization_of(structure) == "float32"
        if judged and (float_only or not told.swapped):
            return agreed
        return replace(agreed, outcome=Outcome.DIVERGED)
    if told.state == "unknown":
        return replace(agreed, outcome=Outcome.DIVERGED)
    if told.state == "cleared" and (why := promises_streaming(structure)):
        share = told.lost / told.streamed
        message = (
            f"{told}. The model needs its state from one invoke to the next ({why}): "
            f"{share:.1%} of a stream's outputs are wrong. Cure: {_CURE}"
        )
        return replace(agreed, outcome=Outcome.DIVERGED, message=message)
    return agreed


def _document(runtime: Runtime, run: Run, told: Told, invokes: int) -> dict[str, Any]:
    """What the report says of a device; its time by its own clock, never by the host's."""
    count = len(run.outputs[0])
    micros = 1e6 * run.invoke_seconds / count
    return {
        "transport": runtime.transport.partition(":")[0],
        "name": str(run.told.get("name", "")),
        "kernels": list(told.kernels),
        "state": told.state,
        "text": str(told),
        "invokes": count + invokes,
        "microseconds": float(np.round(micros, 3)) if micros > 0 else None,
        "arena_used_bytes": int(run.told.get("arena_used_bytes", 0)) or None,
        "arena_bytes": int(run.told.get("arena_bytes", 0)) or None,
        "model_crc": str(run.told.get("model_crc", "")),
    }
