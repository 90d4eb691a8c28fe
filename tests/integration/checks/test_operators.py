"""Every kind of fault in an operator on its runtime is seen caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.runtimes import RUNTIMES
from harness.checks.operators import judged, prepared
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.operator_extraction import exposing, parts, read_by_lstms
from harness.flatbuffer.schema import unpack
from harness.operators.exactness import compare_operator, expected_of
from harness.session.session import Session
from tests.support.reference_models import float_weights, integer_model
from tests.unit.operators.test_blame import _part

NATIVE = RUNTIMES["tflite"], RUNTIMES["tflm"]


@pytest.mark.parametrize("runtime", NATIVE, ids=lambda runtime: runtime.name)
def test_the_right_profile_is_exact_and_the_other_one_is_caught(
    session: Session, runtime: Any
) -> None:
    part = _part(integer_model(3))
    run = session.operators.run(runtime, part.content, part.arrays, part.states)
    right = expected_of(part.found, runtime, part.inputs)
    wrong = expected_of(part.found, NATIVE[runtime.name == "tflite"], part.inputs)
    found = compare_operator(part.found, 0, right, run)
    assert found.proven
    assert found.values == 4 * 9 * 6 + 2 * 4 * 6
    caught = compare_operator(part.found, 0, wrong, run)
    assert caught.mismatches > 0
    assert "LSTM operator 0" in caught.message


@pytest.mark.parametrize("place", ["output", "hidden", "cell"])
def test_one_wrong_value_anywhere_is_caught(session: Session, place: str) -> None:
    part = _part(integer_model(4))
    run = session.operators.run(NATIVE[1], part.content, part.arrays, part.states)
    arrays = {"output": run.outputs[0], "hidden": run.states[0], "cell": run.states[1]}
    arrays[place].flat[-1] += 1
    changed = OperatorRun(None, (arrays["output"],), (arrays["hidden"], arrays["cell"]))
    found = compare_operator(
        part.found, 0, expected_of(part.found, NATIVE[1], part.inputs), changed
    )
    assert (found.mismatches, found.largest, found.proven) == (1, 1.0, False)


@pytest.mark.parametrize("name", ["op-plain", "op-int8"])
@pytest.mark.parametrize("fault", ["swapped gates", "no bias", "reversed time", "no reset"])
def test_a_named_fault_in_an_operator_diverges(session: Session, name: str, fault: str) -> None:
    """The fault is made in the model or in how it is run; the specification stays."""
    ready = prepared(name)
    content, inputs, carry = ready.content, ready.inputs, ready.carry
    if fault == "reversed time":
        inputs = np.ascontiguousarray(inputs[:, :, ::-1])
    elif fault == "no reset":
        carry = True
    else:
        (found,) = lstm_operators(content)
        assert found.parameters is not None
        parameters: Any = found.parameters
        bias = parameters.bias
        if fault == "no bias":
            bias = type(bias)(*(np.zeros_like(gate) for gate in bias))
            parameters = replace(parameters, bias=bias)
        else:
            kernel = parameters.input_kernel
            swapped = kernel._replace(f=kernel.c, c=kernel.f)
            parameters = replace(parameters, input_kernel=swapped)
        content = build(OperatorLstm(parameters, 12, 2)).content
    for runtime in NATIVE:
        run = session.operators.run(runtime, content, [inputs], ready.states, carry=carry)
        assert run.result is None
        measured = judged(ready, runtime, run)
        assert measured.result.outcome.value == "diverged", (runtime.name, fault)
        healthy = session.operators.run(runtime, ready.content, [ready.inputs], ready.states)
        assert judged(ready, runtime, healthy).result.agreed


def test_an_inner_tensor_becomes_an_output_and_a_part_gets_its_real_input(session: Session) -> None:
    content = build(OperatorLstm(float_weights(1), 9, 4)).content
    (found,) = lstm_operators(content)
    assert read_by_lstms(content) == [found.input]
    assert unpack(exposing(content, [found.input])).subgraphs[0].outputs == [found.input]
    x = np.random.default_rng(0).normal(size=(2, 4, 9, 3)).astype(np.float32)
    (part,) = parts(content, {found.input: x}, 0)
    assert part.drawn == 0
    for runtime in NATIVE:
        run = session.operators.run(runtime, part.content, part.arrays, part.states)
        found_exact = compare_operator(
            part.found, 0, expected_of(part.found, runtime, part.inputs), run
        )
        assert found_exact.proven, found_exact
    assert parts(content, {}, 0) == []


def test_a_crash_in_an_operator_is_a_value(session: Session) -> None:
    run = session.operators.run(NATIVE[1], b"\0" * 64, [np.zeros((1, 1), np.int8)])
    assert run.result is not None
    assert not run.result.agreed
