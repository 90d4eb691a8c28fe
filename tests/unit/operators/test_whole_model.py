"""A whole model is held operator by operator: the first that is wrong is the one that is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.graph_description import describe
from harness.operators.held_model import HeldModel
from harness.operators.whole_model import WholeModels
from harness.workers import limits
from reference.operators.profiles import PROFILES, OperatorProfile
from reference.operators.run import run

Array = NDArray[Any]
Change = Callable[[int, Array], Array]
RUNTIME = RUNTIMES["tflite-reference"]
TANH, BACK, LOGISTIC = 1, 3, 4  # tensors that operators compute


def chain(last: str = "LOGISTIC") -> bytes:
    """TANH, a reversal and LOGISTIC of int8."""
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 5], "int8", 0.02)
    a = graph.tensor("tanh", [1, 5], "int8", 2.0**-7)
    axis = graph.tensor("axis", [1], "int32", data=np.array([1], np.int32))
    b = graph.tensor("back", [1, 5], "int8", 2.0**-7)
    c = graph.tensor("logistic", [1, 5], "int8", 2.0**-8, -128)
    graph.operator("TANH", [x], [a])
    graph.operator("REVERSE_V2", [a, axis], [b])
    graph.operator(last, [b], [c])
    return graph.pack([x], [c])


class Faulty:
    """A runtime whose kernels compute what the oracles say, but for a change of one tensor that
    goes on into what follows."""

    def __init__(self, change: Change = lambda k, a: a, most: int = 99) -> None:
        self.change, self.most = change, most
        self.asked: list[int] = []

    def run(
        self, runtime: Any, content: bytes, inputs: Sequence[Array], *args: Any, **how: Any
    ) -> OperatorRun:
        model = describe(content)
        (graph,) = model.graphs
        self.asked.append(len(graph.outputs))
        if len(graph.outputs) > self.most:
            refused = StepResult(Phase.LOAD, Outcome.REFUSED, "too many outputs")
            return OperatorRun(refused)
        found = computed(content, inputs, PROFILES[runtime.name], self.change)
        return OperatorRun(None, tuple(found[k] for k in graph.outputs))


def computed(
    content: bytes, inputs: Sequence[Array], profile: OperatorProfile, change: Change
) -> dict[int, Array]:
    """Each operator's oracle at what the one before gave, changed."""
    from reference.operators.run import at_equal_inputs

    model = describe(content)
    (graph,) = model.graphs
    values = dict(zip(graph.inputs, inputs, strict=True))
    for position, operator in enumerate(graph.operators):
        found, _ = at_equal_inputs(model, position, values, profile)
        for k, value in zip(operator.outputs, found, strict=True):
            values[k] = change(k, value.astype(graph.tensors[k].dtype))
    return values


def held(change: Change = lambda k, a: a, whole: Change | None = None, most: int = 99) -> HeldModel:
    content = chain()
    x = np.random.default_rng(0).integers(-128, 128, (4, 1, 5)).astype(np.int8)
    own = computed(content, [x], PROFILES[RUNTIME.name], whole or change)
    runtimes: Any = Faulty(change, most)
    models = WholeModels(runtimes)
    return models.hold(content, [x], RUNTIME, [own[LOGISTIC]], limits.INVOKE)


def test_a_runtime_that_computes_what_the_oracles_say_is_proven() -> None:
    found = held()
    assert found.proven
    assert found.values == 3 * 20 + 20  # each operator's output, and the model's own answer
    assert (found.unjudged, found.wrong, found.changed) == ((), (), "")
    assert found.document()["answer_due_to_the_bit"]


def _off_by_one(tensor: int) -> Change:
    def change(k: int, values: Array) -> Array:
        if k != tensor:
            return values
        changed = values.copy()
        changed[2, 0, 3] ^= 1
        return changed

    return change


@pytest.mark.parametrize(
    ("tensor", "name"), [(TANH, "TANH"), (BACK, "REVERSE_V2"), (LOGISTIC, "LOGISTIC")]
)
def test_one_value_of_one_operator_is_found_where_it_is(tensor: int, name: str) -> None:
    found = held(_off_by_one(tensor))
    assert not found.proven
    assert found.first is not None
    assert (found.first.name, found.first.mismatches, found.first.largest) == (name, 1, 1.0)
    assert "first in sample 2 at [0, 3]" in found.first.message
    # Those behind it are right at what they were given; the answer of the whole may be wrong.
    assert [one.name for one in found.wrong if one.position >= 0] == [name]
    assert found.document()["first_divergence"]["tensor"] in found.first.message


def test_an_answer_that_is_wrong_only_where_operators_are_fused_is_found() -> None:
    found = held(whole=_off_by_one(LOGISTIC))
    assert [(one.position, one.mismatches) for one in found.wrong] == [(-1, 1)]
    assert found.changed == "1 of 20 values of the outputs"


def test_a_runtime_that_cannot_give_all_tensors_at_once_gives_them_in_groups() -> None:
    found = held(most=1)
    assert found.proven


def test_a_runtime_that_gives_no_tensor_proves_nothing() -> None:
    found = held(most=0)
    assert not found.proven
    assert "too many outputs" in found.problem
    assert found.answer.values == 20  # its own answer is held all the same


def test_an_operator_without_an_oracle_is_named_and_not_judged() -> None:
    content = chain("SVDF")
    x = np.zeros((2, 1, 5), np.int8)
    profile = PROFILES[RUNTIME.name]
    trace = run(describe(content), [x], profile)
    assert trace.of(LOGISTIC, 2) is None

    class Runs:
        def run(self, *args: Any, **how: Any) -> OperatorRun:
            found = [trace.of(k, 2) for k in (TANH, BACK)]
            return OperatorRun(None, (*found, np.zeros((2, 1, 5), np.int8)))  # type: ignore[arg-type]

    runs: Any = Runs()
    found = WholeModels(runs).hold(content, [x], RUNTIME, [x], limits.INVOKE)
    assert not found.proven
    assert not found.wrong
    assert found.unjudged == ("SVDF",)
    assert found.answer.values == 0
    assert found.document()["without_oracle"] == ["SVDF"]


def test_what_was_held_is_kept_for_the_next_that_asks() -> None:
    content, x = chain(), np.zeros((2, 1, 5), np.int8)
    own = computed(content, [x], PROFILES[RUNTIME.name], lambda k, a: a)[LOGISTIC]
    faulty = Faulty()
    runtimes: Any = faulty
    models = WholeModels(runtimes)
    for _ in range(2):
        assert models.hold(content, [x], RUNTIME, [own], limits.INVOKE).proven
    assert faulty.asked == [3]
