"""How fast is the integer oracle beside TensorFlow Lite Micro's own interpreter?

Only with --benchmark-only: `pytest suites/bench_oracle.py --benchmark-only`. Both run the same int8
LSTM of 20 units and 28 features over the same sequences; the oracle takes them as one batch. The
interpreter's seconds are those of its invokes, in its worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.runtimes import RUNTIMES
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

SUITE = Suite()
UNITS, FEATURES, STEPS, SEQUENCES = 20, 28, 28, 256


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
