"""The step, gate and unit where an LSTM leaves its budget: edges, ties, scales of each runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.diagnosis import inside_lstm
from harness.diagnosis.inside_lstm import Gate, Inside, inside
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.operators.quantizer import integer_lstm, quantised
from harness.weights.layer_alignment import Aligned
from reference.arithmetic.affine import Affine
from reference.budgets.network_trace import QUANTITIES, Traced
from reference.lstm.float64 import LstmOptions
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.weights import LstmWeights
from tests.support.networks import document, node
from tests.support.small_models import BATCH, FEATURES, STEPS, UNITS, ranges_of, sampled, weights_of

Array = NDArray[Any]
DOCUMENT = document(node("lstm", "LSTM", units=UNITS, return_sequences=True), x=[STEPS, FEATURES])
WEIGHTS = weights_of(DOCUMENT)
SAMPLES = sampled(DOCUMENT)
SAMPLE = {"x": SAMPLES["x"][:1]}
TFLITE, MICRO = RUNTIMES["tflite"], RUNTIMES["tflm"]
OWN = LstmWeights.from_keras(*WEIGHTS.values())


def _aligned(parameters: LstmWeights | IntegerLstm, time_major: bool = False) -> Aligned:
    options = LstmOptions(time_major=time_major)
    (found,) = lstm_operators(build(OperatorLstm(parameters, STEPS, BATCH, options)).content)
    return Aligned(0, "UNIDIRECTIONAL_SEQUENCE_LSTM", "lstm", tuple(WEIGHTS.values()), lstm=found)


def _integer(**changes: Any) -> IntegerLstm:
    return replace(integer_lstm(OWN, SAMPLES["x"], LstmOptions()), **changes)


def _of_integer(model: IntegerLstm, runtime: Any) -> Inside | None:
    x = quantised(SAMPLE["x"][0], Affine(model.input_scale, model.input_zero_point))
    ranges = ranges_of(DOCUMENT, WEIGHTS, SAMPLES)
    return inside(
        *(_aligned(model), DOCUMENT, WEIGHTS, SAMPLE, x, None),
        *("int8", ranges, runtime),
    )


# Edges ------------------------------------------------------------------------------------------


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every quantity is zero everywhere, and may be off by 1 at any step."""
    zeros = Traced(np.zeros((STEPS, BATCH, UNITS)), np.ones(STEPS))
    traced = {"lstm": dict.fromkeys(QUANTITIES, zeros)}
    monkeypatch.setattr(inside_lstm, "trace", lambda *given: traced)


def _observed(*values: tuple[tuple[int, int, int], float]) -> Inside | None:
    """Outputs [1, batch, time, units] that are zero but for some values."""
    outputs = np.zeros((1, BATCH, STEPS, UNITS), np.float32)
    for (row, step, unit), value in values:
        outputs[0, row, step, unit] = value
    return inside(
        *(_aligned(OWN), DOCUMENT, WEIGHTS, SAMPLE, SAMPLE["x"][0], outputs),
        *("float32", None, TFLITE),
    )


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize("step", [0, STEPS - 1])
@pytest.mark.parametrize("row", range(BATCH))
@pytest.mark.parametrize("unit", [0, UNITS - 1])
def test_the_place_is_found(row: int, step: int, unit: int) -> None:
    found = _observed(((row, step, unit), -1.5))
    assert found is not None
    assert found.first == Gate(step, "hidden state", unit, 0.0, -1.5, 1.5, 1.0)
    assert found.gates == (found.first,)
    assert found.errors == tuple(1.5 if k == step else 0.0 for k in range(STEPS))
    assert found.budgets == (1.0,) * STEPS


@pytest.mark.usefixtures("flat")
def test_what_is_on_its_budget_is_within_it() -> None:
    assert _observed(((1, 2, 3), 1.0)) is None
    found = _observed(
        ((1, 2, 3), 1.0), ((0, 3, 2), float(np.nextafter(np.float32(1), np.float32(2))))
    )
    assert found is not None
    assert (found.first.step, found.first.unit) == (3, 2)


