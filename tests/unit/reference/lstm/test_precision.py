"""Arithmetic has the right type where that decides the last bit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference.arithmetic.affine import Affine
from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_single_rounding,
    quantised_multiplier,
)
from reference.arithmetic.quantize_operator import quantize_operator
from reference.attribution import attribute
from reference.lstm import integer as module
from reference.lstm.float32_micro import (
    SIGMOID_EXP_BELOW,
    SIGMOID_ONE_ABOVE,
    c_library,
    lstm_float32,
    sigmoid,
)
from reference.lstm.float64 import (
    ACTIVATIONS,
    LstmOptions,
    LstmState,
    bidirectional,
    layer_norm,
    lstm,
)
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_preparation import prepare
from reference.lstm.profiles import TFLITE_2_15, TFLM
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights, integer_input, integer_model

Array = np.ndarray[Any, Any]


def in_float64(weights: LstmWeights) -> LstmWeights:
    """The same shapes with values that float32 does not have."""

    def finer(part: Any) -> Any:
        if isinstance(part, Gates):
            return part._replace(**{k: finer(v) for k, v in part._asdict().items()})
        return None if part is None else part.astype(np.float64) * (1 + 2.0**-30)

    return LstmWeights(**{name: finer(part) for name, part in vars(weights).items()})


def in_float32(weights: LstmWeights) -> LstmWeights:
    parts: dict[str, Any] = {
        name: part.as_type(np.float32) if isinstance(part, Gates) else part
        for name, part in vars(weights).items()
    }
    return LstmWeights(**parts)


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 5, 3))
STATE = LstmState(RANDOM.normal(size=(2, 4)), RANDOM.normal(size=(2, 5)))


def test_all_arithmetic_of_the_float_oracle_has_the_type_asked_for() -> None:
    weights = in_float64(float_weights(0, peephole=True, outputs=4, layer_norm=True))
    found = lstm(weights, X, initial=STATE, dtype=np.float32, keep_steps=True)
    parts = [found.outputs, *found.state, *(part for step in found.steps for part in step)]
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}
    assert lstm(weights, X, initial=STATE).steps == ()
    assert len(found.steps) == 5


def test_every_part_is_rounded_before_and_not_after() -> None:
    weights = in_float64(float_weights(0, peephole=True, outputs=4, layer_norm=True))
    parts: dict[str, Any] = {
        name: part.as_type(np.float32) if isinstance(part, Gates) else part.astype(np.float32)
        for name, part in vars(weights).items()
    }
    rounded = LstmWeights(**parts)
    state = LstmState(*(part.astype(np.float32) for part in STATE))
    want = lstm(rounded, X.astype(np.float32), initial=state, dtype=np.float32)
    found = lstm(weights, X, initial=STATE, dtype=np.float32)
    assert np.array_equal(found.outputs, want.outputs)


def test_tflms_kernel_is_float32_whatever_it_is_given() -> None:
    weights = in_float64(float_weights(1))
    state = LstmState(STATE.cell, STATE.cell + 2.0**-30)
    unrounded: Any = X
    found = lstm_float32(weights, unrounded, initial=state)
    single = LstmState(*(part.astype(np.float32) for part in state))
    want = lstm_float32(in_float32(weights), X.astype(np.float32), initial=single)
    assert found.outputs.dtype == found.state.cell.dtype == np.float32
    assert np.array_equal(found.outputs, want.outputs)
    assert np.array_equal(found.state.cell, want.state.cell)
    assert found.steps == ()


def test_both_directions_have_the_options_and_the_type() -> None:
    ahead, back = float_weights(3), float_weights(4)
    options = LstmOptions(activation="relu", time_major=True)
    x = X.swapaxes(0, 1)
    first, second = bidirectional(ahead, back, x, options, merge=None, dtype=np.float32)
    assert first.dtype == second.dtype == np.float32
    assert np.array_equal(first, lstm(ahead, x, options, dtype=np.float32).outputs)
    turned = replace(options, go_backwards=True)
    assert np.array_equal(second, lstm(back, x, turned, dtype=np.float32).outputs)


def test_rows_are_normalised_each_for_itself() -> None:
    rows = np.array([[[1.0, 2.0, 6.0], [5.0, 5.0, 8.0]]])
    found = layer_norm(rows)
    for k in range(2):
        np.testing.assert_allclose(found[0, k], layer_norm(rows[0, k]), rtol=1e-15)


def test_rectifiers_by_definition() -> None:
    x = np.array([-1.0, 0.5, 7.0])
    assert ACTIVATIONS["relu"](x).tolist() == [0, 0.5, 7]
    assert ACTIVATIONS["relu6"](x).tolist() == [0, 0.5, 6]
    assert ACTIVATIONS["none"](x).tolist() == x.tolist()


def test_tflms_sigmoid_has_three_pieces_and_each_limit_belongs_to_the_middle() -> None:
    """reference/logistic.h: `val > cutoff_upper`, `val < cutoff_lower`, both strict."""
    exp, one = c_library("expf"), np.float32(1)
    below, above = SIGMOID_EXP_BELOW, SIGMOID_ONE_ABOVE
    infinity = np.float32(np.inf)
    x = np.array(
        [np.nextafter(below, -infinity), below, above, np.nextafter(above, infinity)], np.float32
    )
    middle = one / (one + exp(-x))
    found = sigmoid(x)
    assert found.dtype == np.float32
    assert found.tolist() == [exp(x)[0], middle[1], middle[2], 1.0]
    assert exp(x)[0] != middle[0]
    assert exp(x)[1] != middle[1]
    assert middle[2] != 1
    assert middle[3] != 1


# Integers -----------------------------------------------------------------------------------


def multiplied(multiplier: Multiplier) -> list[Fraction]:
    """The real factors that multipliers stand for."""
    pairs = zip(np.ravel(multiplier.mantissa), np.ravel(multiplier.shift), strict=True)
    return [Fraction(int(m)) * Fraction(2) ** (int(s) - 31) for m, s in pairs]


@pytest.mark.parametrize(("profile", "single"), [(TFLITE_2_15, True), (TFLM, False)])
def test_tflite_multiplies_scales_in_float32_and_tflm_in_float64(
    profile: Any, single: bool
) -> None:
    model = integer_model(0)
    prepared = prepare(model, profile)
    for found, kernel_scales, operand in (
        (prepared.input_multiplier, model.input_kernel_scale, model.input_scale),
        (prepared.recurrent_multiplier, model.recurrent_kernel_scale, model.output_state_scale),
    ):
        for real, scale in zip(multiplied(found), kernel_scales, strict=True):
            assert scale is not None
            exact = Fraction(float(np.float32(scale))) * Fraction(float(np.float32(operand)))
            rounded = Fraction(float(np.float32(float(exact))))
            assert exact != rounded
            product = (rounded if single else exact) * 2**12
            assert abs(real - product) <= product / 2**31
    exact = Fraction(2) ** -30 / Fraction(float(np.float32(model.hidden_scale)))
    rounded = Fraction(float(np.float32(float(exact))))
    assert exact != rounded
    want = rounded if single else exact
    (real,) = multiplied(prepared.hidden_multiplier)
    assert abs(real - want) <= want / 2**31


def test_a_single_rounding_shifts_left_by_30_bits_at_most() -> None:
    x = np.array([3], np.int64)
    assert multiply_single_rounding(x, Multiplier(2**30, 30)).tolist() == [3 * 2**29]
    with pytest.raises(ValueError, match=r"^single rounding has no left shift by 31 bits$"):
        multiply_single_rounding(x, Multiplier(2**30, 31))


def nearest(value: int, bits: int) -> int:
    """value / 2**bits, ties away from zero."""
    half = (abs(value) + (1 << bits >> 1)) >> bits
    return half if value >= 0 else -half


@pytest.mark.parametrize("cifg", [False, True])
def test_the_steps_hold_what_the_next_ones_are_made_of(cifg: bool) -> None:
    """Cell and hidden state by hand from the gates that are given, TFLite's way."""
    model = integer_model(3)
    if cifg:
        parts: tuple[str, ...] = ("input_kernel", "recurrent_kernel", "bias")
        parts += ("input_kernel_scale", "recurrent_kernel_scale")
        model = replace(model, **{name: getattr(model, name)._replace(i=None) for name in parts})
    x = integer_input(1, model)
    run = lstm_integer(model, x, TFLITE_2_15, keep_steps=True)
    assert lstm_integer(model, x, TFLITE_2_15).steps == ()
    tanh = prepare(model, TFLITE_2_15).cell_tanh
    assert tanh is not None
    scale = quantised_multiplier(float(np.float32(2.0**-30 / np.float32(model.hidden_scale))))
    (factor,) = multiplied(scale)
    cells = np.zeros((4, model.units), np.int64)
    assert len(run.steps) == 9
    for t, step in enumerate(run.steps):
        if cifg:
            assert np.array_equal(step.i, 2**15 - 1 - step.f)
        for row in np.ndindex(*cells.shape):
            i, f, candidate, o = (
                int(part[row]) for part in (step.i, step.f, step.candidate, step.o)
            )
            cell = nearest(f * int(cells[row]), 15) + nearest(i * candidate, 30 - 12)
            assert step.cell[row] == min(max(cell, -(2**15)), 2**15 - 1)
            hidden = float(o * int(tanh.take(step.cell[row])) * factor) + model.hidden_zero_point
            assert abs(step.hidden[row] - min(max(hidden, -128), 127)) <= 0.5 + 1e-6
            assert 0 <= i < 2**15
            assert 0 <= o < 2**15
        assert np.array_equal(run.outputs[:, t], step.hidden)
        cells = step.cell


