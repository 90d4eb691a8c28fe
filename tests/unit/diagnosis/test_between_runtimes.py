"""Two runtimes part at the first tensor beyond one rounding, and at none within it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES
from harness.diagnosis.between_runtimes import part
from harness.diagnosis.first_divergence import Divergence
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.tensor_codec import to_runtime
from harness.operators.agreement import FLOAT32_ROUNDINGS
from harness.workers.limits import Limits
from tests.support.networks import document, node
from tests.support.small_models import (
    FEATURES,
    STEPS,
    Form,
    converted,
    sampled,
    structure,
    weights_of,
)
from tests.support.small_runtimes import Change, Runtimes, at, late

Array = NDArray[Any]
MICRO = RUNTIMES["tflm"]
DENSE = document(
    node("a", "Dense", units=4),
    node("b", "Dense", "a", units=3, activation="tanh"),
    node("c", "Dense", "b", units=2),
    x=[STEPS, FEATURES],
)
LSTMS = document(
    node("first", "LSTM", units=4, return_sequences=True, go_backwards=True),
    node("second", "LSTM", "first", units=4),
    x=[STEPS, FEATURES],
)


def _part(of: Any, form: Form, change: Change | None = None, **more: Any) -> Divergence:
    samples = sampled(of)
    content = converted(of, weights_of(of), samples, form)
    of_model = structure(content)
    fake: Any = Runtimes(**more) if change is None else Runtimes(change, **more)
    return part(content, of_model, to_runtime(of_model, ["x"], samples), MICRO, fake, Limits())


@pytest.mark.parametrize("form", ["float32", "int8", "int8-float-io"])
def test_equal_runtimes_do_not_part(form: Form) -> None:
    found = _part(DENSE, form)
    assert found.first is None
    assert found.inside is None
    assert found.text == "no single tensor leaves its budget"
    assert all(row.error == 0 < row.budget for row in found.rows)


def test_every_operators_tensor_is_held_in_order() -> None:
    rows = _part(LSTMS, "float32").rows
    assert [(row.operator, row.tensor, row.layer) for row in rows] == [
        ("REVERSE_V2", "first/reversed", ""),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "first:output", ""),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "second:output", ""),
        ("STRIDED_SLICE", "second/last", ""),
    ]


@pytest.mark.parametrize(("off", "leaves"), [(1, False), (-1, False), (2, True), (-2, True)])
def test_one_step_is_a_rounding_and_two_are_not(off: int, leaves: bool) -> None:
    change = at(3, lambda y: np.where(abs(y) < 100, y + off, y).astype(np.int8), runtime="tflm")
    found = _part(DENSE, "int8", change)
    assert [row.leaves for row in found.rows] == [False, False, False, leaves]
    last = found.rows[3]
    assert last.error == pytest.approx(abs(off) * last.budget / 1.0001)


@pytest.mark.parametrize(("share", "leaves"), [(0.9, False), (1.1, True)])
def test_some_roundings_of_the_largest_value_are_none_in_float(share: float, leaves: bool) -> None:
    """The last operator's: its value is large, so that float32 holds the difference."""

    def large(runtime: str, name: str, position: int, value: Array) -> Array:
        if position != 3:
            return value
        found = np.full_like(value, 0.25)
        found[0, 0, 0] = -8.0
        if runtime == "tflm":
            found[1, 2, 1] += np.float32(share * FLOAT32_ROUNDINGS * 8)
        return found

    row = _part(DENSE, "float32", large).rows[3]
    assert row.budget == FLOAT32_ROUNDINGS * 8
    assert row.budget_used == pytest.approx(share, rel=0.01)
    assert row.leaves is leaves


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("form", ["float32", "int8"])
def test_the_first_operator_that_parts_is_named(form: Form, position: int) -> None:
    change = at(position, lambda y: np.roll(y, 1, axis=-1), runtime="tflm")
    found = _part(DENSE, form, change)
    assert found.first is found.rows[position]
    names = ["FULLY_CONNECTED", "FULLY_CONNECTED", "TANH", "FULLY_CONNECTED"]
    assert f"tensor {found.first.tensor!r} ({names[position]}) is the first" in found.text
    assert found.document()["growth"]["error"] == [row.error for row in found.rows]


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
def test_it_is_a_difference_whichever_of_the_two_is_wrong(runtime: str) -> None:
    found = _part(LSTMS, "float32", at(2, late, runtime=runtime))
    assert found.first is not None
    assert found.first.tensor == "second:output"
    assert found.rows[3].leaves


def test_a_state_left_over_parts_at_the_lstm() -> None:
    calm, wild = Runtimes(), Runtimes(carries=True)

    class Either(Runtimes):
        def run(self, runtime: Any, *args: Any, **more: Any) -> OperatorRun:
            return (wild if runtime.name == "tflm" else calm).run(runtime, *args, **more)

    samples = sampled(LSTMS)
    content = converted(LSTMS, weights_of(LSTMS), samples)
    fake: Any = Either()
    found = part(content, structure(content), [samples["x"]], MICRO, fake, Limits())
    assert found.first is not None
    assert found.first.tensor == "first:output"


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_on_one_parts(runtime: str, value: float) -> None:
    def spoiled(y: Array) -> Array:
        y[1, 0, 2] = value
        return y

    found = _part(DENSE, "float32", at(1, spoiled, runtime=runtime))
    assert found.first is not None
    assert found.first.tensor == "b/logits"


