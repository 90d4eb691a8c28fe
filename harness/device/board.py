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
from harness.device.stream_order import stream_order
from harness.diagnosis.device_kernels import REFERENCE, Answers, Kernels, Told, tell
from harness.execution.interpreters import Interpreters, Run
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import to_runtime
from harness.kernels.answers import Predictor, Unpredictable
from harness.kernels.judgement import CURES
from harness.laws.applicability import promises_streaming
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session
from harness.workers.remote.board import transport
from reference.lstm.device_profiles import KERNELS

Array = NDArray[Any]
#: Profiles whose name says what a device runs, the likeliest first.
_PROFILES = tuple(each for each in KERNELS.values() if each.known and each.name != REFERENCE)


class StreamRunner:
    """Runs streams of samples without a reset between them, in workers of its own."""

    def __init__(self, session: Session) -> None:
        self.interpreters = Interpreters(session.heavy, session.light, session.elsewhere)

    def close(self) -> None:
        self.interpreters.close()


def measure_board(case: Case, session: Session) -> Measured:
    """The phases load, invoke and compare of a device, and what its answers say of its kernels."""
    assert case.runtime is not None
    artifacts = session.artifacts(case)
    outcome = structure_outcome(artifacts.conversion, case)
    if not outcome.agreed:
        return Measured(outcome)
    conversion, run = artifacts.conversion, artifacts.runs[case.runtime.name]
    assert conversion.structure is not None
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
    known += _predicted(case, artifacts, session, order)
    try:
        told = tell(device, known)
    except ValueError as error:
        return Measured(StepResult(Phase.COMPARE, Outcome.DIVERGED, str(error)), seconds=seconds)
    return Measured(
        _verdict(case, session, conversion.structure, told),
        values=told.values + told.streamed,
        seconds=seconds,
        budget_rule="the bits of known kernels, samples alone and in a stream",
        board=_document(case.runtime, run, told, len(order)),
    )


def _samples(case: Case, artifacts: CaseArtifacts) -> list[Array]:
    structure = artifacts.conversion.structure
    assert structure is not None
    users = case.subject.kind == "tflite"
    return list(to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, users))


def _streamed(runtime: Runtime, case: Case, artifacts: CaseArtifacts, session: Session) -> Run:
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    assert data is not None
    assert structure is not None
    samples = _samples(case, artifacts)
    order = list(stream_order(len(samples[0])))
    chosen = [array[order] for array in samples]
    bounds = session.settings.bounds(case.subject)
    runner = session.keep(StreamRunner)
    return runner.interpreters.run(runtime, data, structure, chosen, reset=False, bounds=bounds)


def _predicted(
    case: Case, artifacts: CaseArtifacts, session: Session, order: tuple[int, ...]
) -> list[Kernels]:
    """What each profile of device kernels gives for an integer LSTM; nothing for other models."""
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    assert data is not None
    assert structure is not None
    if not structure.fused_lstms or quantization_of(structure) == "float32":
        return []
    samples, content = _samples(case, artifacts), data.tobytes()
    bounds = session.settings.bounds(case.subject)
    stream = [array[list(order)] for array in samples]
    alone = Predictor(content, samples, session.operators, bounds)
    following = Predictor(content, stream, session.operators, bounds)
    found = []
    for kernels in _PROFILES:
        try:
            with session.account.time("oracle"):
                isolated = alone.answer(kernels).outputs
                streamed = following.answer(kernels, streamed=True).outputs
        except Unpredictable:
            continue
        found.append(Kernels(kernels.name, Answers(isolated, streamed, order)))
    return found


def _verdict(case: Case, session: Session, structure: Structure, told: Told) -> StepResult:
    agreed = StepResult(Phase.COMPARE, Outcome.AGREED, str(told))
    if told.exact:
        return _of_state(session, agreed, structure, told)
    # Other arithmetic is no fault where a budget says how far it may go.
    parity = measure_parity(case, session)
    if parity.budget is None or told.swapped:
        return replace(agreed, outcome=Outcome.DIVERGED)
    if not parity.result.agreed:
        message = f"{told}\n{parity.result.message}"
        return replace(agreed, outcome=Outcome.DIVERGED, message=message)
    return _of_state(session, agreed, structure, told) if told.state == "cleared" else agreed


def _of_state(session: Session, agreed: StepResult, structure: Structure, told: Told) -> StepResult:
    if told.state == "unknown":
        return replace(agreed, outcome=Outcome.DIVERGED)
    why = promises_streaming(structure)
    if session.settings.streaming:
        why = "it is said to be streamed (--streaming)"
    if told.state != "cleared" or not why:
        return agreed
    share = f"{told.lost / told.streamed:.1%} of a stream's outputs are wrong"
    message = (
        f"{told}. The model needs its state from one invoke to the next ({why}): {share}. "
        f"Cure: {'; or '.join(CURES)}"
    )
    return replace(agreed, outcome=Outcome.DIVERGED, message=message)


def _document(runtime: Runtime, run: Run, told: Told, invokes: int) -> dict[str, Any]:
    """What the report says of a device; its time by its own clock, never by the host's."""
    count = len(run.outputs[0])
    micros = 1e6 * run.invoke_seconds / count
    return {
        "transport": transport.split(runtime.transport)[0],
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
