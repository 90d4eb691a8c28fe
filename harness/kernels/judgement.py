"""Judge one conversion on the kernels of a device: its bits, its budget, its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.checks.parity import compared, measure_parity
from harness.checks.structure import model_of
from harness.conversion.recurrent_layers import recurrent_layers
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.kernels.answers import DeviceAnswer, OperatorAnswer, Predictor, Unpredictable
from harness.kernels.cases import KernelCase
from harness.kernels.laws_of_state import laws_of_state
from harness.kernels.remarks import remarks
from harness.operators.exactness import merged
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Measured
from harness.session.session import Session
from harness.structure.findings import Finding, errors, text
from reference.attribution import attribute
from reference.lstm.device_profiles import KERNELS, Contract, DeviceKernels, contract
from reference.lstm.float64 import LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm

Array = NDArray[Any]
#: Kernels that the host's own wheel may have: of one date or the other.
_HOSTS = ("tflm-reference", "tflm-reference-float32")
#: How many invokes a stream has at least, where the user gave no samples of their own.
_STREAM = 50
NO_LSTM = (
    "no integer LSTM operator: float ones run in the reference kernel everywhere, and keep their "
    "state"
)
WHOLE = "whole outputs"
HOST_UNPROVEN = (
    "the host's own answer was not found right (suites/test_parity.py): the device is held to "
    "its bits, and to no budget"
)
#: Operators that move values and compute none.
_MOVING = {
    *("RESHAPE", "STRIDED_SLICE", "SLICE", "REVERSE_V2", "TRANSPOSE", "CONCATENATION", "PACK"),
    *("UNPACK", "SPLIT", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE"),
}
CURES = (
    "give the kernel whole sequences, one an invoke",
    "build with a TFLM whose wrapper passes the variable tensors (cmsis-nn-carried)",
    "make the states explicit inputs and outputs of a model without the fused operator",
)


@dataclass(frozen=True)
class Difference:
    """How two answers compare. largest: in steps of an integer type, or in the output's unit;
    deviations: the root mean square of the differences in standard deviations of the first."""

    values: int
    different: int
    largest: float
    deviations: float

    @property
    def share(self) -> float:
        return self.different / self.values if self.values else 0.0


def difference(of: Sequence[Array], other: Sequence[Array]) -> Difference:
    a, b = (
        np.concatenate([array.astype(np.float64).ravel() for array in arrays])
        for arrays in (of, other)
    )
    gap = np.abs(a - b)
    spread = float(a.std()) if a.size else 0.0
    rms = float(np.sqrt(np.mean(gap**2))) if a.size else 0.0
    largest = float(gap.max(initial=0.0))
    return Difference(a.size, int((gap != 0).sum()), largest, rms / spread if spread else 0.0)


def measure_kernels(case: KernelCase, session: Session) -> Measured:
    """What the device will answer, held to the host's bits, to the budget and to its promise.

    A conversion that does not run on the host ends as it does there. Of any other the device's
    whole outputs are predicted. They must be within the budget that the host's were held to; where
    they are other bits, the factors that differ are counted. A model that promises to be streamed
    fails on kernels that clear or destroy its state. Where the host's answer is not found right,
    which another suite says, the device is held to its bits only.
    """
    parity = measure_parity(case.shared, session)
    artifacts = session.artifacts(case.shared)
    if not parity.result.agreed:
        run = artifacts.runs.get("tflm")
        if run is None or run.result is not None or case.subject.registered:
            return parity
        parity = Measured(parity.result, seconds=parity.seconds, operators=parity.operators)
    content = artifacts.conversion.data
    assert content is not None
    if not any(f.kind in ("int8", "int16x8") for f in lstm_operators(content.tobytes())):
        return replace(parity, result=_agreed(NO_LSTM), kernels=_unconcerned(case.device))
    with session.account.time("kernels"):
        try:
            return _judged(case, session, artifacts, parity)
        except Unpredictable as why:
            message = f"no answer of {case.kernels} can be predicted: {why}"
            return replace(parity, result=StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, message))


def _judged(
    case: KernelCase, session: Session, artifacts: CaseArtifacts, parity: Measured
) -> Measured:
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    assert data is not None
    assert structure is not None
    users = case.subject.kind == "tflite"
    samples = to_runtime(structure, list(artifacts.stimulus), artifacts.stimulus, users)
    bounds = session.settings.bounds(case.subject)
    predictor = Predictor(data.tobytes(), samples, session.operators, bounds)
    host = _host(predictor)
    if isinstance(host, str):
        return replace(parity, result=StepResult(Phase.COMPARE, Outcome.DIVERGED, host))
    device = predictor.answer(case.device)
    whole = difference(host.outputs, device.outputs)
    measured, worse = parity, ""
    if whole.different and parity.result.agreed:
        expected = artifacts.expected
        real = from_runtime(structure, artifacts.conversion.output_names, device.outputs)
        if expected is not None and not expected.missing:
            measured = compared(case.shared, session, expected, real, parity.seconds)
            worse = "" if measured.result.agreed else measured.result.message
    operators = [_operator(*pair) for pair in zip(host.operators, device.operators, strict=True)]
    findings = [
        finding
        for mine, theirs in zip(host.operators, device.operators, strict=True)
        for finding in remarks(theirs, case.device, mine.profile)
    ]
    word = _contract(device)
    promise = promised(case, artifacts, device)
    stream = None
    if word != "carried":
        stream = _streamed(predictor, host, case.device, session.settings.inputs is not None)
    if not parity.result.agreed:
        findings.append(Finding("kernel-host", "note", HOST_UNPROVEN))
    findings += bits_findings(whole, worse, case.device, operators)
    findings += state_findings(word, promise, stream, device)
    laws = [laws_of_state(_model(answer), answer.profile) for answer in device.operators]
    document = {
        "name": case.kernels,
        "title": case.device.title,
        "versions": case.device.versions,
        "proof": case.device.proof,
        "note": case.device.note,
        "judged": _judged_of(structure.operators, device),
        "host": host.kernels.name,
        "contract": word,
        **_figures(whole),
        "operators": operators,
        "promised": promise,
        "streamed": None if stream is None else _figures(stream),
        "laws": laws,
        "findings": [
            {"rule": f.rule, "level": f.level, "message": f.message, "cure": f.cure}
            for f in findings
        ],
    }
    failing = errors(findings)
    result = _agreed(text(findings))
    if failing:
        message = "\n".join(map(str, failing))
        result = StepResult(Phase.COMPARE, Outcome.DIVERGED, message)
    return replace(measured, result=result, kernels=document, locate=None)


def promised(case: KernelCase, artifacts: CaseArtifacts, device: DeviceAnswer) -> str:
    """Why the model is taken to be streamed, its state going on from one invoke to the next;
    empty where nothing says so."""
    if case.streaming:
        return "it is said to be streamed (--streaming)"
    description = model_of(case.shared, artifacts)
    layers = recurrent_layers(description) if description is not None else []
    if stateful := [layer for layer in layers if layer.config.get("stateful")]:
        return f"{stateful[0]} is stateful"
    if case.subject.variant is None and all(_steps(answer) == 1 for answer in device.operators):
        return "it takes one time step an invoke"
    return ""


def _steps(answer: OperatorAnswer) -> int:
    """Time steps of one invoke. inputs: [N, batch, time, …], or [N, time, batch, …]."""
    return int(answer.inputs.shape[1 if _model(answer).time_major else 2])


def _host(predictor: Predictor) -> DeviceAnswer | str:
    """The prediction with the host's own kernels, which must be what the host gives; or by how
    much none of them is."""
    given = predictor.host()
    apart = []
    for name in _HOSTS:
        found = predictor.answer(KERNELS[name])
        gap = difference(given, found.outputs)
        if not gap.different:
            return found
        apart.append(f"{name}: {gap.different:,} of {gap.values:,}")
    return (
        "the host's own answer is not predicted to the bit, so nothing is said of a device "
        f"({'; '.join(apart)} outputs differ); please report this"
    )


def _operator(host: OperatorAnswer, device: OperatorAnswer) -> dict[str, Any]:
    """One LSTM at the host's input on either kernels: what differs, by which factors."""
    model = _model(host)
    x = merged(host.inputs, model.time_major)
    state = None
    if host.initial:
        state = LstmState(*(part.reshape(-1, part.shape[-1]) for part in host.initial))
    found = attribute(model, x, host.profile, device.profile, initial=state)
    ours, theirs = (
        lstm_integer(model, x, answer.profile, state).outputs for answer in (host, device)
    )
    gap = difference([ours], [theirs])
    return {
        "position": host.found.position,
        "values": found.values,
        "different": found.different,
        "by_factor": {name: count for name, count in found.by_factor.items() if count},
        "largest_lsb": gap.largest,
        "contract": contract(model, device.profile),
    }


