"""Read every tensor that a runtime computes inside a model, and the states between operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.execution.operator_runs import OperatorRun, OperatorRuntimes
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.operator_extraction import cut_after, exposing
from harness.flatbuffer.structure import NUMBERS
from harness.workers.limits import Limits
from reference.operators.description import Graph, Operator

Array = NDArray[Any]

#: A runtime that cannot give all tensors at once is asked for halves, down to this many parts.
MOST_PARTS = 8
#: The operators that have states of their own, and the numbers of those inputs.
OWN_STATES = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (18, 19),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (35, 36, 37, 38),
    "LSTM": (18, 19),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (4,),
    "SVDF": (4,),
}


@dataclass(frozen=True, eq=False)
class Reader:
    """A flatbuffer on a runtime with samples, [N, …] for each of its inputs. unwritten: the
    positions of operators whose outputs this runtime does not write, and that are not read."""

    runtimes: OperatorRuntimes
    runtime: Runtime
    content: bytes
    samples: Sequence[Array]
    bounds: Limits
    unwritten: frozenset[int] = frozenset()

    @property
    def graph(self) -> Graph:
        return describe(self.content).graphs[0]

    def tensors(self) -> tuple[dict[int, Array], str]:
        """What the runtime computes, [N, …] by tensor, as far as it can give it, and how the
        first attempt ended that failed."""
        problem, found = "", dict[int, Array]()
        readable = computed(self.graph, self.unwritten)
        waiting = [readable] if readable else []
        for _ in range(2 * MOST_PARTS):
            if not waiting:
                break
            part = waiting.pop(0)
            ran = self._run(exposing(self.content, part), len(part))
            if ran.result is None:
                found.update(zip(part, ran.outputs, strict=True))
                continue
            problem = problem or str(ran.result)
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
        for position, written in _written_states(self.graph).items():
            ran = self._run(cut_after(self.content, position, written), len(written))
            if ran.result is None:
                found.update(zip(written, ran.outputs, strict=True))
        return found, problem

    def final_states(self) -> dict[int, Array]:
        """What operators have left in their variables, where others read it."""
        graph = self.graph
        positions = range(len(graph.operators))
        wanted = list(dict.fromkeys(k for p in positions for k in read_states(graph, p)))
        if not wanted:
            return {}
        ran = self._run(self.content, len(graph.outputs), wanted)
        return {} if ran.result is not None else dict(zip(wanted, ran.states, strict=True))

    def _run(self, content: bytes, outputs: int, states: Sequence[int] = ()) -> OperatorRun:
        return self.runtimes.run(
            self.runtime,
            content,
            self.samples,
            states,
            outputs=outputs,
            bounds=self.bounds,
            resize=self.runtime.adapter.kernels == "tflite",
        )


def computed(graph: Graph, unwritten: frozenset[int] = frozenset()) -> list[int]:
    """The tensors that operators compute and that can be read: no resources, strings, variables,
    nor what the operators at these positions leave unwritten."""
    found = {
        k: None
        for position, operator in enumerate(graph.operators)
        for k in operator.outputs
        if position not in unwritten
        and k >= 0
        and graph.tensors[k].dtype in NUMBERS
        and not graph.tensors[k].variable
    }
    return list(found)


def read_states(graph: Graph, position: int) -> list[int]:
    """The variables that an operator reads once the one that they belong to has run."""
    found: dict[int, None] = {}
    own = OWN_STATES.get(graph.operators[position].name, ())
    for number, k in enumerate(graph.operators[position].inputs):
        if k >= 0 and graph.tensors[k].variable and number not in own:
            if any(_owns(operator, k) for operator in graph.operators[:position]):
                found[k] = None
    return list(found)


def _owns(operator: Operator, tensor: int) -> bool:
    numbers = OWN_STATES.get(operator.name, ())
    return any(n < len(operator.inputs) and operator.inputs[n] == tensor for n in numbers)


def _written_states(graph: Graph) -> dict[int, list[int]]:
    """By the position of an operator, the variables of others that it writes."""
    found = {}
    for position, operator in enumerate(graph.operators):
        written = [k for k in operator.outputs if k >= 0 and graph.tensors[k].variable]
        if written:
            found[position] = written
    return found
