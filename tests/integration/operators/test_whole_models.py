"""Real runtimes give, tensor by tensor, what the oracles of a whole model say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.flatbuffer.graph_description import build as build_graph
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.whole_model import WholeModels
from harness.session.session import Session
from harness.workers import limits
from reference.operators.description import ABSENT, Graph, Operator, Tensor
from tests.support.reference_models import integer_model

Array = NDArray[Any]
STEPS, CLASSES = 5, 3
NATIVE = [name for name in RUNTIMES if RUNTIMES[name].native]


def classifier(bias: int = 40, sharp: bool = False) -> tuple[bytes, Array]:
    """An int8 LSTM, its sequence flattened, a Dense layer and a softmax; and samples."""
    model = integer_model(2)
    (graph,) = describe(build(OperatorLstm(model, STEPS)).content).graphs
    (lstm,) = graph.operators
    sequence, first = graph.tensors[lstm.outputs[0]], len(graph.tensors)
    flat = STEPS * sequence.shape[-1]
    random = np.random.default_rng(0)
    weights = random.integers(-127, 128, (CLASSES, flat)).astype(np.int8)
    biases = np.array([bias, -bias, 0], np.int32)
    more = (
        Tensor("shape", "int32", (2,), data=np.array([1, flat], np.int32)),
        Tensor("flat", "int8", (1, flat), sequence.scale, sequence.zero_point),
        Tensor("weights", "int8", weights.shape, (0.0005,), (0,), data=weights),
        Tensor("biases", "int32", (CLASSES,), (0.0005 * sequence.step,), (0,), data=biases),
        Tensor("logits", "int8", (1, CLASSES), (0.05,), (3,)),
        Tensor("classes", "int8", (1, CLASSES), (1 / 256,), (-128,)),
    )
    shape, flattened, kernel, bias_, logits, classes = range(first, first + len(more))
    behind = (
        Operator("RESHAPE", 1, (lstm.outputs[0], shape), (flattened,), {}),
        Operator("FULLY_CONNECTED", 4, (flattened, kernel, bias_), (logits,), {}),
        Operator("SOFTMAX", 2, (logits,), (classes,), {"beta": 0.5 if sharp else 1.0}),
    )
    found = Graph((*graph.tensors, *more), (lstm, *behind), graph.inputs, (classes,))
    size = (6, *graph.tensors[graph.inputs[0]].shape)
    return build_graph(found), random.integers(-128, 128, size).astype(np.int8)


def _run(session: Session, name: str, content: bytes, x: Array) -> tuple[Array, ...]:
    found = session.operators.run(RUNTIMES[name], content, [x])
    assert found.result is None, found.result
    return found.outputs


@pytest.mark.parametrize("name", NATIVE)
def test_every_operator_and_the_answer_are_exact(session: Session, name: str) -> None:
    content, x = classifier()
    models = WholeModels(session.operators)
    outputs = _run(session, name, content, x)
    found = models.hold(content, [x], RUNTIMES[name], outputs, limits.INVOKE)
    assert found.proven, found.document()
    assert [one.name for one in found.operators] == [
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX")
    ]
    assert found.answer.values == 6 * CLASSES
    assert found.changed == ""


@pytest.mark.parametrize(
    ("other", "name"), [({"bias": 20_000}, "FULLY_CONNECTED"), ({"sharp": True}, "SOFTMAX")]
)
def test_a_kernel_that_computes_another_operator_is_named(
    session: Session, other: dict[str, Any], name: str
) -> None:
    """Its answers are those of another file; the file that is judged shows nothing of it."""
    content, x = classifier()
    wrong, _ = classifier(**other)
    inner = session.operators

    class Otherwise:
        def run(self, runtime: Any, given: bytes, *args: Any, **how: Any) -> Any:
            outputs = describe(given).graphs[0].outputs
            (graph,) = describe(wrong).graphs
            return inner.run(runtime, build_graph(replace(graph, outputs=outputs)), *args, **how)

    runtimes: Any = Otherwise()
    outputs = _run(session, "tflm", wrong, x)
    found = WholeModels(runtimes).hold(content, [x], RUNTIMES["tflm"], outputs, limits.INVOKE)
    assert found.first is not None
    assert found.first.name == name
    assert ABSENT not in [one.position for one in found.wrong if one.name == name]
