"""Faults of operators are blamed on their leg, and factors told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.operators import OPERATORS
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.diagnosis.blame import Evidence, blame
from harness.diagnosis.operator_evidence import scale_fault
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.operator_extraction import Part
from harness.operators.agreement import beyond_one_rounding
from harness.operators.exactness import Exactness
from harness.operators.examination import Examined
from harness.report.oracle_counts import oracle_counts
from reference.attribution import attribute
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import FACTORS, TFLITE_2_15, TFLM, factors, with_factor
from tests.support.reference_models import integer_input, integer_model


def _part(model: IntegerLstm, drawn: int = 0) -> Part:
    content = build(OperatorLstm(model, timesteps=9, batch=4)).content
    (found,) = lstm_operators(content)
    states = (found.hidden_state, found.cell_state)
    return Part(0, found, content, integer_input(0, model)[None], (), states, drawn)


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
    examined = _examined(part, RUNTIMES[runtime], mismatches)
    found = blame(Evidence(RUNTIMES[runtime], RECIPES["int8"], examined, True))
    assert found.leg == leg, found


def test_keras_the_oracle_the_calibration_and_the_recipe_are_told_apart() -> None:
    tflite, int8 = RUNTIMES["tflite"], RECIPES["int8"]
    nothing = Examined()
    keras = Evidence(RUNTIMES["keras"], int8, nothing, False, others={"tflite": True})
    assert blame(keras).leg == "Keras"
    assert blame(Evidence(tflite, int8, nothing, False, with_keras=True)).leg == "harness"
    assert blame(Evidence(tflite, int8, nothing, True)).leg == "recipe"
    micro = Evidence(RUNTIMES["tflm"], int8, nothing, True, others={"tflite": True})
    assert blame(micro).leg == "TFLM kernel"
    part = _part(integer_model(7))
    narrow = replace(part, inputs=np.full_like(part.inputs, 127))
    assert blame(Evidence(tflite, int8, _examined(narrow, tflite), True)).leg == "calibration"


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
