"""List faults in files that a user gates without their model, or whose outputs have names.

Each stands for a rule that a gate relaxes: what a runtime refuses that nobody named, an LSTM that
is judged without a whole model's budget, labels of which some may be lost, outputs in any order,
an open size that need not be time. Beside each is a healthy neighbour in `neighbours`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.assurance.certificate.fault import Fault
from harness.assurance.certificate.faults.state_faults import Changed, wrong_after_64
from harness.assurance.certificate.injection import (
    HEALTHY,
    NATIVE,
    Injection,
    Invoke,
    InvokeOperator,
)
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import SQUARE, STACK, STATES, gated, subject
from harness.checks.parity import measure_parity
from harness.comparison import accuracy
from harness.execution.interpreters import Run
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.schema import pack, unpack
from harness.laws.models import Inapplicable
from harness.laws.scripted_models import ScriptedModel
from harness.pipeline.cases import Asked, Case

Array = NDArray[Any]
Examine = Callable[[InjectionBench], list[Reading]]
_ALL, _NOBODY = Asked(recipes=True, runtimes=True), Asked()
_REFUSES = "tflite-reference"
#: Samples with labels, as many as a user's small test set has.
LABELLED, CLASSES = 50, 3


# Runtimes that refuse -----------------------------------------------------------------------


def _refuses(healthy: Invoke) -> Invoke:
    def run(*args: Any, **more: Any) -> Run:
        return Run(StepResult(Phase.LOAD, Outcome.REFUSED, "Didn't find op for builtin opcode"))

    return run


def _refused(asked: Asked) -> Examine:
    injection = Injection(on=_REFUSES, run=_refuses)

    def examine(bench: InjectionBench) -> list[Reading]:
        with bench.asked(asked):
            return bench.readings(gated(SQUARE), "float32", injection, ("tflite", _REFUSES))

    return examine


# Files without their model ------------------------------------------------------------------


def one_step_off(number: int) -> Callable[[InvokeOperator], InvokeOperator]:
    """One of the operators that are run by themselves, counted in the order in which they first
    are, answers one step too much; the whole file does not show it."""
    seen: list[bytes] = []

    def wrap(healthy: InvokeOperator) -> InvokeOperator:
        def run(runtime: Any, content: bytes, *args: Any, **more: Any) -> OperatorRun:
            if content not in seen:
                seen.append(content)
            found = healthy(runtime, content, *args, **more)
            if found.result or seen.index(content) != number:
                return found
            return replace(found, outputs=tuple(_stepped(array) for array in found.outputs))

        return run

    return wrap


def _stepped(array: Array) -> Array:
    if array.dtype.kind != "i":
        return array
    most = np.iinfo(array.dtype).max
    return (array + (array < most)).astype(array.dtype)


@contextmanager
def alone(bench: InjectionBench, made: Subject, recipe: str, edit: Any = None) -> Iterator[Subject]:
    """A subject's flatbuffer as a user's file, of which nothing else is known."""
    conversion = bench.artifacts(made, recipe).conversion
    assert conversion.data is not None
    content = conversion.data.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{made.name}-{recipe}.tflite"
        path.write_bytes(content if edit is None else edit(content))
        yield Subject(path.name, "tflite", path=path)


def _lone(injection: Injection) -> Examine:
    """With a reading of whether each runtime came to agree: what is left unjudged says nothing."""

    def examine(bench: InjectionBench) -> list[Reading]:
        with alone(bench, subject(STACK), "int8") as lone:
            found = bench.readings(lone, AS_CONVERTED.name, injection, NATIVE)
            for name in NATIVE:
                case = Case("test_parity", lone, AS_CONVERTED, RUNTIMES[name])
                result = measure_parity(case, bench.session).result
                strength = 0.0 if result.agreed else None
                found.append(Reading(f"parity on {name}", strength, str(result)))
        return found

    return examine


# Names of outputs ---------------------------------------------------------------------------


def names_swapped(content: bytes) -> bytes:
    """The last two outputs of the signature have each other's name."""
    model = unpack(content)
    *_, one, other = model.signatureDefs[0].outputs
    one.name, other.name = other.name, one.name
    return pack(model)


def names_reordered(content: bytes) -> bytes:
    """The signature lists its outputs in another order, each by its own name."""
    model = unpack(content)
    model.signatureDefs[0].outputs.reverse()
    return pack(model)


def _named(edit: Callable[[bytes], bytes]) -> Examine:
    injection = Injection(edit=edit)
    return lambda bench: bench.readings(gated(STATES), "float32", injection, ("tflite",))