def test_how_many_steps_are_multiplied_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = integer_model(3)
    x = integer_input(1, model)
    whole = lstm_integer(model, x, TFLM)
    for numbers in (1, 4 * model.units * 2):
        monkeypatch.setattr(module, "_CHUNK_NUMBERS", numbers)
        assert np.array_equal(lstm_integer(model, x, TFLM).outputs, whole.outputs)


def test_the_accumulator_of_an_int8_input_wraps_at_32_bits() -> None:
    """127 * 100 more than the greatest int32 is as good as a bias near the least one."""
    x = np.full((1, 1, 1), 105, np.int8)  # 100 above the zero point
    kernel = Gates(*np.full((4, 1, 1), 127, np.int8))
    model = integer_model(0, units=1, features=1, input_kernel=kernel, cell_scale=2.0**-11)
    most = 2**31 - 1
    over = replace(model, bias=Gates(*(np.array([most], np.int32) for _ in range(4))))
    wrapped = most + 127 * 100 - 2**32
    still = replace(
        model,
        bias=Gates(*(np.array([wrapped], np.int32) for _ in range(4))),
        input_kernel=Gates(*np.zeros((4, 1, 1), np.int8)),
    )
    for profile in (TFLITE_2_15, TFLM):
        found = lstm_integer(over, x, profile, keep_steps=True).steps[0]
        want = lstm_integer(still, x, profile, keep_steps=True).steps[0]
        assert [part.tolist() for part in found] == [part.tolist() for part in want]
        assert found.i[0, 0] < 100  # a gate that the sum without wrapping would open


