"""Each single change of a weight or scale is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.quantizer import integer_lstm
from harness.quantization.expected_scales import _affine, _cell, calibrated_findings, uncertainty
from harness.structure.lstm_contract import Fused
from harness.weights.audit import audit, lstm_constants
from harness.weights.differences import Difference
from harness.weights.lstm_matching import matches
from reference.budgets.monte_carlo import calibrate
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights
from tests.support.small_models import structure

Array = NDArray[Any]
GROUPS = ("input_kernel", "recurrent_kernel", "bias")


def _keras(weights: LstmWeights, layer: str = "lstm", first: int = 0) -> dict[str, Array]:
    """The weights as Keras has them: gates side by side in the last axis."""
    found = {}
    for k, group in enumerate(GROUPS):
        gates = [np.asarray(gate) for gate in getattr(weights, group)]
        joined = np.concatenate([gate.T for gate in gates], axis=-1)
        found[f"{layer}/{first + k}"] = joined.astype(np.float32)
    return found


def _said_of(content: bytes, weights: dict[str, Array]) -> list[Difference]:
    return audit(content, weights, None)


def _content(weights: LstmWeights, form: str) -> bytes:
    if form == "int8":
        x = np.random.default_rng(1).normal(size=(2, 2, 5, 3)).astype(np.float32)
        return build(OperatorLstm(integer_lstm(weights, x, LstmOptions()), 5, 2)).content
    return build(OperatorLstm(weights, 5, 2, hybrid=form == "hybrid")).content


FORMS = pytest.mark.parametrize("form", ["float", "hybrid", "int8"])


@FORMS
@pytest.mark.parametrize("seed", range(5))
def test_its_own_weights_are_found(form: str, seed: int) -> None:
    weights = float_weights(seed)
    content = _content(weights, form)
    assert _said_of(content, _keras(weights)) == []
    (match,) = matches(content, _keras(weights))
    assert match.layer == "lstm"


@FORMS
@pytest.mark.parametrize("group", range(3))
@pytest.mark.parametrize("gate", range(4))
def test_one_changed_weight_is_named(form: str, group: int, gate: int) -> None:
    """By 3 %: over a step of int8 for the larger weights, which the largest one is."""
    weights = float_weights(2)
    keras = _keras(weights)
    array = keras[f"lstm/{group}"]
    columns = np.abs(array[..., 5 * gate : 5 * gate + 5])
    place = np.unravel_index(int(columns.argmax()), columns.shape)
    at = (*place[:-1], place[-1] + 5 * gate)
    array[at] *= 1.03
    (found,) = _said_of(_content(weights, form), keras)
    kind = "bias" if group == 2 else "weight"
    assert (found.kind, found.layer, found.operator) == (kind, "lstm", 0)
    assert ("input", "forget", "cell", "output")[gate] in found.message
    assert found.share is not None
    assert found.share > 1


def test_the_last_bit_of_a_float_counts() -> None:
    weights = float_weights(3)
    keras = _keras(weights)
    value = keras["lstm/1"][2, 7]
    keras["lstm/1"][2, 7] = np.nextafter(value, np.float32(9))
    assert [f.kind for f in _said_of(_content(weights, "float"), keras)] == ["weight"]


def test_not_a_number_is_not_equal() -> None:
    weights = float_weights(3)
    keras = _keras(weights)
    keras["lstm/1"][2, 7] = np.nan
    assert [f.kind for f in _said_of(_content(weights, "float"), keras)] == ["weight"]


def test_a_scale_that_is_not_the_converters_is_named() -> None:
    weights = float_weights(4)
    x = np.random.default_rng(1).normal(size=(2, 2, 5, 3)).astype(np.float32)
    model = integer_lstm(weights, x, LstmOptions())
    finer = model.input_kernel_scale._replace(f=model.input_kernel_scale.f * 1.00001)
    content = build(OperatorLstm(replace(model, input_kernel_scale=finer), 5, 2)).content
    (found,) = _said_of(content, _keras(weights))
    assert "scale of the input kernel of the forget gate" in found.message
    assert found.kind == "scale"
    assert found.share is not None
    assert 40 < found.share < 43  # 1e-5 in 2**-22


def test_each_operator_has_a_layer_of_its_own() -> None:
    """A Bidirectional whose backward direction got the forward weights, and its two names."""
    one, other = float_weights(5), float_weights(6)
    both = {**_keras(one, "both"), **_keras(other, "both", 3)}
    assert matches(_content(other, "float"), both)[0].layer == "both/backward"
    assert matches(_content(one, "float"), both)[0].layer == "both/forward"
    said = _said_of(_content(float_weights(7), "float"), both)
    assert {f.layer for f in said} in ({"both/forward"}, {"both/backward"})
    assert len(said) == 12


def test_a_model_without_such_a_layer_is_said() -> None:
    content = _content(float_weights(8), "float")
    for keras in ({}, _keras(float_weights(8, units=4)), {"dense/0": np.zeros((3, 20))}):
        assert [f.kind for f in _said_of(content, keras)] == ["unknown"]


def test_every_bias_is_compared() -> None:
    weights = float_weights(9)
    dropped = replace(weights, bias=Gates(*(np.zeros_like(b) for b in weights.bias)))
    assert _said_of(_content(dropped, "float"), _keras(weights))
    assert _said_of(_content(dropped, "int8"), _keras(weights))


# Ranges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "low", "high", "right"),
    [
        ((2 / 255, -1), -1.0, 1.0, True),  # a tie goes away from zero
        ((2 / 255, 0), -1.0, 1.0, False),
        ((2 / 255, -2), -1.0, 1.0, False),
        ((1 / 255, -128), 0.2, 1.0, True),  # zero belongs to every range
        ((1 / 255, 127), -1.0, -0.5, True),
        ((1 / 255, 126), -1.0, -0.5, False),
        ((1 / 255, -127), 0.2, 1.0, False),
        ((1.5 / 255, 42), -1.0, 0.5, True),
        ((1.5 / 255, 41), -1.0, 0.5, False),
        ((1.5 / 255, -43), -0.5, 1.0, True),
        ((1.5 / 255, 43), -0.5, 1.0, False),
        ((0.8 / 255, -128), 0.2, 1.0, False),
        ((2 / 255 * 1.00001, -1), -1.0, 1.0, False),
        ((2 / 255 * (1 + 2.0**-24), -1), -1.0, 1.0, True),  # rounded to float32
    ],
)
def test_an_input_has_the_one_scale_of_its_samples(
    given: tuple[float, int], low: float, high: float, right: bool
) -> None:
    found = _affine("input 'x'", "x", given, low, high, 2.0**-22)
    assert (found == []) is right, found
    assert all(f.share is not None and f.share > 1 for f in found)


def test_a_range_from_float32_arithmetic_may_fall_on_either_side_of_a_tie() -> None:
    for zero_point, right in ((-1, True), (0, True), (1, False), (-2, False)):
        found = _affine("hidden", "h", (2 / 255, zero_point), -1.0, 1.0, 1e-5)
        assert (found == []) is right, zero_point
    assert _affine("hidden", "h", (2 / 255 * 1.001, -1), -1.0, 1.0, 1e-5)


@pytest.mark.parametrize(
    ("largest", "log2", "right"),
    [
        (1.9, -14, True),
        (1.9, -15, False),
        (1.9, -13, False),
        (2.0, -14, True),
        (2.0, -13, True),  # within rounding of the next power of two
        (2.0, -15, False),
        (2.0 * (1 - 2e-6), -13, False),  # not within it any more
        (2.0 * (1 + 2e-6), -14, False),
        (2.1, -13, True),
        (2.1, -14, False),
        (1.0, -14, True),
        (1.0, -13, False),
    ],
)
def test_a_cell_has_the_least_power_of_two(largest: float, log2: int, right: bool) -> None:
    lstm: Any = Fused(0, {"inputs": [0, -1, 0]}, [{"shape": [4, 3]}])
    cell = {"scale": [2.0**log2], "name": "cell"}
    found = _cell(lstm, cell, (-largest, 0.5), 1e-6)
    assert (found == []) is right
    assert all(f.share in (2.0, 4.0) for f in found)


def test_how_far_off_a_cells_scale_is() -> None:
    lstm: Any = Fused(0, {"inputs": [0, -1, 0]}, [{"shape": [4, 3]}])
    for log2, share in ((-13, 2.0), (-12, 4.0), (-11, 8.0), (-15, 2.0)):
        (found,) = _cell(lstm, {"scale": [2.0**log2], "name": "cell"}, (-0.5, 1.9), 1e-6)
        assert found.share == share
        assert "asks for 2^-14" in found.message


def test_how_uncertain_a_model_is() -> None:
    assert uncertainty([np.array([0.5, -2.0])], [1e-3]) == pytest.approx(5e-4)
    assert uncertainty([], []) == float("inf")
    assert uncertainty([np.zeros(2)], [1e-3]) == 1e-3
    assert uncertainty([np.ones(2), np.full(2, 4.0)], [1e-3, 8e-3]) == pytest.approx(2e-3)
    with pytest.raises(ValueError, match="zip"):
        uncertainty([np.ones(2)], [])


# A whole LSTM ----------------------------------------------------------------------------------

DOCUMENT = {
    "name": "one",
    "inputs": [{"name": "x", "shape": [5, 3], "dtype": "float32"}],
    "nodes": [
        {
            "name": "lstm",
            "class": "LSTM",
            "config": {"units": 5, "return_sequences": True},
            "inputs": ["x"],
            "initial_state": [],
        }
    ],
    "outputs": ["lstm"],
}
SAMPLES = {"x": np.random.default_rng(3).uniform(-0.9, 1.3, (4, 2, 5, 3)).astype(np.float32)}
WEIGHTS = float_weights(11)


def _ranges(samples: dict[str, Array]) -> Mapping[str, tuple[float, float]]:
    return calibrate(DOCUMENT, _keras(WEIGHTS), samples, final_cell=True)


def _scaled(**changes: Any) -> Any:
    """The integer model with the scales that the samples ask for, then changed."""
    ranges = _ranges(SAMPLES)
    found: dict[str, Any] = {}
    for name, (low, high) in (("input", ranges["x"]), ("hidden", ranges["lstm/hidden"])):
        scale = (max(0.0, high) - min(0.0, low)) / 255
        found[f"{name}_scale"] = scale
        found[f"{name}_zero_point"] = int(np.rint(-128 - min(0.0, low) / scale))
    largest = max(map(abs, ranges["lstm/cell"]))
    found["cell_scale"] = float(2.0 ** (np.ceil(np.log2(largest)) - 15))
    model = integer_lstm(WEIGHTS, SAMPLES["x"], LstmOptions())
    model = replace(model, **found)
    factors = {key.removesuffix("_by"): by for key, by in changes.items()}
    moved = {}
    for key, by in factors.items():
        old = getattr(model, key)
        moved[key] = old + by if key.endswith("zero_point") else old * by
    return replace(model, **moved)


def _said(model: Any, uncertain: float = 1e-6, **more: Any) -> list[str]:
    content = build(OperatorLstm(model, 5, 2, **more)).content
    found = calibrated_findings(
        structure(content), content, _keras(WEIGHTS), SAMPLES, _ranges(SAMPLES), uncertain
    )
    assert all(f.rule == "calibrated-range" and f.share and f.share > 1 for f in found)
    assert all(f.operator == (None if f.tensors[0] == "input" else 0) for f in found)
    return [f.tensors[0] for f in found]


def test_the_scales_of_the_calibration_are_right() -> None:
    assert _said(_scaled()) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"input_scale": 1.01}, "input"),
        ({"input_scale": 0.999}, "input"),
        ({"input_zero_point": 1}, "input"),
        ({"input_zero_point": -1}, "input"),
        ({"hidden_scale": 1.001}, "hidden"),
        ({"hidden_scale": 0.99}, "hidden"),
        ({"hidden_zero_point": 1}, "hidden"),
        ({"hidden_zero_point": -1}, "hidden"),
        ({"cell_scale": 2.0}, "cell_state"),
        ({"cell_scale": 0.5}, "cell_state"),
    ],
)
def test_each_scale_that_is_another_is_named(changes: dict[str, float], where: str) -> None:
    assert _said(_scaled(**changes)) == [where]


def test_a_model_that_amplifies_rounding_has_its_input_judged_alone() -> None:
    wrong = _scaled(hidden_scale=1.5, cell_scale=2.0, input_scale=1.5)
    assert _said(wrong) == ["input", "hidden", "cell_state"]
    assert _said(wrong, uncertain=0.01) == ["input", "hidden", "cell_state"]
    assert _said(wrong, uncertain=0.02) == ["input"]


def test_without_intermediates_the_cell_is_judged_all_the_same() -> None:
    wrong = _scaled(hidden_scale=1.5, cell_scale=2.0)
    assert _said(wrong, intermediates=False) == ["cell_state"]


def test_a_float_model_has_no_scales_to_judge() -> None:
    content = build(OperatorLstm(WEIGHTS, 5, 2)).content
    keras = _keras(WEIGHTS)
    ranges = _ranges(SAMPLES)
    assert calibrated_findings(structure(content), content, keras, SAMPLES, ranges, 0.0) == []


def test_a_constant_range_is_not_judged_here() -> None:
    assert _affine("input", "x", (0.0, 0), 0.0, 0.0, 1e-6) == []
    lstm: Any = Fused(0, {"inputs": [0, -1, 0]}, [{"shape": [4, 3]}])
    assert _cell(lstm, {"scale": [2.0**-15], "name": "cell"}, (0.0, 0.0), 1e-6) == []


# The edges of what is allowed --------------------------------------------------------------------


def _integer(**changes: Any) -> Any:
    return replace(integer_lstm(WEIGHTS, SAMPLES["x"], LstmOptions()), **changes)


def _share(model: Any) -> float:
    content = build(OperatorLstm(model, 5, 2)).content
    (match,) = matches(content, _keras(WEIGHTS))
    assert match.weights is not None
    constants = lstm_constants(match.lstm, match.weights, "")
    return max(float(constant.share(constant.want).max()) for constant in constants)


@pytest.mark.parametrize("group", ["input_kernel", "recurrent_kernel", "bias"])
def test_one_step_is_two_to_three_halves_of_a_step(group: str) -> None:
    """A stored number is up to half a step off; a step further it is over half, up to three."""
    model = _integer()
    assert 0.9 < _share(model) <= 1.0
    for by in (1, -1):
        gates = getattr(model, group)
        changed = gates.o.copy()
        changed.flat[3] += by
        share = _share(replace(model, **{group: gates._replace(o=changed)}))
        assert 1.0 < share <= 3.001
        two = gates.o.copy()
        two.flat[3] += 2 * by
        assert 3.0 < _share(replace(model, **{group: gates._replace(o=two)})) < 5.01


def test_a_bias_of_int64_was_rounded_twice() -> None:
    """As harness/flatbuffer/int16_rewriter.py rewrites it: half a step of int8's input, and one."""
    model = _integer()
    scale = 2.0 / (2**15 - 1)
    old = 2.0 / 255  # the int8 step of that range
    bias = []
    for gate, kernel in zip(WEIGHTS.bias, model.input_kernel_scale, strict=True):
        first = np.rint(gate / (kernel * old))
        bias.append(np.rint(first * old / scale).astype(np.int64))
    wide = replace(
        model, activation_dtype="int16", bias=Gates(*bias), input_scale=scale, input_zero_point=0
    )
    zeros = {"output_zero_point": 0, "output_state_zero_point": 0, "hidden_zero_point": 0}
    wide = replace(wide, **zeros)
    assert _share(wide) <= 1.0
    step = int(np.ceil(old / scale))
    moved = replace(wide, bias=wide.bias._replace(f=wide.bias.f + 2 * step))
    assert 2.0 < _share(moved) < 5.0


