"""How fast are the integer oracles beside TensorFlow Lite Micro's own interpreter?

Only with --benchmark-only: `pytest suites/bench_oracle.py --benchmark-only`. Both run the same int8
LSTM of 20 units and 28 features over the same sequences, and then the whole classifier of digits
around it; the oracles take all samples at once. The interpreter's seconds are those of its invokes,
in its worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.runtimes import RUNTIMES
from harness.flatbuffer.graph_description import build as build_graph
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.quantizer import integer_lstm, quantised
from harness.pipeline.suite import Suite
from harness.session.session import Session
from reference.arithmetic.affine import Affine
from reference.lstm.float64 import LstmOptions
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import TFLM
from reference.lstm.weights import LstmWeights
from reference.operators.description import ABSENT, Graph, Model, Operator, Tensor
from reference.operators.profiles import PROFILES
from reference.operators.run import run as run_model

SUITE = Suite()
UNITS, FEATURES, STEPS, SEQUENCES = 20, 28, 28, 256
CLASSES, SAMPLES = 10, 32


def _model() -> tuple[IntegerLstm, np.ndarray[Any, Any]]:
    """The LSTM of the digit example's size, and its sequences [N, 1, T, F]."""
    random = np.random.default_rng(0)
    weights = LstmWeights.from_keras(
        random.normal(0, 0.3, (FEATURES, 4 * UNITS)).astype(np.float32),
        random.normal(0, 0.3, (UNITS, 4 * UNITS)).astype(np.float32),
        random.normal(0, 0.3, 4 * UNITS).astype(np.float32),
    )
    x = random.uniform(-1, 1, (SEQUENCES, 1, STEPS, FEATURES))
    model = integer_lstm(weights, x[:16], LstmOptions(cell_clip=10.0))
    affine = Affine(model.input_scale, model.input_zero_point, "int8")
    return model, quantised(x, affine)


@pytest.mark.benchmark(group="int8 LSTM, 20 units, 28 features, 28 steps")
def test_oracle_beside_tflm(
    benchmark: Any, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """The oracle makes at least as many steps a second as the interpreter, and the same ones."""
    model, x = _model()
    content = build(OperatorLstm(model, STEPS)).content
    native = [session.operators.run(RUNTIMES["tflm"], content, [x]) for _ in range(3)]
    run = benchmark(lstm_integer, model, x[:, 0], TFLM)
    assert np.array_equal(run.outputs[:, None], native[0].outputs[0])
    steps = SEQUENCES * STEPS
    interpreter = steps / min(found.seconds for found in native)
    oracle = steps / benchmark.stats.stats.min
    benchmark.extra_info.update(oracle_steps_per_second=oracle, tflm_steps_per_second=interpreter)
    with capsys.disabled():
        print(f"\noracle {oracle:,.0f} steps/s, TFLM's interpreter {interpreter:,.0f} steps/s")
    assert oracle >= interpreter


def _classifier(model: IntegerLstm) -> Graph:
    """The whole digit example: the LSTM's sequence flattened, a Dense layer and a softmax."""
    (graph,) = describe(build(OperatorLstm(model, STEPS)).content).graphs
    (lstm,) = graph.operators
    random, first = np.random.default_rng(1), len(graph.tensors)
    sequence = graph.tensors[lstm.outputs[0]]
    flat = STEPS * UNITS
    kernel = random.integers(-127, 128, (CLASSES, flat)).astype(np.int8)
    more = (
        Tensor("shape", "int32", (2,), data=np.array([1, flat], np.int32)),
        Tensor("flat", "int8", (1, flat), sequence.scale, sequence.zero_point),
        Tensor("kernel", "int8", kernel.shape, (0.002,), (0,), data=kernel),
        Tensor("logits", "int8", (1, CLASSES), (0.05,), (3,)),
        Tensor("classes", "int8", (1, CLASSES), (1 / 256,), (-128,)),
    )
    shape, flattened, weights, logits, classes = range(first, first + len(more))
    behind = (
        Operator("RESHAPE", 1, (lstm.outputs[0], shape), (flattened,), {}),
        Operator("FULLY_CONNECTED", 4, (flattened, weights, ABSENT), (logits,), {}),
        Operator("SOFTMAX", 2, (logits,), (classes,), {"beta": 1.0}),
    )
    return Graph((*graph.tensors, *more), (lstm, *behind), graph.inputs, (classes,))


@pytest.mark.benchmark(group="int8 classifier of digits, 32 samples")
def test_whole_model_beside_tflm(
    benchmark: Any, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """The oracles of a whole model answer 32 samples as the interpreter does; how long both take is
    shown. (Measured on a busy machine: 5.4 ms beside its 2.8 ms, four fifths of it in the LSTM.)"""
    model, x = _model()
    x = x[:SAMPLES]
    graph = _classifier(model)
    content = build_graph(graph)
    native = [session.operators.run(RUNTIMES["tflm"], content, [x]) for _ in range(3)]
    described = Model(describe(content).graphs)
    trace = benchmark(run_model, described, [x], PROFILES["tflm"])
    found = trace.of(graph.outputs[0], SAMPLES)
    assert found is not None
    assert np.array_equal(found, native[0].outputs[0])
    interpreter = min(run.seconds for run in native)
    oracle = benchmark.stats.stats.min
    benchmark.extra_info.update(oracle_seconds=oracle, tflm_seconds=interpreter)
    with capsys.disabled():
        print(f"\n{SAMPLES} digits: oracles {1e3 * oracle:.2f} ms, TFLM {1e3 * interpreter:.2f} ms")
