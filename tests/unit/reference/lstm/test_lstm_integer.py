"""The integer LSTM gives each profile's own values."""

from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.arithmetic.activations import (
    Undefined,
    gemmlowp_logistic,
    gemmlowp_tanh,
    table_logistic,
    table_tanh,
)
from reference.arithmetic.fixed_point import multiply_double_rounding, quantised_multiplier
from reference.attribution import attribute
from reference.lstm.integer import lstm_integer, tanh_is_skipped
from reference.lstm.integer_preparation import truncated_steps
from reference.lstm.integer_weights import GateScales
from reference.lstm.profiles import FACTORS, TFLITE_2_15, TFLM, factors, with_factor
from reference.lstm.weights import Gates
from tests.support.reference_models import integer_input, integer_model

BOTH = pytest.mark.parametrize("profile", [TFLITE_2_15, TFLM], ids=["tflite", "tflm"])


@BOTH
@pytest.mark.parametrize(("gain", "seed"), [(1, 3), (60, 3), (60, 4), (60, 5), (60, 6)])
def test_one_unit_against_plain_python(gain: int, seed: int, profile) -> None:  # type: ignore[no-untyped-def]
    """Steps of one unit, written out with Python integers; the gain saturates the recurrent
    product, which only one of the two runtimes does before the sum."""
    scales = GateScales(*(gain * scale for scale in (0.012, 0.013, 0.014, 0.015)))
    model = integer_model(seed, units=1, features=2, recurrent_kernel_scale=scales)
    x = integer_input(seed, model, batch=1, time=6)
    tanh: Callable[..., Any] = gemmlowp_tanh
    logistic: Callable[..., Any] = gemmlowp_logistic
    if profile is TFLM:
        tanh = lambda v, bits: table_tanh(v, 3 << (bits - 3), 0)  # noqa: E731
        logistic = table_logistic
    hidden, cell, outputs = model.output_state_zero_point, 0, []
    for step in x[0].astype(int):
        gates = []
        for k in range(4):
            weights, recurrent = model.input_kernel[k], model.recurrent_kernel[k]
            bias, scale = model.bias[k], model.input_kernel_scale[k]
            recurrent_scale = model.recurrent_kernel_scale[k]
            assert weights is not None
            assert recurrent is not None
            assert bias is not None
            assert scale is not None
            assert recurrent_scale is not None
            total = sum(int(w) * (int(v) - 5) for w, v in zip(weights[0], step, strict=True))
            fed_back = int(recurrent[0, 0]) * (hidden + 3)
            a = scaled(total + int(bias[0]), scale, 0.02)
            b = scaled(fed_back, recurrent_scale, 0.0078)
            b = clamp16(b) if profile is TFLM else b
            gates.append(np.array([clamp16(clamp16(a) + b)], np.int16))
        i, f, o = (int(logistic(gates[k])[0]) for k in (0, 1, 3))
        g = int(tanh(gates[2], 3)[0])
        cell = clamp16(half_away(f * cell, 2**15) + half_away(i * g, 2**18))
        squashed = int(tanh(np.array([cell], np.int16), 3)[0])
        by = quantised_multiplier(2.0**-30 / float(np.float32(0.0078)))
        hidden = int(multiply_double_rounding(np.array([o * squashed]), by)[0]) - 3
        hidden = max(-128, min(127, hidden))
        outputs.append(hidden)
    run = lstm_integer(model, x, profile)
    assert run.outputs[0, :, 0].tolist() == outputs
    assert run.state.cell[0, 0] == cell


def scaled(total: int, scale: float, operand: float) -> int:
    product = float(np.float32(scale)) * float(np.float32(operand))
    by = quantised_multiplier(product * 2**12)
    return int(multiply_double_rounding(np.array([total]), by)[0])


def clamp16(x: int) -> int:
    return max(-(2**15), min(2**15 - 1, x))


def half_away(x: int, divisor: int) -> int:
    magnitude = int(Fraction(abs(x), divisor) + Fraction(1, 2))
    return magnitude if x >= 0 else -magnitude


@BOTH
def test_batch_layout_and_carried_state(profile) -> None:  # type: ignore[no-untyped-def]
    model = integer_model(4)
    x = integer_input(4, model)
    whole = lstm_integer(model, x, profile)
    alone = [lstm_integer(model, x[b : b + 1], profile).outputs for b in range(len(x))]
    assert (np.concatenate(alone) == whole.outputs).all()
    major = lstm_integer(replace(model, time_major=True), x.swapaxes(0, 1), profile)
    assert (major.outputs.swapaxes(0, 1) == whole.outputs).all()
    first = lstm_integer(model, x[:, :4], profile)
    rest = lstm_integer(model, x[:, 4:], profile, first.state)
    assert (rest.outputs == whole.outputs[:, 4:]).all()
    assert (rest.state.cell == whole.state.cell).all()
    assert whole.outputs.dtype == np.int8
    assert len(np.unique(whole.outputs)) > 50