def test_a_cell_is_looked_at_after_the_last_step_only() -> None:
    """As the 2.15.1 calibrator does: what it reaches on the way decides nothing."""
    ends = _ranges(_peaked())["lstm/cell"]
    way = calibrate(DOCUMENT, _keras(WEIGHTS), _peaked())["lstm/cell"]
    assert np.ceil(np.log2(max(map(abs, way)))) > np.ceil(np.log2(max(map(abs, ends))))
    model = integer_lstm(WEIGHTS, _peaked()["x"], LstmOptions())
    for seen, wrong in ((ends, False), (way, True)):
        scale = float(2.0 ** (np.ceil(np.log2(max(map(abs, seen)))) - 15))
        content = build(OperatorLstm(replace(model, cell_scale=scale), 5, 2)).content
        found = calibrated_findings(
            structure(content), content, _keras(WEIGHTS), _peaked(), _ranges(_peaked()), 1e-6
        )
        assert ("cell_state" in [f.tensors[0] for f in found]) is wrong


def _peaked() -> dict[str, Array]:
    """Large at first and nothing at the end."""
    x = 3 * SAMPLES["x"]
    x[:, :, 3:] = -0.2
    return {"x": x}


def test_levels_and_cures_are_said() -> None:
    content = _content(float_weights(8), "float")
    (unknown,) = _said_of(content, {})
    assert "fused LSTM 0: no layer" in unknown.message
    (scale,) = _affine("input 'x'", "x", (0.5, 0), -1.0, 1.0, 2.0**-22)
    assert (scale.level, scale.predicts) == ("error", {})
    assert "convert again" in scale.cure
    assert "input 'x' has the scale 0.5 and the zero point 0" in scale.message
    lstm: Any = Fused(3, {"inputs": [0, -1, 0]}, [{"shape": [4, 3]}])
    (cell,) = _cell(lstm, {"scale": [0.5], "name": "cell"}, (-1.0, 0.5), 1e-6)
    assert cell.level == "error"
    assert "convert again" in cell.cure
    assert "fused LSTM of 4 units (operator 3): the cell state's scale is 2^-1" in cell.message
