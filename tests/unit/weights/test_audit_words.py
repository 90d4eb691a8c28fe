"""Each difference is told in full: its kind, layer, operator, share, and all of its words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.quantizer import integer_lstm
from harness.weights.audit import (
    Ahead,
    _activation,
    _Constant,
    _difference,
    _function_of,
    _missing,
    _recognised,
    of_dense,
    of_lstm,
)
from harness.weights.differences import Difference
from harness.weights.layer_alignment import Aligned
from harness.weights.lstm_matching import Match, matches
from harness.weights.operator_graph import Constant
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import LstmWeights
from tests.support.reference_models import float_weights

Array = NDArray[Any]
KERNEL = np.array([[0.5, -0.25], [1.0, 0.125], [-2.0, 0.75]])  # [inputs, units] as Keras has it
BIAS = np.array([0.5, -1.5])


def _one(**changes: Any) -> Aligned:
    plain = Aligned(
        7,
        "FULLY_CONNECTED",
        "head",
        (KERNEL, BIAS),
        kernel=Constant("k", KERNEL.T, 0.0, "float32"),
        bias=Constant("b", BIAS, 0.0, "float32"),
        end=9,
        end_layer="head",
    )
    return replace(plain, **changes)


def _told(one: Aligned, behind: Mapping[str, str] | None = None) -> list[Difference]:
    return list(of_dense(one, Ahead(behind or {})))


# FULLY_CONNECTED ---------------------------------------------------------------------------------


def test_a_dense_of_its_own_weights_says_nothing() -> None:
    assert _told(_one()) == []
    assert _told(_one(weights=(KERNEL,), bias=None)) == []
    assert _told(_one(weights=(KERNEL, 0 * BIAS), bias=None)) == []
    zeros = Constant("b", 0 * BIAS, 0.0, "float32")
    assert _told(_one(weights=(KERNEL,), bias=zeros)) == []


def test_a_kernel_that_is_another_is_told_with_its_place() -> None:
    changed = KERNEL.T.copy()
    changed[1, 2] = 0.875
    (found,) = _told(_one(kernel=Constant("k", changed, 0.0, "float32")))
    assert found == Difference(
        "weight",
        "head",
        "the kernel of FULLY_CONNECTED operator 7 (layer 'head') differs in 1 of 6 values, most "
        "at [1, 2]: 0.875, the layer has 0.75",
        7,
        found.share,
    )
    # Half of the last place of 0.75, whose exponent is -1, in float32's 24 bits.
    assert found.share == pytest.approx(0.125 / 2.0**-25)


def test_a_bias_that_is_another_is_told_with_its_place() -> None:
    (found,) = _told(_one(bias=Constant("b", BIAS + np.array([0, 0.25]), 0.0, "float32")))
    assert found == Difference(
        "bias",
        "head",
        "the bias of FULLY_CONNECTED operator 7 (layer 'head') differs in 1 of 2 values, most at "
        "[1]: -1.25, the layer has -1.5",
        7,
        found.share,
    )
    assert found.share == pytest.approx(0.25 / 2.0**-24)


def test_a_bias_where_the_layer_has_none_is_another() -> None:
    """A layer without a bias has one of zeros."""
    (found,) = _told(_one(weights=(KERNEL,)))
    assert (found.kind, found.operator) == ("bias", 7)
    assert found.message.endswith("differs in 2 of 2 values, most at [1]: -1.5, the layer has 0")


def test_a_bias_that_is_not_there_is_missing() -> None:
    message = "the bias of FULLY_CONNECTED operator 7 (layer 'head') is missing"
    missing = Difference("bias", "head", message, 7)
    assert _missing(_one()) == missing
    zeros = Constant("b", 0 * BIAS, 0.0, "float32")
    for one in (_one(bias=None), _one(bias=zeros)):
        assert _told(one) == [missing]
        ahead = Ahead({"head": "next"})
        assert list(of_dense(one, ahead)) == []
        assert ahead.lost() == [missing]
    half = Constant(
        "b", np.array([0.5, 0.0]), 0.0, "float32"
    )  # one of them is no zero: it is there
    assert [found.kind for found in _told(_one(bias=half))] == ["bias"]
    assert "differs in 1 of 2" in _told(_one(bias=half))[0].message


def test_a_bias_that_the_layer_before_left_is_added() -> None:
    before = np.array([1.0, 2.0, -4.0])
    added = BIAS + before @ KERNEL
    for stored, right in ((added, True), (BIAS, False), (added + np.array([0.25, 0]), False)):
        ahead = Ahead({})
        ahead.waiting["head"] = before, _one()
        found = list(of_dense(_one(bias=Constant("b", stored, 0.0, "float32")), ahead))
        assert (found == []) is right
        assert ahead.lost() == []  # it was taken up, rightly or not


def test_what_float32_loses_in_the_addition_is_allowed() -> None:
    before = np.array([1.0, 2.0, -4.0])
    added = BIAS + before @ KERNEL
    largest = 2.0**-22 * (np.abs(before) @ np.abs(KERNEL) + np.abs(BIAS))
    for times, right in ((0.9, True), (1.5, False)):
        ahead = Ahead({})
        ahead.waiting["head"] = before, _one()
        stored = Constant("b", added + times * largest, 0.0, "float32")
        assert (list(of_dense(_one(bias=stored), ahead)) == []) is right


@pytest.mark.parametrize("step", [0.25, np.full((2, 1), 0.25)], ids=["one", "each"])
def test_an_integer_bias_may_be_half_of_its_step_off(step: Any) -> None:
    for off, right in ((0.12, True), (0.13, False)):
        stored = Constant("b", (BIAS + np.array([0, off])).reshape(2, 1), step, "int32")
        assert (_told(_one(bias=stored)) == []) is right


def test_a_transposed_square_kernel_is_named() -> None:
    square = np.array([[0.5, -0.25], [1.0, 0.125]])
    one = _one(weights=(square, BIAS), kernel=Constant("k", square, 0.0, "float32"))
    (found,) = _told(one)
    assert (found.kind, found.layer, found.operator) == ("transposed", "head", 7)
    assert found.message == (
        "the kernel of FULLY_CONNECTED operator 7 (layer 'head') is the layer's, transposed"
    )


# Activations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("functions", "layers", "shown"),
    [
        (("TANH",), ("tanh",), None),
        ((), (), None),
        (("RELU", "SOFTMAX"), ("relu", "softmax"), None),
        (("LOGISTIC",), ("tanh",), "LOGISTIC, the model's is TANH"),
        ((), ("softmax",), "none, the model's is SOFTMAX"),
        (("TANH",), (), "TANH, the model's is none"),
        (
            ("RELU", "TANH"),
            ("relu", "sigmoid"),
            "RELU then TANH, the model's is RELU then LOGISTIC",
        ),
        (("TANH",), ("swish",), None),  # nobody knows what that becomes
    ],
)
def test_activations_are_told_in_their_order(
    functions: tuple[str, ...], layers: tuple[str, ...], shown: str | None
) -> None:
    one = _one(functions=functions, layer_functions=layers)
    found = list(_activation(one))
    if shown is None:
        assert found == []
        return
    message = "the activation behind FULLY_CONNECTED operator 7 (layer 'head') is "
    assert found == [Difference("activation", "head", message + shown, 7)]
    assert list(_activation(replace(one, end=None))) == []  # the two are not one quantity


@pytest.mark.parametrize(
    ("kind", "config", "function"),
    [
        ("Dense", {}, "linear"),
        ("Dense", {"activation": "tanh"}, "tanh"),
        ("TimeDistributed", {"layer": {"config": {"activation": "relu"}}}, "relu"),
        ("TimeDistributed", {"layer": {"config": {}}}, "linear"),
        ("ReLU", {}, "relu"),
        ("Softmax", {}, "softmax"),
        ("Activation", {"activation": "elu"}, "elu"),
        ("Dropout", {"rate": 0.5}, "linear"),
    ],
)
def test_the_function_of_a_layer(kind: str, config: dict[str, Any], function: str) -> None:
    assert _function_of({"class": kind, "config": config}) == function


# What a value is ---------------------------------------------------------------------------------

WANT = np.array([[1.0, -0.5], [0.25, 2.0]])


def _constant(found: Any, want: Array = WANT, **more: Any) -> _Constant:
    plain: dict[str, Any] = {"step": 0.0, "dtype": "float32", "others": {}}
    return _Constant("weight", "it", np.asarray(found, np.float64), want, **{**plain, **more})


def test_another_shape_is_told() -> None:
    (found,) = _difference(_constant(np.ones((3, 2))), "a", 4)
    assert found == Difference("weight", "a", "it has shape (3, 2), the layer (2, 2)", 4)


@pytest.mark.parametrize("position", [4, None])
def test_a_difference_has_its_largest_share(position: int | None) -> None:
    changed = WANT + np.array([[0.0, 0.25], [0.5, 0.0]])
    (found,) = _difference(_constant(changed), "a", position)
    assert (found.layer, found.operator) == ("a", position)
    assert found.share == pytest.approx(0.5 / 2.0**-26)  # of 0.25, whose exponent is -2
    assert found.message == (
        "it (layer 'a') differs in 2 of 4 values, most at [1, 0]: 0.75, the layer has 0.25"
    )
    assert _difference(_constant(WANT), "a", position) == []


def test_what_is_recognised_comes_in_an_order() -> None:
    """Transposed before another gate's before a factor."""
    others = {"the other": 2 * WANT, "turned": WANT.T}
    assert _recognised(_constant(WANT.T, others=others)) == (
        "transposed",
        "is the layer's, transposed",
    )
    assert _recognised(_constant(2 * WANT, others=others)) == (
        "gate",
        "is the layer's the other",
    )
    assert _recognised(_constant(2 * WANT)) == (
        "scale",
        "is 2 times the layer's: its scale is wrong",
    )
    wide = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert _recognised(_constant(wide.T + 1, wide.T))[0] != "transposed"  # not square
    row = np.array([1.0, 2.0])
    assert _recognised(_constant(row + 1, row))[0] == "weight"  # has no other side


