"""Hold a whole model on a runtime to the oracles of its operators, tensor by tensor.

Every tensor that an operator computes becomes an output of the model, so that each operator can be
held to its oracle at what this runtime gave it: no error is passed on, and the first operator that
is wrong is the first to be named. The answer of the model as it is, whose operators a runtime may
fuse, is held to the oracles' answer from the model's inputs on, wherever that is due to the bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.operator_extraction import exposing
from harness.flatbuffer.structure import NUMBERS
from harness.operators.single_operator import differing
from harness.workers.limits import Limits
from reference.lstm.profiles import PROFILES as LSTM_PROFILES
from reference.operators.description import Graph, Model
from reference.operators.kernel import NoOracle
from reference.operators.profiles import PROFILES, OperatorProfile
from reference.operators.run import at_equal_inputs, run

Array = NDArray[Any]
Answer = tuple[tuple[Array, ...], tuple[Array | None, ...]]

#: A runtime that cannot give all tensors at once is asked for halves, down to this many parts.
MOST_PARTS = 8


@dataclass(frozen=True)
class HeldOperator:
    """One operator at its runtime's own inputs.

    tensor: the name of its output (the first that is wrong). values: numbers compared; mismatches:
    of them are not what the oracle says. largest: the largest difference, in steps of an integer
    type or in the output's unit. unjudged: why nothing was compared. message: the first mismatch.
    """

    position: int
    name: str
    tensor: str
    values: int = 0
    mismatches: int = 0
    largest: float = 0.0
    unjudged: str = ""
    message: str = ""

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class HeldModel:
    """A whole model on one runtime.

    problem: how the run ended where no tensor could be read. answer: the outputs of the untouched
    model against the oracles' from its inputs on; position -1. changed: exposing tensors changes
    the model's own outputs, by how much.
    """

    runtime: str
    operators: tuple[HeldOperator, ...] = ()
    answer: HeldOperator = HeldOperator(-1, "model", "")
    problem: str = ""
    changed: str = ""

    @property
    def values(self) -> int:
        return sum(one.values for one in (*self.operators, self.answer))

    @property
    def wrong(self) -> tuple[HeldOperator, ...]:
        """What is not as its oracle says, in the order of execution."""
        return tuple(one for one in (*self.operators, self.answer) if one.mismatches)

    @property
    def first(self) -> HeldOperator | None:
        return next(iter(self.wrong), None)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Operators that could not be held to anything and why, each reason once."""
        return tuple(dict.fromkeys(one.unjudged for one in self.operators if one.unjudged))

    @property
    def proven(self) -> bool:
        """Whether every operator was held to an oracle, and is what it says."""
        whole = not self.problem and not self.unjudged and bool(self.operators)
        return whole and not self.wrong and self.values > 0

    def document(self) -> dict[str, Any]:
        """As the report has it: all that is wrong or was not judged, and counts of the rest."""
        return {
            "runtime": self.runtime,
            "operators": len(self.operators),
            "values": self.values,
            "mismatches": sum(one.mismatches for one in self.wrong),
            "wrong": [one.document() for one in self.wrong],
            "first_divergence": None if self.first is None else self.first.document(),
            "without_oracle": list(self.unjudged),
            "answer_due_to_the_bit": self.answer.values > 0,
            "exposing_changes": self.changed,
            "problem": self.problem,
        }