def test_a_projections_clip_is_cut_off_to_whole_steps() -> None:
    identity = (8 * np.eye(6)).astype(np.int8)
    model = integer_model(0, projection=identity, projection_scale=2.0, projection_clip=1e6)
    x = integer_input(1, model)
    far = lstm_integer(model, x, TFLITE_2_15).outputs
    assert far.min() == -127  # a clip beyond the range still removes the lowest value
    assert far.max() == 127
    free = lstm_integer(replace(model, projection_clip=0.0), x, TFLITE_2_15).outputs
    assert free.min() == -128
    vanishing = replace(model, projection_clip=model.output_scale / 2)
    assert np.array_equal(lstm_integer(vanishing, x, TFLITE_2_15).outputs, free)
    four = lstm_integer(
        replace(model, projection_clip=4.7 * model.output_scale), x, TFLITE_2_15
    ).outputs
    assert (four.min(), four.max()) == (-4, 4)


@pytest.mark.parametrize(("hidden", "cell"), [((4, 5), (4, 6)), ((4, 6), (4, 5)), ((3, 6), (4, 6))])
def test_a_state_of_another_shape_is_refused(
    hidden: tuple[int, int], cell: tuple[int, int]
) -> None:
    model = integer_model(0)
    state = LstmState(np.zeros(hidden, np.int8), np.zeros(cell, np.int16))
    with pytest.raises(ValueError, match=r"^initial state has shapes "):
        lstm_integer(model, integer_input(0, model), TFLM, state)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 9, 5), "int8"), ((4, 36), "int8"), ((4, 9, 4), "int16")]
)
def test_an_input_of_another_shape_or_type_is_refused(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ValueError, match=r"^expected int8 with 3 axes and 4 features, got "):
        lstm_integer(integer_model(0), np.zeros(shape, dtype), TFLM)


def test_one_factor_is_blamed_for_all_that_it_changes() -> None:
    model = integer_model(0, hidden_scale=0.01, hidden_zero_point=7)
    x = integer_input(0, model)
    other = replace(TFLITE_2_15, hidden_quantisation="output_state")
    ours, theirs = (lstm_integer(model, x, profile).outputs for profile in (TFLITE_2_15, other))
    different = int(np.count_nonzero(ours != theirs))
    assert different > 100
    wrong = theirs.copy()
    wrong[0, 0, :3] ^= 1
    found = attribute(model, x, TFLITE_2_15, other, ours, wrong)
    assert (found.values, found.different) == (ours.size, different)
    assert found.by_factor == {"hidden_quantisation": different}
    assert found.residual == 3
    assert attribute(model, x, TFLITE_2_15, other, wrong, theirs).residual == int(
        np.count_nonzero(wrong != ours)
    )
    assert attribute(model, x, TFLITE_2_15, other, ours, theirs).residual == 0
    assert attribute(model, x, TFLITE_2_15, other, ours).residual is None


def test_the_reference_quantize_divides_in_float32() -> None:
    """0.25 / float32(0.1) is a tie in float32 and less than one in float64."""
    affine = Affine(float(np.float32(0.1)), 0)
    assert quantize_operator(np.array([0.25], np.float32), affine, "reference").tolist() == [3]