def _judged_of(operators: Sequence[str], device: DeviceAnswer) -> str:
    """What the prediction is true of. A build that rounds once does so in every operator, and
    what is around the LSTMs was computed by kernels that round twice."""
    once = any(answer.profile.rounding == "single" for answer in device.operators)
    around = sorted(set(operators) - _MOVING - {"UNIDIRECTIONAL_SEQUENCE_LSTM"})
    if once and around:
        return f"LSTM operators; {', '.join(around)} would round once too, and round twice here"
    return WHOLE


def _contract(device: DeviceAnswer) -> Contract:
    """The worst of the LSTMs'."""
    words = {contract(_model(answer), answer.profile) for answer in device.operators}
    order: tuple[Contract, ...] = ("destroyed", "cleared", "carried")
    return next(word for word in order if word in words)


def _streamed(
    predictor: Predictor, host: DeviceAnswer, kernels: DeviceKernels, own: bool
) -> Difference:
    """The samples one after another without a reset: the device against the host.

    own: the samples are the user's, and are streamed as they are; others are repeated.
    """
    count = len(predictor.samples[0])
    order = np.arange(count if own else max(count, _STREAM)) % count
    stream = replace(predictor, samples=[array[order] for array in predictor.samples], known={})
    want = stream.answer(host.kernels, streamed=True)
    return difference(want.outputs, stream.answer(kernels, streamed=True).outputs)