MUTANTS: dict[str, dict[str, Any]] = {
    "input zero point": {"input_zero_point": 6},
    "output state zero point": {"output_state_zero_point": -2},
    "input scale": {"input_scale": 0.0203},
    "recurrent scale": {"recurrent_kernel_scale": GateScales(0.012, 0.013, 0.0143, 0.015)},
    "cell scale": {"cell_scale": 2.0**-11},
    "cell clip": {"cell_clip": 0.5},
    "bias": {"bias": Gates(*np.zeros((4, 6), np.int32))},
}


@BOTH
@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_parameter_matters(mutant: str, profile) -> None:  # type: ignore[no-untyped-def]
    model = integer_model(5)
    x = integer_input(5, model)
    changed = replace(model, **MUTANTS[mutant])
    assert (
        lstm_integer(model, x, profile).outputs != lstm_integer(changed, x, profile).outputs
    ).any()


def test_each_profile_reads_its_own_hidden_scale() -> None:
    model = integer_model(6)
    other = replace(model, hidden_scale=0.009, hidden_zero_point=4)
    x = integer_input(6, model)
    assert (lstm_integer(model, x, TFLM).outputs == lstm_integer(other, x, TFLM).outputs).all()
    tflite = lstm_integer(model, x, TFLITE_2_15).outputs
    assert (tflite != lstm_integer(other, x, TFLITE_2_15).outputs).mean() > 0.5


def test_tanh_is_skipped_below_the_smallest_cell_scale() -> None:
    model = integer_model(7, cell_scale=2.0**-16)
    assert tanh_is_skipped(model, TFLITE_2_15)
    assert not tanh_is_skipped(model, TFLM)
    assert not tanh_is_skipped(integer_model(7, cell_scale=2.0**-15), TFLITE_2_15)
    x = integer_input(7, model, time=1)
    doubled = replace(model, input_kernel=model.input_kernel._replace(c=-model.input_kernel.c))  # type: ignore[operator]
    skipped = lstm_integer(model, x, TFLITE_2_15).outputs
    assert (skipped == lstm_integer(doubled, x, TFLITE_2_15).outputs).all(), (
        "o * i has no candidate"
    )
    assert (lstm_integer(model, x, TFLM).outputs != lstm_integer(doubled, x, TFLM).outputs).any()


def test_too_coarse_a_cell_scale_is_refused_by_tflite_alone() -> None:
    model = integer_model(8, cell_scale=2.0**-8)
    x = integer_input(8, model)
    with pytest.raises(ValueError, match="refuses"):
        lstm_integer(model, x, TFLITE_2_15)
    assert lstm_integer(model, x, TFLM).outputs.std() > 5


def test_a_clip_that_rounds_to_nothing() -> None:
    model = integer_model(9, cell_clip=2.0**-13)
    x = integer_input(9, model)
    assert not lstm_integer(model, x, TFLM).state.cell.any()
    assert lstm_integer(model, x, TFLITE_2_15).state.cell.any()


def test_int16_activations() -> None:
    model = integer_model(
        10,
        activation_dtype="int16",
        input_scale=0.02 / 256,
        input_zero_point=0,
        output_state_scale=2.0**-15,
        output_state_zero_point=0,
        recurrent_kernel_scale=GateScales(0.012, 0.013, 0.014, 0.015),
    )
    x = integer_input(10, model)
    run = lstm_integer(model, x, TFLM)
    assert run.outputs.dtype == np.int16
    assert len(np.unique(run.outputs)) > 150
    with pytest.raises(ValueError, match="int16"):
        lstm_integer(model, x.astype(np.int8), TFLM)


def test_factors_are_the_fields_of_a_profile() -> None:
    assert set(FACTORS) == {field.name for field in fields(TFLM)} - {"name"}
    assert factors(TFLM, TFLM) == ()
    profile = TFLM
    for factor in factors(TFLM, TFLITE_2_15):
        profile = with_factor(profile, factor, TFLITE_2_15)
    assert replace(profile, name="") == replace(TFLITE_2_15, name="")
    with pytest.raises(KeyError, match="name"):
        with_factor(TFLM, "name", TFLITE_2_15)