# Labels -------------------------------------------------------------------------------------


def _labels_lost(lost: int) -> Examine:
    """An int8 classifier that decides `lost` of the samples otherwise than Keras, rightly, did."""

    def examine(bench: InjectionBench) -> list[Reading]:
        random = np.random.default_rng(bench.settings.seed)
        of_keras = random.uniform(0, 1, (LABELLED, 1, CLASSES))
        labels = of_keras.reshape(LABELLED, CLASSES).argmax(axis=1).astype(np.int64)
        found = of_keras.copy()
        found[:lost] = np.roll(found[:lost], 1, axis=-1)
        rates = accuracy.top1(found, labels), accuracy.top1(of_keras, labels)
        said = accuracy.fault(*rates, "int8", LABELLED)
        return [Reading("accuracy on labels", None if said else 0.0, said)]

    return examine


# Open sizes ---------------------------------------------------------------------------------


def _open(*axes: int) -> Callable[[bytes], bytes]:
    """A file whose first input leaves these axes open, and no other."""

    def edit(content: bytes) -> bytes:
        model = unpack(content)
        graph = model.subgraphs[0]
        tensor = graph.tensors[graph.inputs[0]]
        signature = np.array(tensor.shape, np.int32)
        signature[list(axes)] = -1
        tensor.shapeSignature = signature
        return pack(model)

    return edit


def _lengths(
    axes: tuple[int, ...], replaced: Callable[[ScriptedModel], ScriptedModel], premise: bool
) -> Examine:
    """The law of lengths on a user's file with these axes open; whether it has its premise."""
    made = Subject("sequences", "catalogue", variant=VARIANTS["sequences"])

    def examine(bench: InjectionBench) -> list[Reading]:
        with alone(bench, made, "dynamic-sequence", _open(*axes)) as lone:
            lone = replace(lone, name=f"{lone.name} open in {axes}")
            made_of_it = bench.artifacts(lone, AS_CONVERTED.name, runtimes=("tflite",))
            bench.session.admit(Case("test_parity", lone, AS_CONVERTED), made_of_it)
            try:
                return bench.law("lengths", lone, AS_CONVERTED.name, "tflite", replaced)
            except Inapplicable as reason:
                return [Reading("law lengths", None if premise else 0.0, str(reason))]

    return examine


def _healthy(scripted: ScriptedModel) -> ScriptedModel:
    return scripted


def _late(scripted: ScriptedModel) -> ScriptedModel:
    return Changed(scripted, answer=wrong_after_64)


def lone_faults() -> list[Fault]:
    found = [
        Fault(
            "a runtime that was named refuses",
            "refused by a runtime that was named",
            "runtime",
            f"float32 · {_REFUSES} · gate",
            _refused(_ALL),
        ),
        Fault(
            "the last two outputs called each other's name",
            "output names swapped",
            "model",
            "float32 · gate",
            _named(names_swapped),
        ),
        Fault(
            f"{accuracy.most_lost(LABELLED) + 1} of {LABELLED} right decisions lost",
            "labels lost beyond the bound",
            "comparison",
            "int8 · labels",
            _labels_lost(accuracy.most_lost(LABELLED) + 1),
        ),
        Fault(
            "wrong in sequences over 64 steps, batch and time open",
            "wrong only for T > 64",
            "runtime",
            "as-converted · tflite · a file alone",
            _lengths((0, 1), _late, True),
        ),
    ]
    for runtime in ("tflite", "tflm"):
        injection = Injection(on=runtime, run_operator=one_step_off(1))
        found.append(
            Fault(
                "one of two LSTMs one step off",
                "one wrong LSTM in a file alone",
                "runtime",
                f"int8 · {runtime} · a file alone",
                _lone(injection),
            )
        )
    return found


def neighbours() -> Iterator[tuple[str, Examine]]:
    """Name and examination of what is healthy beside each fault."""
    yield "reference kernels that nobody named refuse · float32 · gate", _refused(_NOBODY)
    yield "outputs listed in another order · float32 · gate", _named(names_reordered)
    yield f"1 of {LABELLED} right decisions lost · int8 · labels", _labels_lost(1)
    yield "two LSTMs · int8 · a file alone", _lone(HEALTHY)
    yield "batch and time open · law lengths · a file alone", _lengths((0, 1), _healthy, True)
    yield "batch open · law lengths · a file alone", _lengths((0,), _healthy, False)
