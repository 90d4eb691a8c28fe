"""Expected answers are compared rightly at the edges: names, words, shapes, nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.comparison.budgets import against_another_runtime, description
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.operators.exactness import Expected, compare_operator, expected_of, profile_of
from reference.lstm.float64 import LstmOptions
from reference.lstm.profiles import LITERT_2_3
from reference.network import UnsupportedLayer
from tests.support.reference_models import float_weights

Array = np.ndarray[Any, Any]
VALUES = tuple(np.arange(n, dtype=np.int16).reshape(1, 2, -1) for n in (12, 4, 8))


def found_lstm(options: LstmOptions | None = None, **more: Any) -> FoundLstm:
    lstm = OperatorLstm(float_weights(1, **more), 5, 2, options or LstmOptions())
    (found,) = lstm_operators(build(lstm).content)
    return found


def test_litert_has_a_profile_of_its_own() -> None:
    assert profile_of(RUNTIMES["litert"]) is LITERT_2_3


def test_what_is_expected_is_said_in_these_words() -> None:
    x = np.zeros((1, 2, 5, 3), np.float32)
    micro = expected_of(found_lstm(), RUNTIMES["tflm"], x)
    assert isinstance(micro, Expected)
    assert micro.rule == "bit-exact to TFLite Micro's float kernel"
    lstm = OperatorLstm(
        float_weights(5, units=24, features=8, scale=40.0), 5, 2, LstmOptions(activation="relu6")
    )
    (chaotic,) = lstm_operators(build(lstm).content)
    wild = 0.1 * np.random.default_rng(5).normal(size=(1, 1, 200, 8)).astype(np.float32)
    assert expected_of(chaotic, RUNTIMES["tflite"], wild) == (
        "the model amplifies rounding errors up to its own outputs: float32 decides nothing"
    )


def test_only_the_output_that_the_operator_has_is_compared() -> None:
    """What else a run exposed comes after it."""
    run = OperatorRun(None, (VALUES[0], VALUES[0] + 1), VALUES[1:])
    assert compare_operator(found_lstm(), 0, Expected(VALUES, "0 LSB"), run).proven


@pytest.mark.parametrize("last", [(), (-1,)])
def test_values_may_come_as_rows_or_flat(last: tuple[int, ...]) -> None:
    flat = tuple(value.reshape(-1, *last and value.shape[-1:]) for value in VALUES)
    run = OperatorRun(None, flat[:1], flat[1:])
    assert compare_operator(found_lstm(), 0, Expected(VALUES, "0 LSB"), run).proven


def test_nothing_within_a_budget_is_no_proof() -> None:
    empty = tuple(np.zeros((0, 2, 3)) for _ in range(3))
    run = OperatorRun(None, empty[:1], empty[1:])
    found = compare_operator(found_lstm(), 0, Expected(empty, "budget", empty), run)
    assert (found.problem, found.budget_used) == ("nothing was compared", 0.0)


def test_infinity_is_infinitely_far_off() -> None:
    values = tuple(value.astype(np.float64) for value in VALUES)
    run = OperatorRun(None, (values[0] + np.inf,), values[1:])
    allowed = tuple(np.ones(value.shape) for value in values)
    for expected in (Expected(values, "0 LSB"), Expected(values, "budget", allowed)):
        found = compare_operator(found_lstm(), 0, expected, run)
        assert (found.largest, found.mismatches) == (np.inf, 12)


def test_an_empty_answer_of_another_runtime_has_the_least_budget() -> None:
    found = against_another_runtime([np.zeros((0, 3))], "float32", "no oracle")
    assert found.budgets[0].largest == 2e-6


def test_a_model_without_a_configuration_is_told_in_these_words() -> None:
    with pytest.raises(UnsupportedLayer, match=r"^no configuration of the model$"):
        description(Subject("user", "keras"), None)