@pytest.mark.usefixtures("flat")
def test_the_first_step_is_named_though_a_later_one_is_worse() -> None:
    found = _observed(((1, 2, 3), 2.0), ((0, 4, 1), 9.0))
    assert found is not None
    assert (found.first.step, found.first.unit) == (2, 3)
    assert "off by 0 after the first step, by at most 9 after step 4, by 9 after" in found.text


@pytest.mark.usefixtures("flat")
def test_of_units_the_worst_is_named_and_of_equals_the_first() -> None:
    found = _observed(((0, 2, 1), 2.0), ((1, 2, 3), 3.0), ((1, 2, 0), -3.0))
    assert found is not None
    assert (found.first.unit, found.first.actual) == (0, -3.0)
    found = _observed(((0, 2, 1), 2.0), ((1, 2, 0), 2.0))
    assert found is not None
    assert found.first.unit == 1


@pytest.mark.usefixtures("flat")
def test_not_a_number_is_beyond_any_budget() -> None:
    found = _observed(((0, 1, 2), float("nan")), ((1, 1, 0), 50.0))
    assert found is not None
    assert (found.first.step, found.first.unit) == (1, 2)
    assert np.isnan(found.first.error)
    assert "nan" in found.text


def test_gates_come_in_the_order_of_their_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that leave at one step, the first to be computed; of steps, the first. Each is
    held to its own budget."""
    zeros, steps = np.zeros((STEPS, BATCH, UNITS)), np.arange(STEPS)
    traced = {name: Traced(zeros, 1 + k / 16 + steps / 8) for k, name in enumerate(QUANTITIES)}
    monkeypatch.setattr(inside_lstm, "trace", lambda *given: {"lstm": traced})
    names = ["input gate", "forget gate", "candidate", "output gate", "cell state", "hidden state"]

    def computed(*late: str) -> dict[str, Array]:
        found = {name: np.zeros((STEPS, BATCH, UNITS)) for name in QUANTITIES}
        for name in late:
            found[name][3] = 2.0
        found["hidden"][4] = 5.0
        return found

    for k in range(len(QUANTITIES)):
        wrong = QUANTITIES[k:]
        monkeypatch.setattr(inside_lstm, "_computed", lambda *given, w=wrong: computed(*w))
        found = inside(
            *(_aligned(OWN), DOCUMENT, WEIGHTS, SAMPLE, SAMPLE["x"][0], None),
            *("float32", None, TFLITE),
        )
        assert found is not None
        assert (found.first.step, found.first.gate) == (3, names[k])
        assert [gate.gate for gate in found.gates] == names
        assert [gate.error for gate in found.gates] == [0.0] * k + [2.0] * (6 - k)
        assert found.errors == (0.0, 0.0, 0.0, 2.0, 5.0)
        assert [gate.budget for gate in found.gates] == [1.375 + k / 16 for k in range(6)]
        assert found.budgets == tuple(1.3125 + step / 8 for step in range(STEPS))


@pytest.mark.parametrize("shape", [(0,), (1, BATCH, STEPS - 1, UNITS), (1, 1, STEPS, UNITS)])
def test_outputs_that_do_not_fit_hold_nothing(shape: tuple[int, ...]) -> None:
    """Empty where they could not be read, too short, or of one row for two."""
    found = inside(
        *(_aligned(OWN), DOCUMENT, WEIGHTS, SAMPLE, SAMPLE["x"][0], np.full(shape, 9.0)),
        *("float32", None, TFLITE),
    )
    assert found is None


@pytest.mark.parametrize("rows", [1, BATCH + 1])
def test_an_input_of_another_batch_holds_nothing(rows: int) -> None:
    x = np.ones((rows, STEPS, FEATURES), np.float32)
    found = inside(
        *(_aligned(OWN), DOCUMENT, WEIGHTS, SAMPLE, x, None),
        *("float32", None, TFLITE),
    )
    assert found is None


# Integers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [TFLITE, MICRO], ids=lambda r: r.name)
def test_a_healthy_integer_operator_is_within(runtime: Any) -> None:
    assert _of_integer(_integer(), runtime) is None


def test_the_hidden_state_has_the_scale_that_its_runtime_writes() -> None:
    """TFLite writes it in intermediate 4's and reads it in the output state's; TFLite Micro does
    both in the output state's."""
    model = _integer()
    for change in (
        {"hidden_scale": 0.75 * model.hidden_scale},
        {"hidden_zero_point": model.hidden_zero_point - 40},
        {"output_state_scale": 2 * model.output_state_scale},
    ):
        # Written in one scale and read in another, it is right at first.
        assert _of_integer(_integer(**change), MICRO) is None
        found = _of_integer(_integer(**change), TFLITE)
        assert found is not None
        assert (found.first.step, found.first.gate) == (1, "input gate")
        assert found.errors[0] <= found.budgets[0]