def bits_findings(
    whole: Difference, worse: str, kernels: DeviceKernels, operators: Sequence[dict[str, Any]]
) -> list[Finding]:
    """Whether the device's whole outputs are the host's. worse: how they miss the budget."""
    name = kernels.name
    if not whole.different:
        message = f"{name} gives the same bits as the host: {whole.values:,} outputs"
        return [Finding("kernel-bits", "note", message)]
    by: dict[str, int] = {}
    for operator in operators:
        for factor, count in operator["by_factor"].items():
            by[factor] = by.get(factor, 0) + count
    largest = max((operator["largest_lsb"] for operator in operators), default=0.0)
    message = (
        f"{name} gives other bits than the host in {whole.different:,} of {whole.values:,} "
        f"outputs ({whole.share:.1%}), its LSTMs by up to {largest:g} LSB; factors: "
        + (", ".join(f"{factor} {count:,}" for factor, count in by.items()) or "state")
    )
    if worse:
        return [Finding("kernel-bits", "error", f"{message}; beyond the budget: {worse}")]
    return [Finding("kernel-bits", "warning", message)]


def state_findings(
    word: Contract, promise: str, stream: Difference | None, device: DeviceAnswer
) -> list[Finding]:
    """What becomes of the state. promise: why it has to go on, empty where nothing says so; stream:
    the device against the host where it should; None where it does."""
    name = device.kernels.name
    steps = sorted({_steps(answer) for answer in device.operators})
    if stream is None:
        told = f"{name} carries the state from one invoke to the next: reset it between sequences"
        return [Finding("kernel-state", "note", told)]
    does = "clears the state at every invoke" if word == "cleared" else "destroys the state"
    figures = (
        f"streamed, {stream.share:.1%} of its outputs are wrong ({stream.different:,} of "
        f"{stream.values:,}, up to {stream.largest:g}, rms {stream.deviations:.2f} standard "
        "deviations)"
    )
    if promise and stream.different:
        message = f"{name} {does}, and {promise}: {figures}"
        return [Finding("kernel-state", "error", message, "; or ".join(CURES), share=stream.share)]
    sequence = "/".join(map(str, steps))
    told = f"{name} {does}: each invoke must be one whole sequence of {sequence} steps; {figures}"
    return [Finding("kernel-state", "note", told)]


def _figures(found: Difference) -> dict[str, Any]:
    return {**asdict(found), "share": found.share}


def _unconcerned(kernels: DeviceKernels) -> dict[str, Any]:
    return {
        "name": kernels.name,
        "title": kernels.title,
        "versions": kernels.versions,
        "judged": "nothing",
        "findings": [{"rule": "kernel-bits", "level": "note", "message": NO_LSTM, "cure": ""}],
    }


def _model(answer: OperatorAnswer) -> IntegerLstm:
    model = answer.found.parameters
    assert isinstance(model, IntegerLstm)
    return model


def _agreed(message: str) -> StepResult:
    return StepResult(Phase.COMPARE, Outcome.AGREED, message)
