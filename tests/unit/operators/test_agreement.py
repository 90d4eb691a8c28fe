"""Runtimes may differ on an operator beside an LSTM by its rounding, and by nothing else."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.schema import pack, unpack
from harness.operators import agreement
from harness.operators.agreement import beyond_one_rounding, computed_tensors, single_operators
from tests.support.reference_models import float_weights
from tests.support.small_models import structure

Array = NDArray[Any]
TFLITE, MICRO = RUNTIMES["tflite"], RUNTIMES["tflm"]


# The other operators ----------------------------------------------------------------------------


def _chain() -> bytes:
    """TANH, then LOGISTIC of it beside the input: int8."""
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 4], "int8", 0.02)
    a = graph.tensor("a", [1, 4], "int8", 2.0**-7)
    b = graph.tensor("b", [1, 4], "int8", 2.0**-8, -128)
    graph.operator("TANH", [x], [a])
    graph.operator("LOGISTIC", [a], [b])
    return graph.pack([x], [b])


def test_operators_are_cut_out_one_by_one() -> None:
    content = _chain()
    assert computed_tensors(content) == [0, 1]
    tanh, logistic = single_operators(content, {0: (3, 4), 1: (3, 4)})
    assert [single.name for single in (tanh, logistic)] == ["TANH", "LOGISTIC"]
    assert [single.reads for single in (tanh, logistic)] == [(0,), (1,)]
    assert [single.outputs for single in (tanh, logistic)] == [1, 1]
    (graph,) = unpack(logistic.content).subgraphs
    assert (list(graph.inputs), list(graph.outputs), len(graph.operators)) == ([1], [2], 1)
    assert [list(graph.tensors[k].shape) for k in (0, 1)] == [[3, 4], [3, 4]]


def test_lstms_and_constants_are_not_cut_out() -> None:
    content = build(OperatorLstm(float_weights(1), 5, 2)).content
    assert single_operators(content, {}) == []
    (found,) = lstm_operators(content)
    assert computed_tensors(content) == [found.input]


class _Runtimes:
    """Stands in for the runtimes: TFLite answers x + 1, the other one that and `off`."""

    def __init__(self, off: int = 0, fails: str = "") -> None:
        self.off, self.fails, self.asked = off, fails, []  # type: ignore[var-annotated]

    def run(self, runtime: Any, content: bytes, inputs: Any, **more: Any) -> OperatorRun:
        self.asked.append((runtime.name, len(inputs), more))
        inner = "resize" in more
        if self.fails == ("inner" if inner else runtime.name):
            return OperatorRun(StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV"))
        off = self.off if runtime.name != "tflite" else 0
        return OperatorRun(None, tuple(inputs[0] + 1 + off for _ in range(more["outputs"])))


X = np.arange(8, dtype=np.int8).reshape(2, 1, 4)


def _agreement(runtimes: _Runtimes) -> agreement.Agreement:
    content = _chain()
    nobody: Any = None
    faked: Any = runtimes
    return agreement.agreement(content, structure(content), [X], MICRO, faked, nobody)


@pytest.mark.parametrize(("off", "different", "problems"), [(0, 0, 0), (1, 16, 0), (2, 16, 2)])
def test_other_operators_may_differ_by_one_step(off: int, different: int, problems: int) -> None:
    runtimes = _Runtimes(off)
    found = _agreement(runtimes)
    assert (found.operators, found.values, found.different) == (2, 16, different)
    assert len(found.problems) == problems
    assert all("8 of 8 values differ by up to 2 steps" in text for text in found.problems)
    names = [name for name, _, _ in runtimes.asked]
    assert names == ["tflite", "tflite", "tflm", "tflite", "tflm"]
    assert runtimes.asked[0][2]["resize"]
    assert runtimes.asked[0][2]["outputs"] == 1


def test_of_an_operator_that_does_not_run_nothing_is_known() -> None:
    inner = _agreement(_Runtimes(fails="inner"))
    assert inner.operators == 0
    assert "inner tensors cannot be read: crashed in invoke: SIGSEGV" in inner.unknown[0]
    found = _agreement(_Runtimes(fails="tflm"))
    assert (found.operators, found.values) == (2, 0)
    assert [text.split(" ")[0] for text in found.unknown] == ["TANH", "LOGISTIC"]
    assert all("does not run alone: crashed" in text for text in found.unknown)
    assert found.problems == ()


def test_a_sum_of_products_may_be_off_by_a_rounding_for_each() -> None:
    a = np.array([[1.0, -2.0]], np.float32)
    moved = a + np.array([[0, 100 * 2.0**-23]], np.float32)
    assert beyond_one_rounding(a, moved)
    assert beyond_one_rounding(a, moved, terms=100) == ""
    assert beyond_one_rounding(a, a + np.float32(0.001), terms=100)


def test_two_roundings_and_no_more() -> None:
    a = np.array([[1.0, -2.0]], np.float32)
    assert beyond_one_rounding(a, a * np.float32(1 + 2.0**-22)) == ""
    assert "1 of 2" in beyond_one_rounding(a, a + np.array([[0, 2.0**-19]], np.float32))
    assert beyond_one_rounding(np.zeros((0, 2)), np.zeros((0, 2))) == ""
    assert beyond_one_rounding(a, a[:, :1]) == "float32 [1, 1], expected float32 [1, 2]"
    assert beyond_one_rounding(a, a.astype(np.float64)) == "float64 [1, 2], expected float32 [1, 2]"
    unsigned = np.array([[0, 255]], np.uint8)
    assert beyond_one_rounding(unsigned, np.array([[1, 254]], np.uint8)) == ""
    assert "by up to 255 steps" in beyond_one_rounding(unsigned, unsigned[:, ::-1])
    for bad in (np.nan, np.inf):
        worse = np.array([[1.0, bad]], np.float32)
        assert beyond_one_rounding(a, worse) == "NaN or infinite values"
        assert beyond_one_rounding(worse, a) == "NaN or infinite values"


def test_the_operators_alone_are_what_is_run() -> None:
    class Looking(_Runtimes):
        def run(self, runtime: Any, content: bytes, inputs: Any, **more: Any) -> OperatorRun:
            graph = unpack(content).subgraphs[0]
            seen.append((len(graph.operators), [int(k) for k in graph.outputs], more["bounds"]))
            shapes.append([list(graph.tensors[int(k)].shape) for k in graph.inputs])
            return super().run(runtime, content, inputs, **more)

    seen: list[Any] = []
    shapes: list[Any] = []
    content, bounds = _chain(), object()
    faked: Any = Looking()
    given: Any = bounds
    agreement.agreement(content, structure(content), [X], MICRO, faked, given)
    assert seen == [(2, [1], bounds), *[(1, [1], bounds)] * 2, *[(1, [2], bounds)] * 2]
    assert shapes[1:] == [[[1, 4]]] * 4


def test_a_constant_is_never_an_input_of_an_operator() -> None:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 1], "int8", 0.02)
    one = graph.tensor("one", [1, 1], "int8", 0.02, data=np.array([[1]], np.int8))
    y = graph.tensor("y", [1, 1], "int8", 0.02)
    graph.operator("MINIMUM", [one, x], [y])
    content = graph.pack([x], [y])
    assert computed_tensors(content) == [x]
    (single,) = single_operators(content, {})
    assert single.reads == (x,)


def test_units_are_named_for_integers_only() -> None:
    a = np.array([[1.0, 2.0]], np.float32)
    assert beyond_one_rounding(a, a + 1).endswith("differ by up to 1 ")
    small = np.array([[2.0**-30, 0.0]], np.float32)
    assert "2 of 2" in beyond_one_rounding(small, small + np.float32(2.0**-24))


def test_other_subgraphs_stay_where_they_are() -> None:
    model = unpack(_chain())
    model.subgraphs += [copy.copy(model.subgraphs[0]), copy.copy(model.subgraphs[0])]
    for name, graph in zip((b"main", b"one", b"two"), model.subgraphs, strict=True):
        graph.name = name
    tanh, _ = single_operators(pack(model), {0: (3, 4), 1: (3, 4)})
    assert [graph.name for graph in unpack(tanh.content).subgraphs] == [b"main", b"one", b"two"]


def test_what_is_left_out_does_not_end_the_inputs() -> None:
    """An optional input that is absent, a variable and a constant before a computed one."""
    model = unpack(build(OperatorLstm(float_weights(1), 5, 2)).content)
    (graph,) = model.subgraphs
    operator = copy.copy(graph.operators[0])
    computed = int(operator.inputs[0])
    variable = next(k for k, tensor in enumerate(graph.tensors) if tensor.isVariable)
    constant = int(operator.inputs[2])
    operator.inputs = [-1, variable, constant, computed]
    assert agreement._computed(model, operator) == [computed]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_every_integer_type_has_steps(dtype: Any) -> None:
    a = np.array([[1, 100]], dtype)
    assert beyond_one_rounding(a, a + dtype(1)) == ""
    assert beyond_one_rounding(a, a + dtype(2)) == "2 of 2 values differ by up to 2 steps"


def test_as_many_tensors_as_were_asked_for() -> None:
    """A sample too many, an inner tensor too few, and one output of two on one runtime."""

    class Fewer(_Runtimes):
        def __init__(self, of: str) -> None:
            super().__init__()
            self.of = of

        def run(self, runtime: Any, content: bytes, inputs: Any, **more: Any) -> OperatorRun:
            found = super().run(runtime, content, inputs, **more)
            inner = "resize" in more
            fewer = inner if self.of == "inner" else runtime.name == self.of
            return OperatorRun(None, found.outputs[:-1]) if fewer else found

    content = _chain()
    nobody: Any = None
    for faked, samples in ((_Runtimes(), [X, X]), (Fewer("inner"), [X]), (Fewer("tflm"), [X])):
        runtimes: Any = faked
        with pytest.raises(ValueError, match="zip"):
            agreement.agreement(content, structure(content), samples, MICRO, runtimes, nobody)
