"""Each stored number may be off by its definition's share, and by no more."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.flatbuffer.structure import Structure
from harness.operators.quantizer import integer_lstm
from harness.quantization import expected_scales
from harness.quantization.expected_scales import (
    _affine,
    _cell,
    _states,
    _zero_point,
    calibrated_findings,
)
from harness.structure.lstm_contract import Fused
from harness.weights import lstm_matching
from harness.weights.audit import audit, lstm_constants
from harness.weights.differences import Difference, allowed_difference
from harness.weights.lstm_matching import Match, _lstm_layers, matches
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import LstmWeights
from tests.support.reference_models import float_weights

Array = np.ndarray[Any, Any]
GATES = ("input", "forget", "cell", "output")
GROUPS = ("input kernel", "recurrent kernel", "bias")


def keras(weights: LstmWeights, layer: str = "lstm") -> dict[str, Array]:
    groups = (weights.input_kernel, weights.recurrent_kernel, weights.bias)
    return {
        f"{layer}/{k}": np.concatenate([gate.T for gate in group.present()], axis=-1)
        for k, group in enumerate(groups)
    }


def integer(weights: LstmWeights) -> Any:
    x = np.random.default_rng(1).normal(size=(2, 2, 5, 3)).astype(np.float32)
    return integer_lstm(weights, x, LstmOptions())


def found_lstm(parameters: Any, **more: Any) -> FoundLstm:
    (found,) = lstm_operators(build(OperatorLstm(parameters, 5, 2, **more)).content)
    return found


def _real(weights: LstmWeights, what: str, gate: str) -> Array:
    group = getattr(weights, what.replace(" ", "_"))
    return np.asarray(group[GATES.index(gate)], np.float64)


# What is allowed ----------------------------------------------------------------------------


def test_a_float_may_be_half_of_its_last_place_off() -> None:
    allowed = allowed_difference(np.array([1, 2, -3, 0.1, 0]), 0.0, "float32")
    # Half of 2**-23 times the power of two below; half of the least subnormal for zero.
    assert allowed.tolist() == [2.0**-24, 2.0**-23, 2.0**-23, 2.0**-28, 2.0**-150]


def test_a_float16_may_be_half_of_its_last_place_off() -> None:
    allowed = allowed_difference(np.array([1.0, -3.0, 0.0]), 0.0, "float16")
    assert allowed.tolist() == [2.0**-11 + 2.0**-25, 3 * 2.0**-11 + 2.0**-25, 2.0**-25]
    values = np.random.default_rng(1).normal(size=1000) * np.geomspace(1e-8, 100, 1000)
    error = np.abs(values.astype(np.float16).astype(np.float64) - values)
    assert (error <= allowed_difference(values, 0.0, "float16")).all()


@pytest.mark.parametrize(("dtype", "steps"), [("int8", 0.5 + 2.0**-18), ("int32", 0.5 + 2.0**-18)])
def test_integers_have_half_a_step_and_what_float32_loses(dtype: str, steps: float) -> None:
    want = np.array([0.0, 30.0, -30.0])
    allowed = allowed_difference(want, 0.25, dtype)
    assert allowed == pytest.approx(steps * 0.25 + np.abs(want) * 2.0**-22, rel=1e-12)


def test_a_bias_of_int16_was_rounded_in_steps_of_int8_first() -> None:
    """Half a step of int8 is as many times half a step as 2**15 - 1 is of 127, and one step for
    the second rounding and the scales."""
    allowed = allowed_difference(np.array([0.0, 8.0]), 0.25, "int64")
    assert allowed == pytest.approx(
        [0.25 * (1 + 32767 / 127 / 2), 0.25 * (1 + 32767 / 127 / 2) + 8 * 2.0**-22], rel=1e-12
    )


def _constants(weights: LstmWeights, parameters: Any, **more: Any) -> dict[tuple[str, str], Any]:
    found = list(lstm_constants(found_lstm(parameters, **more), weights, "it"))
    names = [(what, gate) for what in GROUPS for gate in GATES]
    assert [one.label for one in found] == [
        f"the {what} of the {gate} gate of it" for what, gate in names
    ]
    return dict(zip(names, found, strict=True))


def test_a_hybrid_kernel_has_the_converters_step_and_its_bias_is_float() -> None:
    weights = float_weights(1)
    for (what, gate), one in _constants(weights, weights, hybrid=True).items():
        real = _real(weights, what, gate)
        assert np.array_equal(one.want, real)
        if what == "bias":
            assert np.array_equal(one.found, real)
            assert (one.dtype, one.step) == ("float32", 0.0)
        else:
            assert one.dtype == "int8"
            assert one.step == pytest.approx(np.abs(real).max() / 127, rel=1e-12)


@pytest.mark.parametrize(("activations", "bias"), [("int8", "int32"), ("int16", "int64")])
def test_integers_have_the_steps_of_their_scales(activations: str, bias: str) -> None:
    weights = float_weights(1)
    model = integer(weights)
    if activations == "int16":
        zeros = ("input", "output", "output_state", "hidden")
        model = replace(
            model,
            activation_dtype="int16",
            bias=model.bias.as_type(np.int64),
            **{f"{name}_zero_point": 0 for name in zeros},
        )
    for (what, gate), one in _constants(weights, model).items():
        k = GATES.index(gate)
        kernel = "input_kernel" if what == "bias" else what.replace(" ", "_")
        step = getattr(model, f"{kernel}_scale")[k] * (model.input_scale if what == "bias" else 1)
        assert one.dtype == (bias if what == "bias" else "int8")
        assert one.step == pytest.approx(step, rel=1e-6)
        codes = getattr(model, what.replace(" ", "_"))[k]
        assert one.found == pytest.approx(codes * step, rel=1e-6)
        assert np.array_equal(one.want, _real(weights, what, gate))


def test_a_scale_may_be_two_roundings_off() -> None:
    weights = float_weights(1)
    model = integer(weights)
    for by, count in ((1 + 2.0**-23, 0), (1 + 2.0**-20, 1)):
        scales = model.recurrent_kernel_scale
        moved = replace(model, recurrent_kernel_scale=scales._replace(o=scales.o * by))
        found = audit(build(OperatorLstm(moved, 5, 2)).content, keras(weights), None)
        assert [(one.kind, one.layer) for one in found] == [("scale", "lstm")] * count


# Which is compared with which ---------------------------------------------------------------


def test_what_cannot_be_read_or_has_no_layer_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = float_weights(1)
    lstm = found_lstm(weights)
    foreign = found_lstm(float_weights(2, units=4))
    found = [replace(lstm, parameters=None), foreign, lstm]
    monkeypatch.setattr(lstm_matching, "lstm_operators", lambda content: found)
    first, second = matches(b"", keras(weights, "net/lstm"))
    assert (first.lstm, first.layer) == (foreign, "")
    assert (second.lstm, second.layer) == (lstm, "net/lstm")
    assert second.weights is not None
    assert first.weights is None


def test_a_coupled_input_gate_has_no_layer_in_keras() -> None:
    content = build(OperatorLstm(float_weights(1, cifg=True), 5, 2)).content
    (found,) = audit(content, keras(float_weights(1)), None)
    assert (found.kind, found.layer) == ("unknown", "")


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 20, 2), (5, 20, 2), (20,)],
        [(3, 20), (5, 20), (1, 20)],
        [(3, 20), (5, 20, 1), (20,)],
        [(3, 20), (5, 20), (19,)],
        [(3, 20), (5, 16), (20,)],
        [(3, 20), (5, 20)],
    ],
)
def test_what_is_no_lstm_is_no_layer(shapes: list[tuple[int, ...]]) -> None:
    arrays = {f"a/{k}": np.zeros(shape) for k, shape in enumerate(shapes)}
    assert list(_lstm_layers(arrays)) == []


def _of(stored: LstmWeights, weights: LstmWeights, **more: Any) -> Difference:
    (found,) = audit(build(OperatorLstm(stored, 5, 2, **more)).content, keras(weights), None)
    return found


def test_the_place_and_both_values_are_told() -> None:
    weights = float_weights(1)
    changed = weights.recurrent_kernel.f.copy()
    changed[2, 3] = 7.0
    kernel = weights.recurrent_kernel._replace(f=changed)
    found = _of(weights, replace(weights, recurrent_kernel=kernel))
    stored = weights.recurrent_kernel.f[2, 3]
    assert found.message == (
        "the recurrent kernel of the forget gate of LSTM operator 0 (layer 'lstm') differs in 1 of "
        f"25 values, most at [2, 3]: {stored:.8g}, the layer has 7"
    )
    assert found.share == pytest.approx((7 - stored) / 2.0**-22, rel=1e-6)


def test_infinity_is_no_weight() -> None:
    weights = float_weights(1)
    stored = replace(weights, bias=weights.bias._replace(c=np.full(5, np.inf, np.float32)))
    assert _of(stored, weights).share == math.inf


@pytest.mark.parametrize("form", ["float", "hybrid", "int8"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_model_with_an_infinite_weight_is_not_the_one_converted(form: str, value: float) -> None:
    weights = float_weights(1)
    parameters = integer(weights) if form == "int8" else weights
    content = build(OperatorLstm(parameters, 5, 2, hybrid=form == "hybrid")).content
    wild = keras(weights)
    wild["lstm/1"][2, 7] = value
    (found,) = audit(content, wild, None)
    assert (found.kind, found.share) == ("weight", math.inf)


def test_a_transposed_kernel_and_another_gates_are_recognised() -> None:
    weights = float_weights(1)
    kernel = weights.recurrent_kernel
    told = _of(replace(weights, recurrent_kernel=kernel._replace(f=kernel.f.T)), weights)
    assert (told.kind, "transposed" in told.message) == ("transposed", True)
    assert kernel.c is not None
    told = _of(replace(weights, recurrent_kernel=kernel._replace(f=kernel.c)), weights)
    assert told.kind == "gate"
    assert told.message.endswith("is the layer's recurrent kernel of the cell gate")


def test_a_scaled_kernel_is_told_by_its_factor_and_once() -> None:
    weights = float_weights(1)
    model = integer(weights)
    scales = model.input_kernel_scale
    doubled = replace(model, input_kernel_scale=scales._replace(f=2 * scales.f))
    found = audit(build(OperatorLstm(doubled, 5, 2)).content, keras(weights), None)
    kernel, bias = found
    assert (kernel.kind, bias.kind) == ("scale", "scale")
    assert "times the layer's: its scale is wrong" in kernel.message


# Scales of a calibration --------------------------------------------------------------------


def described(**tensors: dict[str, Any]) -> Structure:
    """A flatbuffer of inputs alone."""
    plain = {"shape": [1], "signature": [1], "axis": None, "variable": False, "bytes": 0}
    listed = [{"name": name, **plain, **tensor} for name, tensor in tensors.items()]
    graph = {"inputs": list(range(len(listed))), "outputs": [], "tensors": listed, "operators": []}
    return Structure({"subgraphs": [graph], "signatures": []})


def judged(structure: Structure, **arrays: Any) -> list[Any]:
    given = {name: np.asarray(array) for name, array in arrays.items()}
    return calibrated_findings(structure, b"", {}, given, {}, 1.0)


INT8 = {"dtype": "int8", "scale": [2 / 255], "zero_point": [-1]}


def test_every_input_is_judged() -> None:
    right, wrong = np.array([-1.0, 1.0]), np.array([-1.0, 3.0])
    found = judged(described(a=INT8, b=INT8, c=INT8), a=wrong, b=right, c=wrong)
    assert [one.tensors for one in found] == [("a",), ("c",)]
    assert found[0].message.startswith("input 'a' has the scale ")


@pytest.mark.parametrize(
    ("tensor", "array"),
    [
        ({**INT8, "dtype": "int16"}, [-1.0, 3.0]),
        ({**INT8, "scale": [], "zero_point": []}, [-1.0, 3.0]),
        (INT8, [-1, 3]),  # tokens
    ],
)
def test_inputs_without_a_scale_of_their_own_are_not(tensor: Any, array: list[float]) -> None:
    assert judged(described(a=tensor), a=array) == []


HIDDEN = {"name": "h", "dtype": "int8", "scale": [1.0], "zero_point": [0]}
CELL = {"name": "c", "dtype": "int16", "scale": [1.0]}
RANGES = {"lstm/hidden": (-1.0, 1.0), "lstm/cell": (-1.0, 1.0)}


def stated(hidden: dict[str, Any], cell: dict[str, Any]) -> list[Any]:
    """The findings for one LSTM whose hidden state is tensor 1 and whose cell is tensor 2."""
    operator = {"inputs": [0, -1, 0, *[-1] * 16, 2], "intermediates": [0, 0, 0, 0, 1]}
    lstm = Fused(4, operator, [{"shape": [5, 3], "name": "x"}, hidden, cell])
    return _states(lstm, "lstm", RANGES, 1e-6)


def test_hidden_and_cell_state_are_named_with_their_operator() -> None:
    hidden, cell = stated(HIDDEN, CELL)
    told = "fused LSTM of 5 units (operator 4): the "
    assert hidden.message.startswith(f"{told}hidden state (intermediate 4) has the scale 1 ")
    assert cell.message.startswith(f"{told}cell state's scale is 2^0")
    assert (hidden.tensors, cell.tensors) == (("h",), ("c",))


@pytest.mark.parametrize("change", [{"dtype": "int32"}, {"scale": []}])
def test_states_of_another_kind_are_not_judged(change: dict[str, Any]) -> None:
    assert [one.tensors for one in stated({**HIDDEN, **change}, CELL)] == [("c",)]
    assert [one.tensors for one in stated(HIDDEN, {**CELL, **change})] == [("h",)]


@pytest.mark.parametrize(("layer", "subgraph"), [("", 0), ("lstm", 1)])
def test_an_lstm_without_a_layer_or_of_a_subgraph_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, layer: str, subgraph: int
) -> None:
    weights = float_weights(1)
    lstm = replace(found_lstm(integer(weights)), subgraph=subgraph)
    operator = {"inputs": [0, -1, 0, *[-1] * 16, 2], "intermediates": [0, 0, 0, 0, 1]}
    fused = Fused(lstm.position, operator, [{"shape": [5, 3]}, HIDDEN, CELL])
    monkeypatch.setattr(expected_scales, "matches", lambda *given: [Match(lstm, layer)])
    monkeypatch.setattr(expected_scales, "fused_lstms", lambda structure: [fused])
    assert calibrated_findings(described(), b"", {}, {}, RANGES, 0.0) == []
    monkeypatch.setattr(
        expected_scales, "matches", lambda *given: [Match(replace(lstm, subgraph=0), "lstm")]
    )
    found = calibrated_findings(described(), b"", {}, {}, RANGES, 0.0)
    assert [one.tensors for one in found] == [("h",), ("c",)]


def test_how_far_off_a_zero_point_is() -> None:
    """Between -1 and 1 it is -0.5, which is rounded to -1."""
    exact = 2 / 255
    (known,) = _affine("x", "x", (exact, 2), -1.0, 1.0, 2.0**-22)
    assert known.share == pytest.approx(2.5 / 0.5)
    (just,) = _affine("x", "x", (exact, 0), -1.0, 1.0, 2.0**-22)
    assert just.share == 1.001  # half a step off, like the right one, and wrong
    (predicted,) = _affine("x", "x", (exact, 2), -1.0, 1.0, 1e-3)
    assert predicted.share == pytest.approx(2.5 / (0.5 + 0.255))


def test_a_scale_that_is_just_allowed_is_allowed() -> None:
    assert _affine("x", "x", (1.5, -1), -127.5, 127.5, 0.5) == []
    assert _affine("x", "x", (1.5001, -1), -127.5, 127.5, 0.5) != []


def test_a_zero_point_comes_from_the_end_that_loses_less() -> None:
    """At ties the two ends disagree by rounding; the converter compares |qmin| + |min / scale|
    with |qmax| + |max / scale|, which is 128 + k + 1/2 with 127 + 254.5 - k."""
    parted = {True: 0, False: 0}
    for factor in (0.1, 0.3, 0.7, 1.1, 3.7):
        for k in range(255):
            low, high = -(k + 0.5) * factor, (254.5 - k) * factor
            scale = (high - low) / 255
            from_low, from_high = -128 - low / scale, 127 - high / scale
            nearer_low = k <= 126
            if from_low != from_high:
                assert _zero_point(low, high, scale) == (from_low if nearer_low else from_high)
                parted[nearer_low] += 1
    assert min(parted.values()) > 50


@pytest.mark.parametrize(
    ("largest", "log2", "right"),
    [(2.0 * (1 - 1.5e-6), -13, False), (2.0 * (1 - 0.5e-6), -13, True)],
)
def test_a_cell_within_rounding_of_a_power_of_two(largest: float, log2: int, right: bool) -> None:
    lstm = Fused(0, {"inputs": [0, -1, 0]}, [{"shape": [4, 3]}])
    cell = {"scale": [2.0**log2], "name": "cell"}
    assert (_cell(lstm, cell, (-largest, 0.5), 1e-6) == []) is right
    # What is asked for then is the larger of the two.
    (found,) = _cell(lstm, {"scale": [2.0**-11], "name": "cell"}, (-2.0, 0.5), 1e-6)
    assert found.share == 4
    assert "asks for 2^-13" in found.message
