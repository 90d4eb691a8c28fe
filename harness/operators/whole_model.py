"""Hold a whole model on a runtime to the oracles of its operators, tensor by tensor.

Every tensor that an operator computes becomes an output of the model, so that each operator can be
held to its oracle at what this runtime gave it: no error is passed on, and the first operator that
is wrong is the first to be named. What a delegate unpacks of constants when it is prepared is not
written where it could be read: the operators behind it are held at their oracle's value of it, and
so show what is wrong there. The answer of the model as it is, whose operators a runtime may
fuse, is held to the oracles' answer from the model's inputs on, wherever that is due to the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.structure import NUMBERS
from harness.operators.exposed_tensors import Reader, computed, read_states
from harness.operators.held_model import HeldModel, HeldOperator, compared
from harness.operators.single_operator import differing
from harness.workers.limits import Limits
from reference.lstm.profiles import PROFILES as LSTM_PROFILES
from reference.operators.delegation import unpacked
from reference.operators.description import Graph, Model
from reference.operators.kernel import NoOracle
from reference.operators.profiles import PROFILES, OperatorProfile
from reference.operators.run import at_equal_inputs, run

Array = NDArray[Any]
Answer = tuple[tuple[Array, ...], tuple[Array | None, ...]]


class WholeModels:
    """Runs and judges, and keeps what it found: recipes often give one file. Not thread-safe."""

    def __init__(self, runtimes: OperatorRuntimes) -> None:
        self.runtimes = runtimes
        self._of = ""
        self._held: dict[tuple[str, str], HeldModel] = {}
        self._answers: dict[str, Answer | str] = {}

    def close(self) -> None:
        self._held.clear()
        self._answers.clear()

    def hold(
        self,
        content: bytes,
        samples: Sequence[Array],
        runtime: Runtime,
        outputs: Sequence[Array],
        bounds: Limits,
    ) -> HeldModel:
        """Hold a flatbuffer on one runtime.

        samples: [N, …] for each input, in its types. outputs: what the untouched model answered to
        them on this runtime, in the flatbuffer's order. Raises ValueError or TypeError for a file
        that cannot be described.
        """
        digest = hashlib.sha256(content).hexdigest()
        if digest != self._of:
            self._answers.clear()
            self._of = digest
        known = (runtime.name, f"{digest} {_digest([*samples, *outputs])}")
        if known not in self._held:
            self._held[known] = self._hold(content, samples, runtime, outputs, bounds)
        return self._held[known]

    def _hold(
        self,
        content: bytes,
        samples: Sequence[Array],
        runtime: Runtime,
        outputs: Sequence[Array],
        bounds: Limits,
    ) -> HeldModel:
        model, profile = describe(content), PROFILES[runtime.base]
        graph = model.graphs[0]
        within = unpacked(graph, profile)
        reader = Reader(self.runtimes, runtime, content, samples, bounds, within)
        values, problem = reader.tensors()
        if not values and computed(graph, within):
            answer = self._answer(model, samples, outputs, profile)
            return HeldModel(runtime.name, answer=answer, problem=problem)
        after = reader.final_states()
        changed = _changed(graph, values, outputs)
        values |= dict(zip(graph.inputs, samples, strict=True))
        for position in within:
            values |= self._unpacked(model, position, len(samples[0]), profile)
        held = [
            self._operator(model, position, _seen(graph, position, values, after), profile)
            for position in range(len(graph.operators))
            if position not in within and _to_be_held(graph, position)
        ]
        answer = HeldOperator(-1, "model", "")
        if set(graph.outputs) - _loose(graph, held):
            answer = self._answer(model, samples, outputs, profile)
        return HeldModel(runtime.name, tuple(held), answer, "", changed)

    def _operator(
        self, model: Model, position: int, values: Mapping[int, Array], profile: OperatorProfile
    ) -> HeldOperator:
        graph = model.graphs[0]
        operator = graph.operators[position]
        names = [graph.tensors[k].name for k in operator.outputs]
        place = (position, operator.name, names[0])
        if any(k not in values for k in operator.outputs):
            return HeldOperator(*place, unjudged=f"{operator.name}: its output cannot be read")
        answer = self._expected(model, position, values, profile)
        if isinstance(answer, str):
            return HeldOperator(*place, unjudged=answer)
        got = [values[k] for k in operator.outputs]
        return compared(place, names, got, *answer)

    def _unpacked(
        self, model: Model, position: int, count: int, profile: OperatorProfile
    ) -> dict[int, Array]:
        """What its oracle makes of constants, [N, …] by tensor; nothing where there is none: those
        behind it then say that their input is not known."""
        found = self._expected(model, position, {}, profile)
        if isinstance(found, str):
            return {}
        outputs = model.graphs[0].operators[position].outputs
        pairs = zip(outputs, found[0], strict=True)
        return {k: np.broadcast_to(value[0], (count, *value.shape[1:])) for k, value in pairs}

    def _expected(
        self, model: Model, position: int, values: Mapping[int, Array], profile: OperatorProfile
    ) -> Answer | str:
        """The oracle's answer, or why there is none; runtimes of one arithmetic that got the same
        share it."""
        operator = model.graphs[0].operators[position]
        given = _digest([values[k] for k in operator.inputs if k in values])
        key = f"{position} {_arithmetic(profile)} {given}"
        if key not in self._answers:
            try:
                self._answers[key] = at_equal_inputs(model, position, values, profile)
            except NoOracle as error:
                self._answers[key] = str(error)
            except Exception as error:  # a file may have what no oracle thought of
                told = f"{type(error).__name__}: {error}"
                self._answers[key] = f"{operator.name}: its oracle fails: {told}"
        return self._answers[key]

    def _answer(
        self,
        model: Model,
        samples: Sequence[Array],
        outputs: Sequence[Array],
        profile: OperatorProfile,
    ) -> HeldOperator:
        graph, count = model.graphs[0], len(samples[0])
        try:
            trace = run(model, samples, profile)
        except Exception:  # as each operator by itself says
            return HeldOperator(-1, "model", "")
        due = [
            (position, found)
            for position, index in enumerate(graph.outputs)
            if index in trace.exact and (found := trace.of(index, count)) is not None
        ]
        names = [graph.tensors[graph.outputs[position]].name for position, _ in due]
        if not due:
            return HeldOperator(-1, "model", "")
        got = [outputs[position] for position, _ in due]
        want = tuple(found for _, found in due)
        return compared((-1, "model", names[0]), names, got, want, (None,) * len(due))


def _loose(graph: Graph, held: Sequence[HeldOperator]) -> set[int]:
    """The tensors that are not due to the bit from the model's inputs on."""
    within = {one.position for one in held if one.unjudged or not one.to_the_bit}
    found: set[int] = set()
    for position, operator in enumerate(graph.operators):
        if position in within or found & set(operator.inputs):
            found |= set(operator.outputs)
    return found


