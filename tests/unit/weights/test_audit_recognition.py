"""A constant that is not the layer's is called what it is, at the limits of each rule too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.lstm_reader import FoundLstm
from harness.weights.audit import (
    Ahead,
    _Constant,
    _difference,
    lstm_constants,
    normalised,
    of_dense,
    of_lstm,
)
from harness.weights.differences import Difference, allowed_difference
from harness.weights.layer_alignment import Aligned
from harness.weights.lstm_matching import Match
from harness.weights.operator_graph import Constant
from reference.lstm.weights import Gates, LstmWeights
from tests.support.networks import document, node
from tests.support.reference_models import float_weights
from tests.unit.weights.test_audit_edges import found_lstm, integer

Array = np.ndarray[Any, Any]
STEP = 2.0**-4
#: Of an int8 value near 0: half a step and what float32 loses.
HALF = float(allowed_difference(np.zeros(1), STEP, "int8")[0])
#: Of a float32 of 1 to 2.
LAST = 2.0**-24
ALTERNATING = np.array([1.0, -1.0, 1.0, -1.0])


def constant(found: Any, want: Any, dtype: str = "float32", step: Any = 0.0, **more: Any) -> Any:
    return _Constant(
        "weight", "it", np.asarray(found), np.asarray(want), step, dtype, more.get("others", {})
    )


def told(found: Any, want: Any, dtype: str = "float32", step: Any = 0.0) -> tuple[str, str]:
    """The kind and the words of what is told of a constant; two empty ones of a healthy one."""
    differences = _difference(constant(found, want, dtype, step), "lstm", 0)
    if not differences:
        return "", ""
    (one,) = differences
    return one.kind, one.message.removeprefix("it (layer 'lstm') ")


# What is close ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "factor", "close"),
    [(1.0, 1.0, True), (1.5, 1.0, False), (1.5, 2.0, True), (2.0, 2.0, True), (2.5, 2.0, False)],
)
def test_what_is_close_is_so_to_the_whole_of_what_is_allowed(
    off: float, factor: float, close: bool
) -> None:
    one = constant([1 + off * LAST, 1.0], [1.0, 1.0])
    assert one.is_close(one.want, factor) is close
    assert (told(one.found, one.want) == ("", "")) is (off <= 1)


def test_without_more_a_constant_is_close_within_what_is_allowed_once() -> None:
    one = constant([1 + 1.5 * LAST], [1.0])
    assert not one.is_close(one.want)


@pytest.mark.parametrize(
    ("found", "want", "step"),
    [(np.nan, 1.0, 0.1), (1.0, np.nan, 0.1), (np.inf, np.inf, 0.1), (1.0, 1.0, np.inf)],
)
def test_what_is_no_number_is_close_to_nothing(found: float, want: float, step: float) -> None:
    one = constant([found], [want], "int8", step)
    assert one.share(one.want).tolist() == [np.inf]


def test_a_zero_of_no_step_may_be_as_far_off_as_nothing_is() -> None:
    assert 0 < allowed_difference(np.zeros(1), 0.0, "int8")[0] < 1e-29
    assert told([0.0, 1e-20], [0.0, 0.0], "int8")[0] == "weight"


# What it is called --------------------------------------------------------------------------


def test_a_square_kernel_may_be_transposed_and_no_other() -> None:
    square = np.arange(1.0, 10).reshape(3, 3)
    assert told(square.T, square) == ("transposed", "is the layer's, transposed")
    wide = np.arange(1.0, 7).reshape(2, 3)
    assert told(wide.T, wide)[1] == "it has shape (3, 2), the layer (2, 3)"
    assert told(wide.T.reshape(2, 3), wide)[0] == "weight"


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_a_factor_is_found_of_the_least_and_the_largest_weights(size: float) -> None:
    want = np.array([1.0, -0.5, 0.25, 2.0], np.float32) * np.float32(size)
    assert told(2 * want, want) == ("scale", "is 2 times the layer's: its scale is wrong")


def test_weights_as_large_as_float32_has_them_are_compared() -> None:
    huge = np.array([3e38, -3e38], np.float32)
    kind, words = told(-huge, huge)
    assert kind == "weight"
    assert words.startswith("differs in 2 of 2 values, most at [0]: -3e+38")
    # By how much is a number, which float32 does not have.
    assert constant(-huge, huge).share(huge) == pytest.approx([6e38 / 2.0**103] * 2, rel=1e-6)
    # The nearest multiple is beyond what float32 has.
    found, want = np.array([[3e38, 3.4e38], [3.4e38, 1e38]], np.float32)
    assert told(found, want)[0] == "weight"


def test_nothing_is_a_multiple_of_zeros() -> None:
    assert told([0.5, 0.5], [0.0, 0.0]) == (
        "weight",
        "differs in 2 of 2 values, most at [0]: 0.5, the layer has 0",
    )


def test_what_is_off_most_is_among_what_is_wrong() -> None:
    """By how far, not by its size; what is as far off as allowed is right."""
    assert told([10.5, -9.0], [10.0, 1.0])[1] == (
        "differs in 2 of 2 values, most at [1]: -9, the layer has 1"
    )
    assert told([1 + LAST, 1 + 3 * LAST, 1, 1], [1.0, 1.0, 1.0, 1.0])[1].startswith(
        "differs in 1 of 4 values, most at [1]"
    )


def test_one_value_and_the_negative_are_no_scale() -> None:
    assert told([2.0, 0.0], [1.0, 0.0])[0] == "weight"
    assert told([-2.0, -4.0], [1.0, 2.0])[0] == "weight"


@pytest.mark.parametrize(("off", "kind"), [(1.5, "scale"), (3.9, "scale"), (4.5, "weight")])
def test_a_factors_rounding_is_of_its_own_step_and_of_the_layers(off: float, kind: str) -> None:
    """Three times the layer's integers are off by three of its half steps, and one beside."""
    want = np.ones(4)
    assert told(3 + off * HALF * ALTERNATING, want, "int8", STEP)[0] == kind


