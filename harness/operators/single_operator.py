"""Hold models of one operator to its oracle, on a runtime, for operators of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_description import build
from reference.operators.description import ABSENT, Graph
from reference.operators.kernel import Answer, Call
from reference.operators.profiles import PROFILES, OperatorProfile
from reference.operators.table import compute

Array = NDArray[Any]


@dataclass(frozen=True)
class Held:
    """How a runtime's answers compare with the oracle's.

    values: numbers compared; mismatches: of them are not what the oracle says. problem: how the
    run ended where there was nothing to compare. message: the first mismatch.
    """

    values: int = 0
    mismatches: int = 0
    problem: str = ""
    message: str = ""

    @property
    def proven(self) -> bool:
        return self.values > 0 and self.mismatches == 0


def call_of(graph: Graph, position: int, values: dict[int, Array]) -> Call:
    """An operator of a graph with what its inputs hold: computed values, or constants.

    values: by tensor index."""
    operator = graph.operators[position]
    tensors = [None if k == ABSENT else graph.tensors[k] for k in operator.inputs]
    held = [
        None if tensor is None else values.get(k, tensor.data)
        for k, tensor in zip(operator.inputs, tensors, strict=True)
    ]
    outputs = tuple(graph.tensors[k] for k in operator.outputs)
    between = tuple(graph.tensors[k] for k in operator.intermediates)
    described = (operator.name, operator.version, operator.options)
    return Call(*described, tuple(tensors), tuple(held), outputs, between)


def hold(graph: Graph, samples: Sequence[Array], runtime: str, runtimes: OperatorRuntimes) -> Held:
    """Run a graph of one operator and compare. samples: [N, …] for each of the graph's inputs.

    Raises NoOracle where the operator has no oracle.
    """
    answers = [
        _answer(graph, [a[k] for a in samples], PROFILES[runtime]) for k in range(len(samples[0]))
    ]
    outputs = len(graph.outputs)
    run = runtimes.run(RUNTIMES[runtime], build(graph), samples, outputs=outputs)
    if run.result is not None:
        return Held(problem=str(run.result))
    values = mismatches = 0
    message = ""
    for k, answer in enumerate(answers):
        for position, (want, allowed) in enumerate(zip(answer.values, answer.allowed, strict=True)):
            got = run.outputs[position][k].reshape(want.shape)
            wrong = differing(got, want, allowed)
            values += want.size
            mismatches += int(wrong.sum())
            if wrong.any() and not message:
                at = tuple(int(n) for n in np.argwhere(wrong)[0])
                message = (
                    f"{graph.operators[0].name} on {runtime}, sample {k}, output {position} at "
                    f"{list(at)}: {got[at]}, expected {want[at]}; {int(wrong.sum())} of "
                    f"{want.size} differ"
                )
    return Held(values, mismatches, "" if values else "nothing was compared", message)


def differing(got: Array, want: Array, allowed: Array | None) -> NDArray[np.bool_]:
    """Where a value is not what it must be: equal to the bit (any NaN is any other), or within what
    is allowed."""
    same = (got == want) | ((got != got) & (want != want))
    if allowed is None:
        return np.asarray(~same)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(~(same | (np.abs(got.astype(np.float64) - want) <= allowed)))


def _answer(graph: Graph, inputs: Sequence[Array], profile: OperatorProfile) -> Answer:
    return compute(call_of(graph, 0, dict(zip(graph.inputs, inputs, strict=True))), profile)