def _changed(graph: Graph, values: Mapping[int, Array], outputs: Sequence[Array]) -> str:
    """How the model's own outputs differ once tensors inside are outputs, too; empty where they do
    not: a runtime may then compute what it had fused."""
    different = total = 0
    for index, own in zip(graph.outputs, outputs, strict=True):
        seen = values.get(index)
        if seen is None or seen.size != own.size:
            continue
        total += own.size
        different += int(np.count_nonzero(differing(seen.reshape(own.shape), own, None)))
    return f"{different} of {total} values of the outputs" if different else ""


def _arithmetic(profile: OperatorProfile) -> str:
    """What decides an oracle's answer for a runtime, whatever its name."""
    own = [str(getattr(profile, f.name)) for f in fields(profile) if f.name not in ("name", "lstm")]
    of_lstm = LSTM_PROFILES[profile.lstm]
    return " ".join(
        [*own, *(str(getattr(of_lstm, f.name)) for f in fields(of_lstm) if f.name != "name")]
    )


def _digest(arrays: Sequence[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _to_be_held(graph: Graph, position: int) -> bool:
    """Whether an operator computes numbers; what only manages resources shows in what is read."""
    outputs = graph.operators[position].outputs
    return any(k >= 0 and graph.tensors[k].dtype in NUMBERS for k in outputs)


def _seen(
    graph: Graph, position: int, values: Mapping[int, Array], after: Mapping[int, Array]
) -> Mapping[int, Array]:
    """What an operator is given: of others' variables what these have left there."""
    left = {k: after[k] for k in read_states(graph, position) if k in after}
    return {**left, **values} if left else values