@pytest.mark.parametrize(
    ("factor", "shown"),
    [(2.0, "2"), (0.5, "0.5"), (1.25, "1.25"), (1.0005, "1.0005"), (0.9995, "0.9995")],
)
def test_a_factor_is_shown_as_what_it_is(factor: float, shown: str) -> None:
    kind, told = _recognised(_constant(factor * WANT))
    assert (kind, told) == ("scale", f"is {shown} times the layer's: its scale is wrong")


def test_two_values_beyond_rounding_are_no_scale_of_one() -> None:
    """Never "is 1 times the layer's": the factor itself has to be a difference."""
    step = 1.0 / 127
    off = np.array([[0.8, 0.0], [-0.8, 0.0]]) * step
    constant = _constant(WANT + off, step=step, dtype="int8")
    kind, told = _recognised(constant)
    assert kind == "weight"
    assert told.startswith("differs in 2 of 4 values")
    # Its neighbour: as far off, and all of it a factor.
    kind, told = _recognised(_constant(1.004 * WANT, step=step, dtype="int8"))
    assert (kind, told) == ("scale", "is 1.004 times the layer's: its scale is wrong")


def test_one_value_is_no_scale_and_neither_is_a_sign() -> None:
    single = np.array([2.0])
    assert _recognised(_constant([4.0], single))[0] == "weight"
    assert _recognised(_constant(-WANT))[0] == "weight"
    assert _recognised(_constant(0 * WANT))[0] == "weight"
    nothing = np.zeros(2)
    kind, told = _recognised(_constant([1.0, 0.5], nothing))
    assert (kind, told) == (
        "weight",
        "differs in 2 of 2 values, most at [0]: 1, the layer has 0",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_said_to_be_none(value: float) -> None:
    wild = WANT.copy()
    wild[1, 1] = value
    told = "cannot be compared: 1 of 4 of {} are NaN or infinite"
    assert _recognised(_constant(WANT, wild)) == (
        "weight",
        told.format("the layer's own values"),
    )
    assert _recognised(_constant(wild)) == ("weight", told.format("its values"))
    assert _difference(_constant(WANT, wild), "a", 0)[0].share == math.inf


# LSTMs -------------------------------------------------------------------------------------------


def _keras(weights: LstmWeights) -> dict[str, Array]:
    groups = (weights.input_kernel, weights.recurrent_kernel, weights.bias)
    return {
        f"lstm/{k}": np.concatenate([gate.T for gate in group.present()], axis=-1)
        for k, group in enumerate(groups)
    }


def _match(weights: LstmWeights, parameters: Any = None) -> Match:
    content = build(OperatorLstm(parameters or weights, 5, 2)).content
    (match,) = matches(content, _keras(weights))
    return match


def _integer(weights: LstmWeights) -> Any:
    x = np.random.default_rng(1).normal(size=(2, 2, 5, 3)).astype(np.float32)
    return integer_lstm(weights, x, LstmOptions())


def test_an_lstm_of_no_layer_is_unknown() -> None:
    match = Match(_match(float_weights(1)).lstm)
    told = "fused LSTM 3: no layer of the Keras model has weights of its shapes"
    assert list(of_lstm(3, match)) == [Difference("unknown", "", told, 0)]
    inner = replace(match, lstm=replace(match.lstm, subgraph=2))
    assert list(of_lstm(3, inner)) == [Difference("unknown", "", told, None)]


@pytest.mark.parametrize(("subgraph", "where"), [(0, ""), (2, " of subgraph 2")])
def test_an_activation_that_a_layer_cannot_have_is_told(subgraph: int, where: str) -> None:
    match = _match(float_weights(1))
    options = replace(match.lstm.options, activation="relu")
    lstm = replace(match.lstm, options=options, subgraph=subgraph)
    (found,) = of_lstm(0, replace(match, lstm=lstm))
    message = f"LSTM operator 0{where} (layer 'lstm') has the activation relu, the layer tanh"
    assert found == Difference("activation", "lstm", message, 0 if subgraph == 0 else None)
    assert list(of_lstm(0, match)) == []


@pytest.mark.parametrize(("subgraph", "where"), [(0, ""), (2, " of subgraph 2")])
def test_a_scale_that_its_weights_do_not_give_is_told(subgraph: int, where: str) -> None:
    """Too little for the weights to show: a thousandth of a step."""
    weights = float_weights(1)
    model = _integer(weights)
    given = model.input_kernel_scale
    slightly = replace(model, input_kernel_scale=given._replace(f=given.f * (1 + 1e-5)))
    match = _match(weights, slightly)
    match = replace(match, lstm=replace(match.lstm, subgraph=subgraph))
    found = [one for one in of_lstm(0, match) if "kernel of" in one.message]
    (told,) = found
    right = float(np.abs(np.asarray(weights.input_kernel.f, np.float64)).max() / 127)
    scale = float(np.float32(given.f * (1 + 1e-5)))
    assert told.message == (
        f"the scale of the input kernel of the forget gate of LSTM operator 0{where} (layer "
        f"'lstm') is {scale:.8g}, its weights give {right:.8g}"
    )
    assert (told.kind, told.layer) == ("scale", "lstm")
    assert told.operator == (0 if subgraph == 0 else None)
    assert told.share == pytest.approx(abs(scale - right) / (right * 2.0**-22))
