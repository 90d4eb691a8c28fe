"""Operators held to their oracles: every kind of fault is seen caught, and blamed on its leg."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.operators import OPERATORS
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.checks.operators import judged, prepared
from harness.diagnosis.blame import blame, scale_fault
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.operator_extraction import Part, exposing, parts, read_by_lstms
from harness.flatbuffer.schema import unpack
from harness.operators.agreement import beyond_one_rounding
from harness.operators.exactness import Exactness, compare_operator, expected_of
from harness.operators.examination import Examined
from harness.report.oracle_counts import oracle_counts
from harness.session.session import Session
from reference.attribution import attribute
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import FACTORS, TFLITE_2_15, TFLM, factors, with_factor
from tests.support.reference_models import float_weights, integer_input, integer_model

NATIVE = RUNTIMES["tflite"], RUNTIMES["tflm"]


def _part(model: IntegerLstm, drawn: int = 0) -> Part:
    content = build(OperatorLstm(model, timesteps=9, batch=4)).content
    (found,) = lstm_operators(content)
    states = (found.hidden_state, found.cell_state)
    return Part(0, found, content, integer_input(0, model)[None], (), states, drawn)


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


def test_every_factor_that_is_wrong_leaves_a_residual() -> None:
    """Attribution explains the two profiles and nothing else."""
    model = integer_model(5, hidden_scale=0.0079)
    x = integer_input(5, model, batch=40)
    a, b = (lstm_integer(model, x, profile).outputs for profile in (TFLITE_2_15, TFLM))
    assert attribute(model, x, TFLITE_2_15, TFLM, a, b).residual == 0
    caught = [
        name
        for name in factors(TFLITE_2_15, TFLM)
        if attribute(
            model,
            x,
            TFLITE_2_15,
            TFLM,
            lstm_integer(model, x, with_factor(TFLITE_2_15, name, TFLM)).outputs,
            b,
        ).residual
    ]
    assert {"gate_activation", "cell_activation", "hidden_quantisation"} <= set(caught)
    assert set(caught) <= set(FACTORS)


def _examined(part: Part, runtime: Any, mismatches: int = 0) -> Examined:
    entry = Exactness(0, "int8", "rule", 100, mismatches, message="3 of 100 values are wrong")
    return Examined(1, (part,), {runtime.name: (entry,)})


@pytest.mark.parametrize(
    ("changes", "mismatches", "runtime", "leg"),
    [
        ({}, 3, "tflm", "TFLM kernel"),
        ({}, 3, "tflite", "TFLite kernel"),
        ({"hidden_scale": 0.01}, 0, "tflite", "converter"),
        ({"output_scale": 0.01}, 0, "tflm", "converter"),
        ({"cell_scale": 2.0**-16}, 0, "tflite", "TFLite kernel"),
    ],
)
def test_each_fault_is_blamed_on_its_leg(
    changes: dict[str, Any], mismatches: int, runtime: str, leg: str
) -> None:
    part = _part(integer_model(6, **changes))
    found = blame(
        RUNTIMES[runtime],
        RECIPES["int8"],
        _examined(part, RUNTIMES[runtime], mismatches),
        True,
        {},
    )
    assert found.leg == leg, found


def test_keras_the_oracle_the_calibration_and_the_recipe_are_told_apart() -> None:
    tflite, int8 = RUNTIMES["tflite"], RECIPES["int8"]
    nothing = Examined()
    assert blame(RUNTIMES["keras"], int8, nothing, None, {}).leg == "Keras"
    assert blame(tflite, int8, nothing, False, {}).leg == "harness"
    assert blame(tflite, int8, nothing, True, {}).leg == "recipe"
    assert blame(RUNTIMES["tflm"], int8, nothing, True, {"tflite": True}).leg == "TFLM kernel"
    part = _part(integer_model(7))
    narrow = replace(part, inputs=np.full_like(part.inputs, 127))
    assert blame(tflite, int8, _examined(narrow, tflite), True, {}).leg == "calibration"


def test_equal_scales_are_no_fault() -> None:
    assert scale_fault(_part(integer_model(8))) == ""
    assert "intermediate 4" in scale_fault(_part(integer_model(8, hidden_zero_point=9)))


def test_two_roundings_differ_by_one_step_at_most() -> None:
    want = np.array([[1, 2, 3]], np.int8)
    assert beyond_one_rounding(want, want + 1) == ""
    assert "1 of 3" in beyond_one_rounding(want, np.array([[1, 2, 5]], np.int8))
    assert beyond_one_rounding(want, want.astype(np.int16))
    real = np.array([[0.5, np.nan]], np.float32)
    assert "NaN" in beyond_one_rounding(real, real)


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


def test_the_same_operator_counts_once_for_each_runtime() -> None:
    entry = {"kind": "int8", "values": 10, "mismatches": 1, "key": "a"}
    cases = [{"runtime": name, "operators": [entry]} for name in ("tflm", "tflm", "tflite")]
    fuzzed = [{"runtime": "tflm", "kind": "x", "operators": 2, "values": 5, "mismatches": 0}]
    assert oracle_counts(cases, fuzzed) == {
        "tflite int8": {"operators": 1, "values": 10, "mismatches": 1},
        "tflm int8": {"operators": 1, "values": 10, "mismatches": 1},
        "tflm x": {"operators": 2, "values": 5, "mismatches": 0},
    }


def test_every_operator_form_of_the_issue_is_a_subject() -> None:
    forms = (
        *("peephole", "cifg", "projection", "layer-norm", "time-major", "bidirectional-merged"),
        *("full", "basic", "twenty-inputs", "initial-state", "int16x8", "int8-skipped-tanh"),
    )
    assert not [form for form in forms if f"op-{form}" not in OPERATORS]