@pytest.mark.parametrize("runtime", [TFLITE, MICRO], ids=lambda r: r.name)
@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"input_zero_point": 40}, "input gate"),
        ({"input_scale": 0.03}, "input gate"),
        ({"cell_scale": 2.0**-17}, "cell state"),
    ],
)
def test_a_wrong_number_is_found_in_the_gates(
    change: dict[str, Any], gate: str, runtime: Any
) -> None:
    """The input as the right scale writes it, read with another; a cell that saturates."""
    model = _integer()
    x = quantised(SAMPLE["x"][0], Affine(model.input_scale, model.input_zero_point))
    ranges = ranges_of(DOCUMENT, WEIGHTS, SAMPLES)
    found = inside(
        *(_aligned(replace(model, **change)), DOCUMENT, WEIGHTS, SAMPLE, x, None),
        *("int8", ranges, runtime),
    )
    assert found is not None
    assert (found.first.step, found.first.gate) == (0, gate)
    assert len(found.gates) == len(QUANTITIES)


def test_integer_outputs_are_read_in_the_outputs_scale() -> None:
    model = _integer(output_scale=0.125, output_zero_point=-5)
    one = _aligned(model)
    outputs = np.full((BATCH, STEPS, UNITS), 3, np.int8)
    assert (inside_lstm._hidden(one, outputs) == 1.0).all()
    assert inside_lstm._hidden(one, outputs).shape == (STEPS, BATCH, UNITS)


def test_outputs_are_taken_time_first() -> None:
    outputs = np.arange(BATCH * STEPS * UNITS).reshape(BATCH, STEPS, UNITS)
    found = inside_lstm._hidden(_aligned(OWN), outputs)
    assert (found[3, 1] == outputs[1, 3]).all()
    first = outputs.swapaxes(0, 1)
    assert (inside_lstm._hidden(_aligned(OWN, time_major=True), first) == first).all()


# What is told -----------------------------------------------------------------------------------


def test_what_an_inside_tells() -> None:
    gate = Gate(2, "forget gate", 7, 0.25, 0.5, 0.25, 0.001)
    found = Inside("both/forward", 4, gate, (gate,), (0.0, 3.0, 2.0, 3.0), (1.0,) * 4)
    assert found.text == (
        "inside LSTM operator 4 (layer 'both/forward') it starts at step 2 in the forget gate of "
        "unit 7: 0.5, expected 0.25, budget 0.001; the hidden state is off by 0 after the first "
        "step, by at most 3 after step 1, by 3 after the last"
    )
    assert found.growth() == {
        "tensor": "hidden state of layer both/forward",
        "axis": "time step",
        "steps": [0, 1, 2, 3],
        "error": [0.0, 3.0, 2.0, 3.0],
        "budget": [1.0, 1.0, 1.0, 1.0],
    }
    assert gate.document() == {
        "step": 2,
        "gate": "forget gate",
        "unit": 7,
        "expected": 0.25,
        "actual": 0.5,
        "error": 0.25,
        "budget": 0.001,
    }
    alone = Inside("lstm", 0, gate, (gate,), (3.0,), (1.0,))
    assert alone.text.endswith("budget 0.001")
