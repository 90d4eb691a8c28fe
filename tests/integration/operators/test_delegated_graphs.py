"""TFLite's delegate takes a graph over just where the oracles say that its sizes are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.flatbuffer.graph_description import build
from harness.session.session import Session
from reference.operators.delegation import dynamic
from reference.operators.description import ABSENT, Graph, Model, Operator, Tensor
from reference.operators.profiles import PROFILES
from reference.operators.run import run

Array = NDArray[Any]
#: Odd numbers, halved: XNNPACK rounds ties to even, the built-in kernels away from zero or up.
X = np.array([[[1, 5, -3, 7]]], np.int8)
SLICED = {
    "begin_mask": 0,
    "end_mask": 0,
    "ellipsis_mask": 0,
    "new_axis_mask": 0,
    "shrink_axis_mask": 0,
}
NONE = {"fused_activation_function": "NONE"}

#: Between SHAPE, [1, 4], and BROADCAST_TO: an operator, its constant inputs, its options, and
#: whether TFLite 2.15.1 computes it before anything runs.
BETWEEN: dict[str, tuple[list[Any], dict[str, Any], bool]] = {
    "SHAPE": ([], {}, True),  # nothing between
    "STRIDED_SLICE": ([[0], [2], [1]], SLICED, True),
    "CONCATENATION": ([[]], {"axis": 0, **NONE}, True),
    "GATHER": ([[0, 1]], {"axis": 0}, True),
    "MUL": ([[1, 1]], NONE, True),
    "RESHAPE": ([[2]], {"new_shape": [2]}, True),
    "BROADCAST_ARGS": ([[1, 4]], {}, True),
    "SLICE": ([[0], [2]], {}, False),
    "ADD": ([[0, 0]], NONE, False),
    "MAXIMUM": ([[1, 1]], {}, False),
    "FLOOR_DIV": ([[1, 1]], {}, False),
    "TRANSPOSE": ([[0]], {}, False),
    "BROADCAST_TO": ([[2]], {}, False),
}
#: Of the elements of a shape, with a first axis: REDUCE_PROD of [1, 4] is the size of a FILL.
REDUCED = {"REDUCE_PROD": True, "REDUCE_MAX": False, "SUM": False}


def _start() -> tuple[list[Tensor], list[Operator]]:
    weights = Tensor("w", "int8", (4, 4), (0.5,), (0,), data=np.eye(4, dtype=np.int8))
    tensors = [
        Tensor("x", "int8", (1, 4), (1.0,), (0,)),
        weights,
        Tensor("y", "int8", (1, 4), (1.0,), (0,)),
        Tensor("shape", "int32", (2,)),
    ]
    product = Operator("FULLY_CONNECTED", 1, (0, 1, ABSENT), (2,), NONE)
    return tensors, [product, Operator("SHAPE", 1, (0,), (3,), {"out_type": 2})]


def _with(name: str) -> Graph:
    """FULLY_CONNECTED, and its output broadcast to a shape that an operator computes."""
    tensors, operators = _start()
    constants, options, _ = BETWEEN[name]
    tensors += [
        Tensor(f"c{k}", "int32", np.shape(c), data=np.array(c, np.int32))
        for k, c in enumerate(constants)
    ]
    sizes = 3
    if name != "SHAPE":
        inputs = (3, *range(4, len(tensors)))
        sizes = len(tensors)
        tensors.append(Tensor("sizes", "int32", (2,)))
        version = 2 if name == "BROADCAST_TO" else 1
        operators.append(Operator(name, version, inputs, (sizes,), options))
    tensors.append(Tensor("z", "int8", (1, 4), (1.0,), (0,)))
    operators.append(Operator("BROADCAST_TO", 2, (2, sizes), (len(tensors) - 1,)))
    return Graph(tuple(tensors), tuple(operators), (0,), (2, len(tensors) - 1))


def _filled(name: str) -> Graph:
    """FULLY_CONNECTED, and beside it a FILL of as many as an operator makes of a shape."""
    tensors, operators = _start()
    tensors += [
        Tensor("axis", "int32", (1,), data=np.array([0], np.int32)),
        Tensor("size", "int32", (1,)),
        Tensor("one", "int32", (), data=np.array(1, np.int32)),
        Tensor("filled", "int32", (4,)),
    ]
    operators.append(Operator(name, 1, (3, 4), (5,), {"keep_dims": True}))
    operators.append(Operator("FILL", 1, (5, 6), (7,)))
    return Graph(tuple(tensors), tuple(operators), (0,), (2, 7))


def _packed() -> Graph:
    """The sizes as the converter writes most of them: one of a shape, packed with a constant."""
    tensors, operators = _start()
    tensors += [Tensor(f"c{k}", "int32", (1,), data=np.array([k], np.int32)) for k in (0, 1)]
    tensors += [
        Tensor("first", "int32", ()),
        Tensor("four", "int32", (), data=np.array(4, np.int32)),
        Tensor("sizes", "int32", (2,)),
        Tensor("z", "int8", (1, 4), (1.0,), (0,)),
    ]
    sliced = SLICED | {"shrink_axis_mask": 1}
    operators += [
        Operator("STRIDED_SLICE", 1, (3, 4, 5, 5), (6,), sliced),
        Operator("PACK", 1, (6, 7), (8,), {"values_count": 2, "axis": 0}),
        Operator("BROADCAST_TO", 2, (2, 8), (9,)),
    ]
    return Graph(tuple(tensors), tuple(operators), (0,), (2, 9))


def _counted() -> Graph:
    """The elements of a shape gathered by a range up to its rank."""
    tensors, operators = _start()
    tensors += [Tensor(f"c{k}", "int32", (), data=np.array(k, np.int32)) for k in (0, 1)]
    tensors += [
        Tensor("rank", "int32", ()),
        Tensor("range", "int32", (2,)),
        Tensor("sizes", "int32", (2,)),
        Tensor("z", "int8", (1, 4), (1.0,), (0,)),
    ]
    operators += [
        Operator("RANK", 1, (2,), (6,)),
        Operator("RANGE", 1, (4, 6, 5), (7,)),
        Operator("GATHER", 1, (3, 7), (8,), {"axis": 0}),
        Operator("BROADCAST_TO", 2, (2, 8), (9,)),
    ]
    return Graph(tuple(tensors), tuple(operators), (0,), (2, 9))


CASES = [
    *((name, _with(name), BETWEEN[name][2]) for name in BETWEEN),
    *((name, _filled(name), REDUCED[name]) for name in REDUCED),
    ("PACK", _packed(), False),
    ("RANK, RANGE", _counted(), True),
]


@pytest.mark.parametrize(("name", "graph", "known"), CASES, ids=[case[0] for case in CASES])
def test_a_graph_is_delegated_where_its_sizes_are_known(
    session: Session, name: str, graph: Graph, known: bool
) -> None:
    assert (not dynamic(graph)) == known
    answers = {}
    for runtime in ("tflite", "tflite-no-xnnpack"):
        ran = session.operators.run(RUNTIMES[runtime], build(graph), [X], outputs=2)
        assert ran.result is None, ran.result
        trace = run(Model((graph,)), [X], PROFILES[runtime])
        want = trace.of(2, 1)
        assert want is not None
        assert ran.outputs[0].ravel().tolist() == want.ravel().tolist(), runtime
        answers[runtime] = want.ravel().tolist()
    assert (answers["tflite"] != answers["tflite-no-xnnpack"]) == known