class WholeModels:
    """Runs and judges, and keeps what it has done for one flatbuffer. Not thread-safe."""

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
            self.close()
            self._of = digest
        known = (runtime.name, _digest([*samples, *outputs]))
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
        answer = self._answer(model, samples, outputs, profile)
        wanted = _computed(graph)
        values, problem = self._read(content, wanted, samples, runtime, bounds)
        if not values and wanted:
            return HeldModel(runtime.name, answer=answer, problem=problem)
        changed = _changed(graph, values, outputs)
        values |= dict(zip(graph.inputs, samples, strict=True))
        held = [
            self._operator(model, position, values, profile)
            for position in range(len(graph.operators))
            if _to_be_held(graph, position)
        ]
        return HeldModel(runtime.name, tuple(held), answer, "", changed)

    def _read(
        self,
        content: bytes,
        wanted: Sequence[int],
        samples: Sequence[Array],
        runtime: Runtime,
        bounds: Limits,
    ) -> tuple[dict[int, Array], str]:
        """What the runtime computes in these tensors, [N, …], as far as it can give them."""
        waiting, problem = [list(wanted)], ""
        found: dict[int, Array] = {}
        for _ in range(2 * MOST_PARTS):
            if not waiting:
                break
            part = waiting.pop(0)
            ran = self.runtimes.run(
                runtime,
                exposing(content, part),
                samples,
                outputs=len(part),
                bounds=bounds,
                resize=runtime.adapter.kernels == "tflite",
            )
            if ran.result is None:
                found.update(zip(part, ran.outputs, strict=True))
                continue
            problem = problem or str(ran.result)
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
        return found, problem

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

    def _expected(
        self, model: Model, position: int, values: Mapping[int, Array], profile: OperatorProfile
    ) -> Answer | str:
        """The oracle's answer; runtimes of one arithmetic that got the same share it."""
        inputs = model.graphs[0].operators[position].inputs
        given = _digest([values[k] for k in inputs if k in values])
        key = f"{position} {_arithmetic(profile)} {given}"
        if key not in self._answers:
            try:
                self._answers[key] = at_equal_inputs(model, position, values, profile)
            except NoOracle as error:
                self._answers[key] = str(error)
        return self._answers[key]

    def _answer(
        self,
        model: Model,
        samples: Sequence[Array],
        outputs: Sequence[Array],
        profile: OperatorProfile,
    ) -> HeldOperator:
        graph, count = model.graphs[0], len(samples[0])
        trace = run(model, samples, profile)
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


def compared(
    place: tuple[int, str, str],
    names: Sequence[str],
    got: Sequence[Array],
    wanted: Sequence[Array],
    allowed: Sequence[Array | None],
) -> HeldOperator:
    """Hold an operator's outputs, [N, …] each, to its oracle's. place: position, name, tensor."""
    position, operator, tensor = place
    values = mismatches = 0
    largest, message = 0.0, ""
    for name, given, want, limit in zip(names, got, wanted, allowed, strict=True):
        want = np.broadcast_to(want, (len(given), *want.shape[1:]))
        if given.size != want.size:
            shapes = f"{list(given.shape[1:])}, expected {list(want.shape[1:])}"
            message = message or f"tensor {name!r} has the shape {shapes}"
            values, mismatches, tensor = values + want.size, mismatches + want.size, name
            continue
        values += want.size
        limit = None if limit is None else np.broadcast_to(limit, want.shape)
        given = given.reshape(want.shape)
        wrong = differing(given, want, limit)
        if not wrong.any():
            continue
        mismatches += int(wrong.sum())
        off = np.abs(given.astype(np.float64) - want.astype(np.float64))
        largest = max(largest, float(np.nan_to_num(off, nan=np.inf).max()))
        if not message:
            tensor = name
            message = _first(name, given, want, limit, wrong)
    return HeldOperator(position, operator, tensor, values, mismatches, largest, "", message)


def _first(name: str, given: Array, want: Array, limit: Array | None, wrong: Array) -> str:
    at = tuple(int(n) for n in np.argwhere(wrong)[0])
    rule = "to the bit" if limit is None else f"within {limit[at]:.3g}"
    return (
        f"tensor {name!r}: {int(wrong.sum())} of {wrong.size} values are not what its oracle says "
        f"({rule}); first in sample {at[0]} at {list(at[1:])}: {given[at]}, expected {want[at]}"
    )


def _computed(graph: Graph) -> list[int]:
    """The tensors that operators compute and that can be read: no resources, strings, variables."""
    found = {
        k: None
        for operator in graph.operators
        for k in operator.outputs
        if k >= 0 and graph.tensors[k].dtype in NUMBERS and not graph.tensors[k].variable
    }
    return list(found)


def _to_be_held(graph: Graph, position: int) -> bool:
    """Whether an operator computes numbers; what only manages resources shows in what is read."""
    outputs = graph.operators[position].outputs
    return any(k >= 0 and graph.tensors[k].dtype in NUMBERS for k in outputs)


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