@pytest.mark.parametrize(("value", "leaves"), [(np.inf, False), (-np.inf, False), (np.nan, True)])
def test_infinity_on_both_is_no_difference_and_not_a_number_is_one(
    value: float, leaves: bool
) -> None:
    """A difference beside an infinite value is held to the finite ones."""
    same = np.array([[[value, 2.0]]], np.float32)
    assert _typed("float32", same, same).rows[0].leaves is leaves
    beside = same + np.array([0.0, 1e-3], np.float32)
    assert _typed("float32", same, beside).rows[0].leaves
    assert _typed("float32", same, -same).rows[0].leaves


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
def test_a_runtime_that_does_not_run_is_named(runtime: str) -> None:
    found = _part(DENSE, "int8", fails=(runtime,))
    assert found.rows == ()
    unread = f"the tensors inside cannot be read on {runtime}: crashed in invoke: SIGSEGV"
    assert found.text == unread


def test_tflite_is_the_one_that_is_run_first() -> None:
    both = _part(DENSE, "int8", fails=("tflite", "tflm"))
    assert both.text.startswith("the tensors inside cannot be read on tflite: ")


# What the runtimes give is whatever is said here --------------------------------------------------


class _Given:
    """Answers each runtime with the given arrays."""

    def __init__(self, tflite: list[Any], tflm: list[Any]) -> None:
        self.answers = {"tflite": tflite, "tflm": tflm}

    def run(self, runtime: Any, content: bytes, inputs: Any, **more: Any) -> OperatorRun:
        found = self.answers[runtime.name]
        assert more["outputs"] == len(found)
        if not all(isinstance(array, np.ndarray) for array in found):
            return OperatorRun(StepResult(Phase.LOAD, Outcome.REFUSED, "no"))
        return OperatorRun(None, tuple(found))


def _typed(dtype: str, want: Any, got: Any, scale: float | None = None) -> Divergence:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 2], "float32")
    kept = graph.tensor("kept", [1, 2], "float32", variable=True)
    y = graph.tensor("y", [1, 2], dtype, scale)
    graph.operator("CAST", [x], [kept, -1, y])
    graph.operator("ABS", [x], [y])  # a tensor that is written twice is read once
    content = graph.pack([x], [y])
    fake: Any = _Given([np.asarray(want)], [np.asarray(got)])
    samples = [np.zeros((1, 1, 2), np.float32)]
    return part(content, structure(content), samples, MICRO, fake, Limits())


def test_the_budget_is_of_tflites_values() -> None:
    small, large = np.full((1, 1, 2), 0.5, np.float32), np.full((1, 1, 2), -8.0, np.float32)
    assert _typed("float32", small, large).rows[0].budget == FLOAT32_ROUNDINGS * 0.5
    assert _typed("float32", large, small).rows[0].budget == FLOAT32_ROUNDINGS * 8


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_plain_integers_have_no_rounding(dtype: str) -> None:
    want = np.array([[[5, 7]]], dtype)
    assert _typed(dtype, want, want).first is None
    found = _typed(dtype, want, want + 1)
    assert found.first is not None
    assert (found.first.error, found.first.budget) == (1.0, 0.0)
    low, high = np.full_like(want, -(2**31)), np.full_like(want, 2**31 - 1)
    assert _typed(dtype, low, high).rows[0].error == 2.0**32 - 1


def test_int16_has_steps_of_its_scale() -> None:
    want = np.array([[[5, -7]]], np.int16)
    (row,) = _typed("int16", want, want + 1, scale=0.25).rows
    assert (row.operator, row.error, row.leaves) == ("CAST", 0.25, False)
    assert row.budget == pytest.approx(0.250025)
    assert _typed("int16", want, want + 2, scale=0.25).first is not None


def test_the_ends_of_int8_do_not_wrap() -> None:
    want, got = np.full((1, 1, 2), -128, np.int8), np.full((1, 1, 2), 127, np.int8)
    assert _typed("int8", want, got, scale=1.0).rows[0].error == 255


def test_zeros_are_equal_and_nothing_else_is_to_them() -> None:
    zeros = np.zeros((1, 1, 2), np.float32)
    assert _typed("float32", zeros, zeros).first is None
    assert _typed("float32", zeros, zeros + np.float32(1e-30)).first is not None


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (np.zeros((1, 1, 2), bool), np.ones((1, 1, 2), bool)),  # no numbers
        (np.zeros((1, 1, 2), np.float32), np.ones((1, 2, 1), np.float32)),  # another shape
        (np.zeros((1, 0, 2), np.float32), np.zeros((1, 0, 2), np.float32)),  # nothing
    ],
)
def test_what_cannot_be_compared_is_left_out(want: Array, got: Array) -> None:
    found = _typed("bool" if want.dtype == bool else "float32", want, got)
    assert found.rows == ()
    assert found.first is None
