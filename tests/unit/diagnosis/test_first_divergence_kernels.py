"""Faults of a kernel, other samples and unreadable tensors are followed to their first place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.diagnosis.first_divergence import MOST_SAMPLES, Divergence, Row
from harness.flatbuffer.schema import pack, unpack
from reference.budgets.monte_carlo import budgets
from tests.support.followed import FAULTS, ONE, STACK, added, changed, followed
from tests.support.networks import document, node
from tests.support.small_models import (
    STEPS,
    Form,
    Weights,
    converted,
    sampled,
    structure,
    weights_of,
)
from tests.support.small_runtimes import Runtimes, at, late

Array = NDArray[Any]
Document = Mapping[str, Any]


# Faults of a kernel -----------------------------------------------------------------------------


def _nan(value: Array) -> Array:
    value[1, 2, 3] = np.nan
    return value


KERNEL_FAULTS: dict[str, tuple[Callable[[Array], Array], int, int | None]] = {
    "a late step": (late, 0, None),
    "a value at the last step": (lambda y: _place(y, (0, STEPS - 1, 2), 0.2), STEPS - 1, 2),
    "not a number": (_nan, 2, 3),
    "a constant": (np.zeros_like, 0, None),
}


def _place(value: Array, where: tuple[int, ...], by: float) -> Array:
    value[where] += by
    return value


@pytest.mark.parametrize("fault", KERNEL_FAULTS)
def test_an_inexact_kernel_is_followed_by_its_outputs(fault: str) -> None:
    change, step, unit = KERNEL_FAULTS[fault]
    found = followed(ONE, runtimes=Runtimes(at(0, change)), exact=False)
    assert found.first is not None
    assert found.first.layer == "lstm"
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate) == (step, "hidden state")
    assert unit in (None, first.unit)
    assert [gate.gate for gate in found.inside.gates] == ["hidden state"]
    if fault == "not a number":
        assert np.isnan(first.error)
        assert np.isnan(found.first.error)
        assert found.first.budget_used == pytest.approx(np.nan, nan_ok=True)


def test_int8_outputs_are_read_in_the_outputs_own_scale() -> None:
    runtimes = Runtimes(at(0, lambda y: _place(y, (0, 3, 1), 0)))
    assert followed(ONE, form="int8", runtimes=runtimes, exact=False).inside is None

    def off(value: Array) -> Array:
        value[0, 3, 1] = np.where(value[0, 3, 1] > 0, value[0, 3, 1] - 90, value[0, 3, 1] + 90)
        return value

    found = followed(ONE, form="int8", runtimes=Runtimes(at(0, off)), exact=False)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (3, "hidden state", 1)
    content = converted(ONE, weights_of(ONE), sampled(ONE), "int8")
    scale = structure(content).outputs[0].scale[0]
    assert first.error == pytest.approx(90 * scale, abs=2 * scale)


def test_states_left_over_show_from_the_second_sample_on() -> None:
    """The worst sample comes first: a state that is not reset needs its sample before it."""
    count = 3
    stimulus = sampled(ONE, count=count)
    runtimes = Runtimes(carries=True)
    found = followed(ONE, runtimes=runtimes, exact=False, samples=stimulus)
    assert found.first is not None
    assert found.first.layer == "lstm"
    assert found.inside is None  # the first that is run starts from rest
    assert "inside" not in found.text


def test_a_kernel_of_one_runtime_alone() -> None:
    change = at(2, lambda y: y + np.float32(0.01), runtime="tflm")
    assert followed(STACK, runtimes=Runtimes(change), exact=False).first is None
    found = followed(STACK, runtime="tflm", runtimes=Runtimes(change), exact=False)
    assert found.first is not None
    assert found.first.layer == "first"


def test_a_zero_point_that_is_off_by_one() -> None:
    """In the tensor behind the LSTM: every value of it is one step off."""

    def broken(content: bytes) -> bytes:
        model = unpack(content)
        (operator,) = model.subgraphs[0].operators
        tensor = model.subgraphs[0].tensors[int(operator.outputs[0])]
        tensor.quantization.zeroPoint = [int(tensor.quantization.zeroPoint[0]) + 12]
        return pack(model)

    found = followed(ONE, form="int8", content=broken)
    assert found.first is not None
    assert found.first.layer == "lstm"


# What cannot be followed ------------------------------------------------------------------------


def test_tensors_that_cannot_be_read_are_said() -> None:
    found = followed(STACK, runtimes=Runtimes(fails=("tflite",)))
    assert [row.layer for row in found.rows] == ["x"]
    assert found.first is None
    assert found.text == ("the tensors inside cannot be read on tflite: crashed in invoke: SIGSEGV")
    assert "growth" not in found.document()


def test_an_lstm_behind_the_input_is_known_without_reading_tensors() -> None:
    """Its input is the model's own, and its gates are the oracle's."""
    found = followed(ONE, FAULTS["one bias"][0], runtimes=Runtimes(fails=("tflite",)))
    assert found.first is None
    assert found.inside is not None
    assert found.inside.first.unit == 3
    assert found.text.startswith("inside LSTM operator 0 (layer 'lstm') it starts at step 0")
    blind = followed(ONE, FAULTS["one bias"][0], runtimes=Runtimes(fails=("tflite",)), exact=False)
    assert blind.inside is None


def test_a_tensor_of_another_size_is_left_out() -> None:
    found = followed(ONE, runtimes=Runtimes(at(0, lambda y: y[:, :-1])))
    assert [row.layer for row in found.rows] == ["x"]


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_an_output_of_another_length_has_no_steps_to_hold(form: Form) -> None:
    short = Runtimes(at(0, lambda y: y[:, :-1]))
    assert followed(ONE, form=form, runtimes=short, exact=False).inside is None
    single = Runtimes(at(0, lambda y: y[:1]))
    assert followed(ONE, form=form, runtimes=single, exact=False).inside is None


# Samples ----------------------------------------------------------------------------------------


def test_the_worst_sample_is_the_one_that_is_looked_into() -> None:
    stimulus = sampled(ONE, count=3)
    stimulus["x"][:2, :, :, 2] = 0  # the changed weight counts in the third sample alone
    broken = changed("lstm/0", added((2, 4 + 1), 0.3))
    found = followed(ONE, broken, samples=stimulus, worst=2)
    assert found.inside is not None
    assert found.inside.first.unit == 1
    assert followed(ONE, broken, samples=stimulus, worst=0).inside is None
    assert followed(ONE, broken, samples=stimulus, worst=0).first is not None


@pytest.mark.parametrize(
    ("count", "worst", "chosen"),
    [
        (1, 0, [0]),
        (3, 1, [1, 0, 2]),
        (MOST_SAMPLES, MOST_SAMPLES - 1, [15, *range(15)]),
        (40, 20, [20, *range(15)]),
        (40, 3, [3, 0, 1, 2, *range(4, 16)]),
    ],
)
def test_the_worst_sample_and_the_first_others_are_followed(
    count: int, worst: int, chosen: list[int]
) -> None:
    of = document(node("head", "Dense", units=1), x=[1])
    stimulus = {"x": np.arange(count, dtype=np.float32).reshape(count, 1, 1)}
    runtimes = Runtimes()
    followed(of, samples=stimulus, weights=_identity(), runtimes=runtimes, worst=worst)
    assert [list(x[:, 0, 0]) for (x,) in runtimes.given] == [chosen]


def _identity() -> Weights:
    return {"head/0": np.ones((1, 1), np.float32), "head/1": np.zeros(1, np.float32)}


# Rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "budget", "used", "leaves"),
    [
        (0.5, 1.0, 0.5, False),
        (1.0, 1.0, 1.0, False),
        (1.0000001, 1.0, 1.0000001, True),
        (0.0, 0.0, 0.0, False),
        (1e-30, 0.0, float("inf"), True),
        (float("nan"), 1.0, float("nan"), True),
        (float("nan"), 0.0, float("inf"), True),
        (float("inf"), 1.0, float("inf"), True),
    ],
)
def test_what_a_row_uses_of_its_budget(
    error: float, budget: float, used: float, leaves: bool
) -> None:
    row = Row(3, "t", "ADD", "layer", error, budget)
    assert row.budget_used == pytest.approx(used, nan_ok=True)
    assert row.leaves is leaves
    assert row.document() == {
        "tensor": "t",
        "operator": "ADD",
        "layer": "layer",
        "error": pytest.approx(error, nan_ok=True),
        "budget": budget,
        "budget_used": pytest.approx(used, nan_ok=True),
        "leaves": leaves,
    }


def test_a_divergence_tells_its_first_row_and_its_cause() -> None:
    good, bad = Row(0, "a", "ADD", "", 0.0, 1.0), Row(1, "b", "MUL", "", 2.0, 1.0)
    found = Divergence((good, bad, replace(bad, tensor="c")))
    assert found.first is bad
    assert found.text == "tensor 'b' (MUL) is the first beyond its budget: off by 2, budget 1"
    assert found.document("because")["cause"] == "because"
    assert "cause" not in found.document()
    assert found.document()["growth"]["error"] == [0.0, 2.0, 2.0]
    assert Divergence((good, bad)).document()["growth"]["steps"] == [0, 1]
    assert "growth" not in Divergence((bad,)).document()
    assert Divergence((), problem="blind").text == "blind"
    assert Divergence((bad,), problem="blind").text.startswith("tensor 'b'")


def test_a_fault_that_is_everywhere_is_measured_by_its_root_mean_square() -> None:
    """Just under the largest budget in every value: more than rounding can do everywhere."""
    (budget,) = budgets(ONE, weights_of(ONE), sampled(ONE), "float32")
    off = np.float32((budget.value + 2 * budget.rms) / 3)
    assert budget.rms < off < budget.value
    found = followed(ONE, runtimes=Runtimes(at(0, lambda y: y + off)))
    assert found.first is not None
    assert found.first.budget == budget.rms
    assert found.first.error == pytest.approx(float(off), rel=0.1)
    once = chain([1e-3], repeat(0.0))  # in one value of the first sample alone
    found = followed(ONE, runtimes=Runtimes(at(0, lambda y: _place(y, (0, 0, 0), next(once)))))
    assert found.first is not None
    assert found.first.budget == budget.value


def test_fewer_outputs_are_asked_for_than_there_are_tensors() -> None:
    runtimes = Runtimes()
    followed(STACK, runtimes=runtimes)
    assert runtimes.asked == [("tflite", 5)]  # before, first, its input, second and last, end
