"""A whole model is run by its oracles: loops, branches, resources, and what has no oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference.operators.description import Graph, Model, Operator, Tensor
from reference.operators.kernel import NoOracle
from reference.operators.profiles import PROFILES
from reference.operators.run import at_equal_inputs, run

Array = NDArray[Any]
TFLITE, MICRO = PROFILES["tflite-reference"], PROFILES["tflm"]


def int8(name: str, shape: tuple[int, ...], scale: float = 0.02, zero: int = 0) -> Tensor:
    return Tensor(name, "int8", shape, (float(np.float32(scale)),), (zero,))


def chain() -> Model:
    """QUANTIZE, then TANH, then a reversal."""
    tensors = (
        Tensor("x", "float32", (1, 4)),
        int8("q", (1, 4)),
        int8("t", (1, 4), 1 / 128),
        Tensor("axis", "int32", (1,), data=np.array([1], np.int32)),
        int8("y", (1, 4), 1 / 128),
    )
    operators = (
        Operator("QUANTIZE", 1, (0,), (1,)),
        Operator("TANH", 1, (1,), (2,)),
        Operator("REVERSE_V2", 1, (2, 3), (4,)),
    )
    return Model((Graph(tensors, operators, (0,), (4,)),))


def test_all_tensors_are_computed_and_due_to_the_bit() -> None:
    x = np.array([[[0.5, -0.5, 0.02, 0.0]], [[1.0, -1.0, 0.1, 0.2]]], np.float32)
    trace = run(chain(), [x], TFLITE)
    assert not trace.missing
    assert trace.exact == {0, 1, 2, 4}
    quantised = trace.of(1, 2)
    assert quantised is not None
    assert quantised[0].tolist() == [[25, -25, 1, 0]]
    y, t = trace.of(4, 2), trace.of(2, 2)
    assert y is not None
    assert t is not None
    np.testing.assert_array_equal(y, t[:, :, ::-1])
    np.testing.assert_allclose(t / 128, np.tanh(quantised * 0.02), atol=0.6 / 128)


def test_what_lies_behind_an_operator_without_an_oracle_is_not_known() -> None:
    (graph,) = chain().graphs
    operators = (graph.operators[0], Operator("SVDF", 1, (1,), (2,)), graph.operators[2])
    model = Model((Graph(graph.tensors, operators, (0,), (4,)),))
    trace = run(model, [np.zeros((2, 1, 4), np.float32)], TFLITE)
    assert list(trace.missing) == [1]
    assert "SVDF" in trace.missing[1]
    assert trace.of(1, 2) is not None
    assert trace.of(4, 2) is None
    # From the runtime's own tensor on it is.
    given = {2: np.array([[[1, 2, 3, 4]]], np.int8)}
    (found,), (allowed,) = at_equal_inputs(model, 2, given, TFLITE)
    assert allowed is None
    assert found.tolist() == [[[4, 3, 2, 1]]]
    with pytest.raises(NoOracle, match="SVDF"):
        at_equal_inputs(model, 1, {1: np.zeros((1, 1, 4), np.int8)}, TFLITE)
    with pytest.raises(NoOracle, match="'t' is not known"):
        at_equal_inputs(model, 2, {}, TFLITE)


def loop(steps: int | None, dtype: str = "float32") -> Model:
    """tanh, over and over: `steps` times, or as often as its second input says."""
    number, value = Tensor("k", "int32", ()), Tensor("x", dtype, (1, 3))
    before = Tensor("before", "int32", (4,), data=np.array([0, 0, 1, 2], np.int32))
    zero = Tensor("zero", "int32", (), data=np.array(0, np.int32))
    start = Tensor("n", "int32", (), data=None if steps is None else np.array(steps, np.int32))
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    main = Graph(
        (start, value, number, value),
        (Operator("WHILE", 1, (0, 1), (2, 3), options),),
        (0, 1) if steps is None else (1,),
        (3,),
    )
    goes_on = Graph(
        (number, value, zero, Tensor("more", "bool", ())),
        (Operator("GREATER", 1, (0, 2), (3,)),),
        (0, 1),
        (3,),
    )
    body = Graph(
        (number, value, before, number, value),
        (Operator("GATHER", 1, (2, 0), (3,), {"axis": 0}), Operator("TANH", 1, (1,), (4,))),
        (0, 1),
        (3, 4),
    )
    return Model((main, goes_on, body))


def test_a_loop_runs_as_long_as_its_condition_says() -> None:
    x = np.array([[[0.5, -2.0, 0.0]], [[1.0, 3.0, -0.1]]], np.float32)
    trace = run(loop(1), [x], TFLITE)
    assert not trace.missing
    assert 3 not in trace.exact  # floats are within their budgets, no more
    np.testing.assert_allclose(trace.values[3].array, np.tanh(x), rtol=1e-6)
    found, allowed = at_equal_inputs(loop(1), 0, {1: x}, TFLITE)
    np.testing.assert_allclose(found[1], np.tanh(x.astype(np.float64)), atol=1e-6)
    assert allowed[0] is None
    limit = allowed[1]
    assert limit is not None
    assert 0 < limit.max() < 1e-5


def test_samples_whose_loops_end_at_different_steps_are_run_one_by_one() -> None:
    x = np.array([[[0.5, -2.0, 0.0]], [[1.0, 3.0, -0.1]]], np.float32)
    n = np.array([0, 1], np.int32)
    want = np.stack([x[0], np.tanh(x[1])])
    found = run(loop(None), [n, x], TFLITE).of(3, 2)
    assert found is not None
    np.testing.assert_allclose(found, want, rtol=1e-6)
    values, allowed = at_equal_inputs(loop(None), 0, {0: n, 1: x}, TFLITE)
    np.testing.assert_allclose(values[1], want, rtol=1e-6)
    assert allowed[1] is not None
    assert allowed[1].shape == want.shape


def test_a_branch_is_the_one_of_its_condition() -> None:
    flag, x = Tensor("c", "bool", ()), Tensor("x", "float32", (2,))
    main = Graph(
        (flag, x, x),
        (Operator("IF", 1, (0, 1), (2,), {"then_subgraph_index": 1, "else_subgraph_index": 2}),),
        (0, 1),
        (2,),
    )
    axis = Tensor("axis", "int32", (1,), data=np.array([0], np.int32))
    turned = Graph((x, axis, x), (Operator("REVERSE_V2", 1, (0, 1), (2,)),), (0,), (2,))
    same = Graph((x,), (), (0,), (0,))
    given = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    model = Model((main, turned, same))
    found = run(model, [np.array([True, False]), given], MICRO).of(2, 2)
    assert found is not None
    assert found.tolist() == [[2.0, 1.0], [3.0, 4.0]]


def test_variables_hold_what_was_assigned() -> None:
    handle, x = Tensor("h", "resource", ()), Tensor("x", "float32", (2,))
    options = {"container": "", "shared_name": "state"}
    start = Tensor("s", "float32", (2,), data=np.array([5.0, 6.0], np.float32))
    main = Graph(
        (handle, x),
        (
            Operator("CALL_ONCE", 1, (), (), {"init_subgraph_index": 1}),
            Operator("VAR_HANDLE", 1, (), (0,), options),
            Operator("READ_VARIABLE", 1, (0,), (1,)),
        ),
        (),
        (1,),
    )
    first = Graph(
        (handle, start),
        (
            Operator("VAR_HANDLE", 1, (), (0,), options),
            Operator("ASSIGN_VARIABLE", 1, (0, 1), ()),
        ),
        (),
        (),
    )
    from reference.operators.run import _Runner

    trace = _Runner(Model((main, first)), TFLITE, 1).graph(0, [])
    assert trace.values[1].array.tolist() == [5.0, 6.0]


def _product(between: str) -> Graph:
    """An int8 FULLY_CONNECTED and, beside it, a shape that sizes something."""
    weights = replace(int8("w", (1, 2), 0.5), data=np.array([[1, 0]], np.int8))
    shape = Tensor("shape", "int32", (2,))
    last = Tensor("last", "int32", (2,), data=np.array([1, 1], np.int32))
    tensors = (
        int8("x", (1, 2), 1.0), weights, int8("y", (1, 1), 1.0), shape, last,
        replace(shape, name="sizes"), int8("z", (1, 1), 1.0),
    )  # fmt: skip
    product = Operator("FULLY_CONNECTED", 1, (0, 1, -1), (2,))
    given = Operator("SHAPE", 1, (2,), (3,))
    sizes = [Operator(between, 1, (3, 4), (5,))] if between in ("MUL", "MAXIMUM") else []
    sized = [given, *sizes, Operator("RESHAPE", 1, (2, 5 if sizes else 3), (6,))]
    return Graph(tensors, (product, *([] if between == "nothing" else sized)), (0,), (2,))


@pytest.mark.parametrize(
    ("between", "delegated"),
    [("nothing", True), ("SHAPE", True), ("MUL", True), ("MAXIMUM", False)],
)
def test_a_graph_with_a_computed_shape_is_not_delegated(between: str, delegated: bool) -> None:
    """TFLite gives it to no delegate, unless the shape is known before anything runs: an int8
    FULLY_CONNECTED there is that of the built-in kernels, which round a tie otherwise."""
    x = np.array([[[1, 0]], [[3, 0]], [[-1, 0]]], np.int8)  # halves
    found = {}
    for name in ("tflite", "tflite-no-xnnpack"):
        y = run(Model((_product(between),)), [x], PROFILES[name]).of(2, 3)
        assert y is not None
        found[name] = y.ravel().tolist()
    assert (found["tflite"] == [0, 2, 0]) == delegated  # to even
    assert (found["tflite"] == found["tflite-no-xnnpack"]) == (not delegated)


def test_dropouts_ones_of_the_inputs_shape_are_delegated() -> None:
    """Recorded: SHAPE, BROADCAST_TO and MUL of a dropout's mask (`dropout`, dynamic-sequence-int8)
    give 126 x 1 as 126 where XNNPACK computes them, and as 127 elsewhere."""
    scale = 0.007843137718737125
    one = replace(int8("one", (), scale, -1), data=np.array(127, np.int8))
    tensors = (
        int8("x", (1, 4), scale, -1), one, Tensor("shape", "int32", (2,)),
        int8("ones", (1, 4), scale, -1), int8("y", (1, 4), scale, -1),
    )  # fmt: skip
    operators = (
        Operator("SHAPE", 1, (0,), (2,)),
        Operator("BROADCAST_TO", 2, (1, 2), (3,)),
        Operator("MUL", 2, (0, 3), (4,)),
    )
    model = Model((Graph(tensors, operators, (0,), (4,)),))
    x = np.array([[[-127, -1, 125, 126]]], np.int8)
    for name, recorded in {
        "tflite": [-127, -1, 125, 126],
        "litert": [-127, -1, 125, 126],
        "tflite-no-xnnpack": [-128, -1, 126, 127],
        "tflite-reference": [-128, -1, 126, 127],
    }.items():
        y = run(model, [x], PROFILES[name]).of(4, 1)
        assert y is not None
        assert y.ravel().tolist() == recorded, name