def test_attribution_explains_every_difference() -> None:
    model = integer_model(11, hidden_scale=0.0079)
    x = integer_input(11, model, batch=16)
    a, b = (lstm_integer(model, x, p).outputs for p in (TFLITE_2_15, TFLM))
    found = attribute(model, x, TFLITE_2_15, TFLM, a, b)
    assert found.residual == 0
    assert found.different == (a != b).sum() > 0
    assert found.by_factor["hidden_quantisation"] > 0
    assert sum(found.by_factor.values()) >= found.different
    a[0, 0, 0] += 1
    assert attribute(model, x, TFLITE_2_15, TFLM, a, b).residual == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(-15, -9))
@settings(max_examples=30, deadline=None)
def test_profiles_stay_close_where_they_agree_on_scales(seed: int, units: int, log2: int) -> None:
    """One step, no saturated recurrent product: only the activations differ, by under 1 %."""
    model = integer_model(seed, units=units, cell_scale=2.0**log2)
    x = integer_input(seed, model, time=1)
    a, b = (lstm_integer(model, x, p).outputs.astype(int) for p in (TFLITE_2_15, TFLM))
    assert np.abs(a - b).max() <= 1


@BOTH
def test_a_clip_beyond_the_range_still_removes_the_lowest_value(profile) -> None:  # type: ignore[no-untyped-def]
    push = 10**6 * np.array([[1], [1], [-1], [1]]) * np.ones(6, np.int32)
    model = integer_model(12, cell_scale=2.0**-15, bias=Gates(*push.astype(np.int32)))
    x = integer_input(12, model, time=30)
    assert lstm_integer(model, x, profile).state.cell.min() == -(2**15)
    clipped = lstm_integer(replace(model, cell_clip=10.0), x, profile)
    assert clipped.state.cell.min() == -(2**15) + 1


def test_an_identity_projection_changes_nothing_but_saturation() -> None:
    plain = integer_model(13, hidden_zero_point=20)
    projected = replace(plain, projection=np.eye(6, dtype=np.int8), projection_scale=1.0)
    x = integer_input(13, plain, batch=32, time=1)
    expected = lstm_integer(replace(plain, hidden_zero_point=-3), x, TFLITE_2_15).outputs
    found = lstm_integer(projected, x, TFLITE_2_15).outputs
    inside = np.abs(expected.astype(int)) < 100
    assert (found == expected)[inside].all()
    assert inside.mean() > 0.5
    shifted = replace(projected, projection_bias=np.arange(6, dtype=np.int32))
    moved = lstm_integer(shifted, x, TFLITE_2_15).outputs.astype(int) - found
    assert (moved == np.arange(6))[inside].all()
    for clip, limit in ((0.5, 64), (0.0078, 1)):
        clipped = lstm_integer(replace(projected, projection_clip=clip), x, TFLITE_2_15).outputs
        assert (clipped == np.clip(found, -limit, limit)).all()


def test_under_a_projection_the_hidden_state_saturates_at_mirrored_bounds() -> None:
    push = 10**6 * np.array([[1], [1], [1], [1]]) * np.ones(6, np.int32)
    model = integer_model(
        14,
        bias=Gates(*push.astype(np.int32)),
        output_state_zero_point=0,
        output_zero_point=0,
        output_state_scale=0.004,
        hidden_scale=0.004,
        hidden_zero_point=27,
        projection=np.eye(6, dtype=np.int8),
    )
    x = integer_input(14, model, time=40)
    outputs = lstm_integer(model, x, TFLITE_2_15).outputs
    assert outputs.max() == 127, "a zero point of 27 should leave 100 steps above zero, not 154"


@pytest.mark.parametrize("scale", [1e-38, 1e-42, 0.0])
def test_a_clip_beyond_every_step_of_a_vanishing_scale_is_the_last_step(scale: float) -> None:
    assert truncated_steps(10.0, scale, 2**15 - 1) == 2**15 - 1


def test_a_clip_is_cut_off_to_whole_steps() -> None:
    assert truncated_steps(1.0, 0.3, 2**15 - 1) == 3


@pytest.mark.parametrize(("log2", "defined"), [(-43, True), (-44, False), (-126, False)])
def test_a_cell_scale_that_is_shifted_out_of_32_bits_is_undefined(log2: int, defined: bool) -> None:
    model = integer_model(1, cell_scale=2.0**log2)
    x = integer_input(2, model)
    if defined:
        assert lstm_integer(model, x, TFLM).outputs.dtype == np.int8
    else:
        with pytest.raises(Undefined, match="shifted by"):
            lstm_integer(model, x, TFLM)