def test_a_factor_is_a_scale_where_it_makes_a_difference_itself() -> None:
    beyond = 1 + 1.5 * LAST
    assert told(np.full(4, beyond), np.ones(4))[0] == "scale"
    # Two of four values are beyond what is allowed, and their mean just is not.
    mean = 1 + LAST + LAST / 2 * ALTERNATING
    assert told(mean, np.ones(4))[1].startswith("differs in 2 of 4 values")


@pytest.mark.parametrize(
    ("factor", "shown"),
    [
        (1.2345678, "1.235"),
        (1 + 2.0**-10, "1.001"),
        (1 + 2.0**-11, "1.0004883"),
        (1 - 2.0**-10, "0.999"),
        (1 - 2.0**-11, "0.99951172"),
    ],
)
def test_a_factor_near_1_has_its_digits(factor: float, shown: str) -> None:
    want = np.array([1.0, 2.0, -4.0])
    assert told(factor * want, want)[1] == f"is {shown} times the layer's: its scale is wrong"


# LSTMs --------------------------------------------------------------------------------------


def _lstm(weights: LstmWeights, **changes: Any) -> FoundLstm:
    return found_lstm(replace(integer(weights), **changes))


def _powers(weights: LstmWeights) -> LstmWeights:
    """Input kernels whose scale is exactly 2^-7."""
    changed = []
    for given in weights.input_kernel.present():
        kernel = np.clip(given, -0.5, 0.5)
        kernel[0, 0] = 127 * 2.0**-7
        changed.append(kernel)
    return replace(weights, input_kernel=Gates(*changed))


def _said(found: FoundLstm, weights: LstmWeights) -> list[Difference]:
    return list(of_lstm(0, Match(found, "lstm", weights)))


@pytest.mark.parametrize(("off", "kinds"), [(1.0, []), (1.5, ["scale"])])
def test_a_kernels_scale_may_be_as_far_off_as_float32_computes_it(
    off: float, kinds: list[str]
) -> None:
    weights = _powers(float_weights(1))
    scales = integer(weights).input_kernel_scale
    assert float(scales.i) == 2.0**-7
    moved = scales._replace(f=2.0**-7 * (1 + off * 2.0**-22))
    found = _said(_lstm(weights, input_kernel_scale=moved), weights)
    assert [one.kind for one in found] == kinds
    assert all("the scale of the input kernel of the forget gate" in one.message for one in found)


def test_a_constant_of_float32_has_no_step() -> None:
    weights = float_weights(1)
    constants = list(lstm_constants(found_lstm(weights), weights, "it"))
    assert {(one.step, one.dtype) for one in constants} == {(0.0, "float32")}


