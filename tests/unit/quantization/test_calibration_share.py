"""The calibration's share of an error is told from the recipe's, and from chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.quantization.calibration import range_findings
from harness.quantization.calibration_share import (
    CHANCE,
    Share,
    left_out_by_chance,
    named_inputs,
    ranges_of_file,
    share_of_calibration,
    wider_by_chance,
)
from reference.arithmetic.affine import Affine
from reference.budgets.consequences import contributions, disturbed, errors_by_sample
from reference.budgets.monte_carlo import TRIALS, calibrate
from tests.support.networks import document, lstm_weights, named, node

Array = NDArray[Any]
MODEL = document(
    node("l", "LSTM", units=6), node("d", "Dense", "l", units=2, activation="softmax"), x=[8, 3]
)
WEIGHTS = named("l", lstm_weights(6, 3)) | named(
    "d", [np.random.default_rng(2).normal(0, 1, (6, 2)), np.array([0.1, -0.1])]
)


def _samples(count: int, factor: float = 1.0, seed: int = 0) -> Array:
    return factor * np.random.default_rng([seed, count]).uniform(-1, 1, (count, 1, 8, 3))


def _share(calibration: Array, stimulus: Array) -> Share:
    ranges = calibrate(MODEL, WEIGHTS, {"x": calibration}, carry_state=False)
    return share_of_calibration(MODEL, WEIGHTS, {"x": stimulus}, "int8", ranges, len(calibration))


# The share --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_calibration_of_the_same_kind_has_no_share_to_speak_of(seed: int) -> None:
    share = _share(_samples(60, seed=seed), _samples(40, seed=seed + 9))
    assert not share.decides
    assert share.ratio < 0.5


@pytest.mark.parametrize(("factor", "decides"), [(0.3, True), (0.97, False), (2.0, False)])
def test_a_range_decides_by_what_it_costs(factor: float, decides: bool) -> None:
    assert _share(_samples(60, factor), _samples(40)).decides is decides


def test_ten_times_too_wide_decides() -> None:
    assert _share(_samples(60, 10.0), _samples(40)).decides


def test_one_outlier_among_the_samples_is_left_out() -> None:
    stimulus = _samples(40)
    stimulus[7] *= 8
    share = _share(_samples(60), stimulus)
    assert share.left_out >= 1
    assert not share.decides
    assert "which chance explains" in str(share)


def test_a_third_of_the_samples_beyond_is_not_left_out() -> None:
    stimulus = _samples(40)
    stimulus[:14] *= 8
    assert _share(_samples(60), stimulus).decides


# Chance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("calibrated", "given"), [(16, 4), (100, 100), (200, 50), (30, 30)])
def test_chance_is_what_a_simulation_says(calibrated: int, given: int) -> None:
    random = np.random.default_rng(3)
    ours = random.uniform(size=(20000, calibrated))
    theirs = random.uniform(size=(20000, given))
    low, high = ours.min(axis=1, keepdims=True), ours.max(axis=1, keepdims=True)
    beyond = ((theirs < low) | (theirs > high)).sum(axis=1)
    most = left_out_by_chance(calibrated, given)
    assert float(np.mean(beyond > most)) < CHANCE
    assert float(np.mean(beyond >= most)) > 0.7 * CHANCE


def test_so_few_calibration_samples_say_nothing() -> None:
    assert left_out_by_chance(1, 40) == 40
    assert left_out_by_chance(10**6, 40) == 0


def test_a_calibration_with_one_extreme_sample_is_of_the_same_kind() -> None:
    calibration, given = _samples(60), _samples(40)
    assert wider_by_chance(calibration, given)
    calibration[5] *= 30
    assert wider_by_chance(calibration, given)
    assert not wider_by_chance(10 * calibration, given)


# What it is made of -----------------------------------------------------------------------------


def test_the_ranges_of_the_file_come_first() -> None:
    stimulus = {"x": _samples(5)}
    found = ranges_of_file(MODEL, WEIGHTS, stimulus, {"x": (-0.5, 0.25), "gone": (0, 1)}, None)
    assert found["x"] == (-0.5, 0.25)
    assert "gone" not in found
    inside = calibrate(MODEL, WEIGHTS, {"x": np.clip(stimulus["x"], -0.5, 0.25)}, False)
    assert found["l/hidden"] == inside["l/hidden"]
    assert ranges_of_file(MODEL, WEIGHTS, stimulus, {}, inside) == dict(inside)
    names = named_inputs(("a", "b"), (1, 0), ((0.0, 1.0), None))
    assert names == {"b": (0.0, 1.0)}


def test_each_sample_has_its_own_error() -> None:
    inputs = {"x": _samples(30)}
    ranges = calibrate(MODEL, WEIGHTS, {"x": 0.2 * inputs["x"]}, carry_state=False)
    inputs["x"][3] *= 0.1
    (errors,) = errors_by_sample(MODEL, WEIGHTS, inputs, "int8", ranges)
    assert errors.shape == (30,)
    assert int(errors.argmin()) == 3
    (draws,) = disturbed(MODEL, WEIGHTS, inputs, "int8", ranges)
    assert draws.shape == (TRIALS, 30, 1, 2)


def test_the_tensor_whose_rounding_does_it_comes_first() -> None:
    inputs = {"x": _samples(6)}
    ranges = dict(calibrate(MODEL, WEIGHTS, inputs, carry_state=False))
    ranges["x"] = (-40.0, 40.0)
    parts = contributions(MODEL, WEIGHTS, inputs, "int8", ranges)
    assert next(iter(parts)) == "x"
    assert list(parts.values()) == sorted(parts.values(), reverse=True)
    ranges = {**ranges, "x": (-1.0, 1.0), "d/logits": (-400.0, 400.0)}
    assert next(iter(contributions(MODEL, WEIGHTS, inputs, "int8", ranges))) == "d/logits"


def test_values_far_from_zero_are_not_a_calibration_that_is_too_wide() -> None:
    """Every range holds zero: of values from 200 to 255 it cannot have more than a quarter."""
    values = np.random.default_rng(0).uniform(200, 255, (20, 4))
    assert range_findings("input 'x'", "x", Affine(1.0, -128, "int8"), values) == []
    (found,) = range_findings("input 'x'", "x", Affine(1.0, -128, "int8"), 0.1 * values)
    assert found.rule == "too-wide"
