"""Put together what a divergence may be blamed on: operators, their results, the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES, Runtime
from harness.diagnosis.blame import Blame, Evidence, GraphTraits, blame
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.operator_extraction import Part, parts
from harness.operators.exactness import Exactness
from harness.operators.examination import Examined
from harness.operators.quantizer import integer_lstm, quantised
from harness.structure.findings import Finding
from reference.arithmetic.affine import Affine
from reference.lstm.float64 import LstmOptions
from reference.lstm.integer_weights import IntegerLstm
from tests.support.reference_models import float_weights

Array = NDArray[Any]
KERAS, TFLITE, LITERT, MICRO = (RUNTIMES[k] for k in ("keras", "tflite", "litert", "tflm"))
NATIVE = pytest.mark.parametrize("runtime", [TFLITE, LITERT, MICRO], ids=lambda r: r.name)
NOTHING = Examined()
SAMPLES = np.random.default_rng(5).uniform(-1, 1, (3, 2, 6, 3))
NARROW = Finding("too-narrow", "error", "input 'x' holds -1 to 1, the samples reach -9 to 9")
WIDE = Finding("too-wide", "error", "the output of layer 'a' has 256 levels")


def model_of(**changes: Any) -> IntegerLstm:
    return replace(integer_lstm(float_weights(3), SAMPLES, LstmOptions()), **changes)


def part_of(model: Any = None, inputs: Array | None = None, **more: Any) -> Part:
    """An operator with its real inputs [N, batch, time, features] and others drawn beside them."""
    model = model_of() if model is None else model
    content = build(OperatorLstm(model, 6, 2, **more)).content
    if inputs is None:
        inputs = SAMPLES.astype(np.float32)
        if isinstance(model, IntegerLstm):
            inputs = quantised(SAMPLES, Affine(model.input_scale, model.input_zero_point))
            inputs = inputs.clip(-127, 126)
    (found,) = parts(content, {0: inputs}, seed=1)
    return found


def examined_of(*parts: Part, count: int | None = None, **results: Exactness) -> Examined:
    found = {name.replace("_", "-"): (entry,) for name, entry in results.items()}
    return Examined(len(parts) if count is None else count, parts, found)


RIGHT = Exactness(0, "int8", "0 LSB", values=9)
WRONG = Exactness(0, "int8", "0 LSB", values=9, mismatches=1, message="1 of 9 values are not")
UNCUT = Exactness(0, "hybrid", "none", problem="has no oracle")


def blame_of(
    runtime: Runtime = TFLITE,
    recipe: str = "int8",
    operators: Examined = NOTHING,
    keras: bool | None = True,
    others: Mapping[str, bool] | None = None,
    graph: GraphTraits | None = None,
    differences: Sequence[str] = (),
    misfits: Sequence[Finding] = (),
    **more: Any,
) -> Blame:
    return blame(
        Evidence(
            runtime,
            RECIPES[recipe],
            operators,
            keras,
            others=others,
            graph=graph or GraphTraits(),
            differences=differences,
            misfits=misfits,
            **more,
        )
    )


def at_the_ends(count: int, value: int = 127) -> Part:
    """Real inputs of which so many lie at an end, beside drawn ones that mostly do."""
    inputs = part_of().inputs[:3].copy()
    assert inputs.size == 108
    inputs.reshape(-1)[:count] = value
    part = part_of(inputs=inputs)
    assert part.drawn > 0
    drawn = np.full_like(part.inputs[3:], -128)
    return replace(part, inputs=np.concatenate([part.inputs[:3], drawn]))