def test_any_scale_is_right_for_a_kernel_of_zeros() -> None:
    """And none hides a kernel that is not zeros where the layer's is."""
    weights = float_weights(1)
    nothing = weights.input_kernel._replace(f=np.zeros_like(weights.input_kernel.f))
    empty = replace(weights, input_kernel=nothing)
    for scale in (2.0**-7, 1.0, 3.0):
        scales = integer(weights).input_kernel_scale._replace(f=scale)
        bias = integer(weights)
        made = replace(
            bias,
            input_kernel=bias.input_kernel._replace(f=np.zeros_like(bias.input_kernel.f)),
            input_kernel_scale=scales,
        )
        told = [one.message for one in _said(found_lstm(made), empty)]
        assert not any("kernel of the forget gate" in message for message in told)
    hybrid = found_lstm(weights, hybrid=True)
    (wrong,) = _said(hybrid, empty)
    assert "the input kernel of the forget gate" in wrong.message
    assert wrong.kind == "weight"


# Dense layers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "wrong"), [(0.4, 0), (0.6, 1)])
def test_each_value_of_a_bias_has_the_step_of_its_own_channel(off: float, wrong: int) -> None:
    """A bias that an ADD carries has axes before its channels."""
    kernel, bias = np.eye(3), np.array([1.0, 2.0, 3.0])
    steps = np.array([[2.0**-3, 2.0**-8, 2.0**-14]])
    values = bias + np.array([0.4, 0.4, off]) * steps
    one = Aligned(
        4,
        "FULLY_CONNECTED",
        "head",
        (kernel, bias),
        kernel=Constant("k", kernel, 0.0, "float32"),
        bias=Constant("b", values, steps, "int32"),
    )
    found = list(of_dense(one, Ahead({})))
    assert [one.kind for one in found] == ["bias"] * wrong
    assert all("most at [2]" in one.message for one in found)


# Normalisations -----------------------------------------------------------------------------


def test_the_layers_beside_every_normalisation_are_left_out() -> None:
    model = document(
        node("a", "Dense", units=3),
        node("first", "BatchNormalization", "a"),
        node("b", "Dense", "first", units=3),
        node("c", "Dense", "b", units=3),
        node("second", "LayerNormalization", "c"),
        node("d", "Dense", "second", units=3),
        node("e", "Dense", "d", units=3),
        x=[3],
    )
    assert normalised(model) == {"a", "b", "c", "d"}


def test_all_that_reads_a_normalisation_is_left_out_over_what_passes_it_on() -> None:
    model = document(
        node("norm", "BatchNormalization"),
        node("drop", "Dropout", "norm"),
        node("again", "Dropout", "drop"),
        node("one", "Dense", "norm", units=3),
        node("two", "Dense", "drop", units=3),
        node("three", "Dense", "again", units=3),
        node("four", "Dense", "three", units=3),
        x=[3],
    )
    assert normalised(model) == {"x", "drop", "again", "one", "two", "three"}


# What int32 cannot hold ---------------------------------------------------------------------


def test_a_bias_beyond_int32_is_called_cut_off() -> None:
    """Input scale × weight scale is 1.8e-10: int32 ends at 0.387, and a forget bias is 1."""
    step = 0.387 / 2**31
    most = step * (2**31 - 1)
    kind, words = told([most, 0.25, -most], [1.0, 0.25, -2.0], "int32", step)
    assert kind == "saturated"
    assert words.startswith("is cut off in 2 of 3 values: ")
    assert "int32 ends at 0.387, and the layer has -2" in words


@pytest.mark.parametrize(
    ("found", "want"),
    [
        ([0.387 * 0.9, 0.387 * 0.9], [1.0, 1.0]),  # not at the end
        ([0.387, 0.387], [0.2, 0.2]),  # the layer's is within
        ([0.387, 0.387], [-1.0, -1.0]),  # at the wrong end
        ([0.387, 0.1], [1.0, 0.2]),  # and another value differs
    ],
)
def test_another_wrong_bias_is_not(found: list[float], want: list[float]) -> None:
    step = 0.387 / 2**31
    kind, _ = told(np.minimum(found, step * (2**31 - 1)), want, "int32", step)
    assert kind not in ("", "saturated")
