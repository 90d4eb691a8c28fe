"""Each fault of a flatbuffer is found at its own tensor, step, gate and unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.followed import (
    BOTH,
    FAULTS,
    FORMS,
    NATIVE,
    ONE,
    SHAPE,
    STACK,
    added,
    changed,
    followed,
    two_ways,
)
from tests.support.networks import document
from tests.support.small_models import (
    BATCH,
    STEPS,
    Form,
    sampled,
    weights_of,
)

Array = NDArray[Any]
Document = Mapping[str, Any]


# The healthy neighbour --------------------------------------------------------------------------


@FORMS
@NATIVE
@pytest.mark.parametrize("of", [ONE, STACK, BOTH], ids=["one", "stack", "both"])
def test_a_healthy_model_is_quiet(of: Document, form: Form, runtime: str) -> None:
    found = followed(of, form=form, runtime=runtime)
    assert found.first is None
    assert found.inside is None
    assert found.text == "no single tensor leaves its budget"
    assert all(row.budget_used <= 1 for row in found.rows)


@FORMS
def test_the_tensors_come_in_the_order_of_computation(form: Form) -> None:
    rows = followed(STACK, form=form).rows
    assert [row.layer for row in rows] == ["x", "before", "first", "second", "head"]
    assert [row.operator for row in rows] == [
        "input",
        "FULLY_CONNECTED",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "FULLY_CONNECTED",
    ]
    tensors = [row.tensor for row in rows]
    quantised = form == "int8-float-io"
    assert tensors[0] == ("x/quantised" if quantised else "x")
    assert tensors[1:4] == ["before", "first:output", "second/last"]
    assert tensors[4] == ("end/real" if quantised else "end")  # where the run behind head ends


def test_an_output_without_a_layer_of_its_own_is_held_too() -> None:
    found = followed(BOTH)
    assert [(row.layer, row.operator) for row in found.rows] == [
        ("x", "input"),
        ("head", "FULLY_CONNECTED"),
    ]
    alone = document(two_ways(), x=SHAPE)
    found = followed(alone)
    assert [(row.layer, row.operator) for row in found.rows] == [("x", "input"), ("both", "output")]


def test_an_input_is_exact_in_float_and_rounded_in_int8() -> None:
    assert followed(ONE).rows[0].error == 0.0
    error = followed(ONE, form="int8").rows[0].error
    assert 0 < error <= 0.5001 * 2 / 255


def test_tokens_are_no_row() -> None:
    tokens = {**ONE, "inputs": [{"name": "x", "shape": SHAPE, "dtype": "int32"}]}
    stimulus = {"x": np.ones((2, BATCH, *SHAPE), np.float32)}
    assert [row.layer for row in followed(tokens, samples=stimulus).rows] == ["lstm"]


# Faults of the flatbuffer -----------------------------------------------------------------------

#: what is changed of `lstm`, step, gate, unit (None: whichever)


@pytest.mark.parametrize("fault", FAULTS)
@NATIVE
def test_each_fault_is_found_at_its_step_gate_and_unit(fault: str, runtime: str) -> None:
    broken, step, name, unit = FAULTS[fault]
    found = followed(ONE, broken, runtime=runtime)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("lstm", "lstm:output")
    assert found.inside is not None
    first = found.inside.first
    assert (found.inside.layer, first.step, first.gate) == ("lstm", step, name)
    assert unit in (None, first.unit)
    assert first.error > first.budget
    assert first.error == pytest.approx(abs(first.actual - first.expected))
    assert f"it starts at step {step} in the {name} of unit {first.unit}" in found.text
    assert found.text.startswith("tensor 'lstm:output' of layer 'lstm' (UNIDIRECTIONAL_SEQUENCE")


@pytest.mark.parametrize("fault", ["a bias is dropped", "gates are swapped", "a scale is doubled"])
def test_a_large_fault_is_found_in_int8_too(fault: str) -> None:
    broken, step, name, _ = FAULTS[fault]
    found = followed(ONE, broken, form="int8")
    assert found.inside is not None
    assert (found.inside.first.step, found.inside.first.gate) == (step, name)


def test_what_feeds_a_wrong_gate_is_within_and_what_it_feeds_is_not() -> None:
    found = followed(ONE, FAULTS["one recurrent weight"][0])
    assert found.inside is not None
    wrong = [gate.gate for gate in found.inside.gates if gate.error > gate.budget]
    assert wrong == ["output gate", "hidden state"]
    assert [gate.gate for gate in found.inside.gates] == [
        *("input gate", "forget gate", "candidate", "output gate", "cell state", "hidden state")
    ]
    assert {gate.step for gate in found.inside.gates} == {1}


def test_how_the_error_grows_is_that_of_the_hidden_state() -> None:
    found = followed(ONE, FAULTS["one recurrent weight"][0])
    assert found.inside is not None
    growth = found.document()["growth"]
    assert growth["tensor"] == "hidden state of layer lstm"
    assert growth["axis"] == "time step"
    assert growth["steps"] == [0, 1, 2, 3, 4]
    assert growth["error"][0] < growth["budget"][0] < 1e-5 < growth["error"][1]
    hidden = found.inside.gates[5]
    assert growth["error"][hidden.step] == hidden.error
    assert growth["budget"][hidden.step] == hidden.budget


def test_the_last_step_alone_is_found() -> None:
    """A recurrent weight that meets zero until the last step: an input that is zero before."""
    weights = weights_of(ONE)
    weights["lstm/2"][:] = 0
    stimulus = sampled(ONE)
    stimulus["x"][:, :, : STEPS - 2] = 0  # with no bias hidden stays zero until then
    broken = changed("lstm/1", added((1, 4 + 2), 0.3))
    found = followed(ONE, broken, samples=stimulus, weights=weights)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (STEPS - 1, "forget gate", 2)
    within = [e <= b for e, b in zip(found.inside.errors, found.inside.budgets, strict=True)]
    assert within == [True] * (STEPS - 1) + [False]
    assert f"by at most {found.inside.errors[-1]:.3g} after step {STEPS - 1}" in found.text
