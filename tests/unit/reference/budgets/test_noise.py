"""Budgets let honest arithmetic pass and no fault, and the noise has the size it claims."""

from __future__ import annotations

import time
from typing import Any, get_args

import numpy as np
import pytest

from reference.budgets import monte_carlo
from reference.budgets.monte_carlo import Scheme, budgets, calibrate, make_hooks
from reference.budgets.precision_schemes import (
    DynamicRange,
    Float16Weights,
    Float32,
    Integer,
)
from reference.lstm.float64 import lstm
from reference.lstm.weights import LstmWeights
from reference.network import evaluate

Array = np.ndarray[Any, Any]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


def model(units: int = 20, features: int = 28, steps: int = 28, **config: Any) -> dict[str, Any]:
    options = {"units": units, "return_sequences": True, **config}
    lstm_node = {
        "name": "a",
        "class": "LSTM",
        "config": options,
        "inputs": ["x"],
        "initial_state": [],
    }
    entry = {"name": "x", "shape": [steps, features], "dtype": "float32"}
    return {"inputs": [entry], "nodes": [lstm_node], "outputs": ["a"]}


def weights(units: int = 20, features: int = 28, scale: float = 1.0) -> dict[str, Array]:
    random = np.random.default_rng(units)
    limit = scale * np.sqrt(6 / (units + features))
    shapes = [(features, 4 * units), (units, 4 * units), (4 * units,)]
    return {
        f"a/{k}": random.uniform(-limit, limit, shape).astype(np.float32)
        for k, shape in enumerate(shapes)
    }


def inputs(count: int = 4, steps: int = 28, features: int = 28, seed: int = 1) -> dict[str, Array]:
    drawn = np.random.default_rng(seed).uniform(-1, 1, (count, 1, steps, features))
    return {"x": drawn.astype(np.float32)}


MODEL, WEIGHTS, INPUTS = model(), weights(), inputs()
RANGES = calibrate(MODEL, WEIGHTS, INPUTS, carry_state=False)  # so nothing saturates


def budget_used(found: Array, exact: Array, budget: Any) -> tuple[float, float]:
    error = found - exact
    return float(np.abs(error).max() / budget.value), float(
        np.sqrt(np.square(error).mean()) / budget.rms
    )


# Honest arithmetic passes -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 4.0, 8.0])
def test_a_float32_lstm_stays_within_its_budget(scale: float) -> None:
    w = weights(scale=scale)
    (exact,) = evaluate(MODEL, w, INPUTS)
    (budget,) = budgets(MODEL, w, INPUTS, "float32")
    layout = LstmWeights.from_keras(w["a/0"], w["a/1"], w["a/2"])
    found = np.stack([lstm(layout, x, dtype=np.float32).outputs for x in INPUTS["x"]])
    largest, rms = budget_used(found, exact, budget)
    assert 0.005 < largest < 1
    assert 0.005 < rms < 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fresh_draws_stay_within_the_budget_of_others(scheme: Scheme) -> None:
    (budget,) = budgets(MODEL, WEIGHTS, INPUTS, scheme, RANGES, minimum_elements=1)
    hooks = make_hooks(scheme, RANGES, 200, 987, 1)
    (exact,), (noisy,) = evaluate(MODEL, WEIGHTS, INPUTS), evaluate(MODEL, WEIGHTS, INPUTS, hooks)
    worst = max(budget_used(draw, exact, budget)[0] for draw in noisy)
    worst_rms = max(budget_used(draw, exact, budget)[1] for draw in noisy)
    assert 0.2 < worst < 0.8  # far from an alarm, and not because the budget is idle
    assert 0.2 < worst_rms < 0.8


def test_the_order_of_the_schemes() -> None:
    sizes = {s: budgets(MODEL, WEIGHTS, INPUTS, s, RANGES, minimum_elements=1)[0] for s in SCHEMES}
    values = [sizes[s].value for s in ("float32", "float16", "int16x8", "int8")]
    assert values == sorted(values)
    assert values[0] < 2e-5
    assert 50 * values[0] < values[1] < 0.02
    assert sizes["dynamic-range"].value > 10 * values[1]


# Faults do not ------------------------------------------------------------------------------


def test_one_percent_of_one_matrix_is_no_float32_rounding() -> None:
    (exact,) = evaluate(MODEL, WEIGHTS, INPUTS)
    (budget,) = budgets(MODEL, WEIGHTS, INPUTS, "float32")
    for key in WEIGHTS:
        (wrong,) = evaluate(MODEL, {**WEIGHTS, key: WEIGHTS[key] * 1.01}, INPUTS)
        assert budget_used(wrong, exact, budget)[0] > 50


@pytest.mark.parametrize("scheme", ["dynamic-range", "int8", "int16x8"])
@pytest.mark.parametrize("fault", ["gates swapped", "no bias", "hidden state scaled by 1.25"])
def test_faults_are_no_quantisation(scheme: Scheme, fault: str) -> None:
    (exact,) = evaluate(MODEL, WEIGHTS, INPUTS)
    (budget,) = budgets(MODEL, WEIGHTS, INPUTS, scheme, RANGES, minimum_elements=1)
    wrong = dict(WEIGHTS)
    if fault == "gates swapped":
        wrong = {k: np.roll(w, 20, axis=-1) for k, w in WEIGHTS.items()}
    elif fault == "no bias":
        wrong["a/2"] = 0 * WEIGHTS["a/2"]
    (found,) = evaluate(MODEL, wrong, INPUTS)
    if fault.startswith("hidden"):
        found = exact * 1.25
    assert max(budget_used(found, exact, budget)) > 1


def test_a_wrong_scale_of_the_hidden_state_shows_in_the_mean_square() -> None:
    (exact,) = evaluate(MODEL, WEIGHTS, INPUTS)
    (budget,) = budgets(MODEL, WEIGHTS, INPUTS, "int8", RANGES)
    low, high = RANGES["a/hidden"]
    step = (high - low) / 255
    (nominal, *_) = evaluate(MODEL, WEIGHTS, INPUTS, make_hooks("int8", RANGES))[0]
    assert max(budget_used(nominal, exact, budget)) < 1
    assert budget_used(nominal + 8 * step, exact, budget)[1] > 1  # zero point off by eight


# The size of the noise ----------------------------------------------------------------------


def test_int8_tensors_move_by_half_a_step_and_saturate() -> None:
    hooks = Integer(400, 0, {"t": (-1.0, 3.0)})
    step = 4 / 255
    value = np.array([0.0, 0.71, 0.71, 2.999, 9.0, -9.0])[np.newaxis]
    found = hooks.tensor("t", value)
    error = found - value
    assert (found[:, 0] == 0).all()  # zero is on every grid
    assert (found[:, 1] == found[:, 2]).all()  # equal values, equal errors
    assert np.abs(error[:, 1]).max() == pytest.approx(step / 2, rel=0.02)
    assert error[:, 1].std() == pytest.approx(step / np.sqrt(12), rel=0.1)
    assert abs(error[:, 1].mean()) < 0.1 * step
    assert np.abs(found[:, 4:] - [3, -1]).max() < 1.01 * step
    nominal = found[0] / step
    assert np.abs(nominal - np.rint(nominal)).max() < 1e-9  # trial 0 is the converter's grid


@pytest.mark.parametrize(
    ("hooks", "relative"), [(DynamicRange(300, 0, 1), 1 / 254), (Float16Weights(300, 0), 2**-11)]
)
def test_weights_move_by_half_a_step(hooks: Float32, relative: float) -> None:
    value = np.random.default_rng(0).uniform(0.5, 1, (40, 8))
    value[0, 0] = 1
    error = hooks.weight("w", "kernel", value) - value
    scaled = np.abs(error) / (relative if isinstance(hooks, DynamicRange) else relative * value)
    assert 0.98 < scaled[:, 1:].max() <= 1 + 1e-9
    assert scaled[:, 1:].mean() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(("most", "limit"), [(1.1, 2.0), (0.9, 1.0), (2.0, 2.0)])
def test_the_grids_inside_an_integer_lstm(most: float, limit: float) -> None:
    """Cell: int16, the power of two above the range; arguments: Q3.12; outputs: two of Q0.15."""
    hooks = Integer(400, 0, {"c": (-most, 0.5)})
    value = np.array([[0.3337, -0.7071, 100.0, -100.0]])
    for found, step, top in (
        (hooks.cell("c", value, lambda: value), limit / 2**15, limit),
        (hooks.gate("g", value, 9, lambda: value), 2.0**-12, 8.0),
        (hooks.gate_output("o", "tanh", value), 2.0**-14, 1.0),
    ):
        error = np.abs(found - value)[:, :2]
        assert error.max() == pytest.approx(step / 2, rel=0.02)
        assert np.abs(np.abs(found[:, 2:]) - top).max() < 2 * step


def test_each_gate_of_a_fused_lstm_has_a_scale_of_its_own() -> None:
    value = np.random.default_rng(0).uniform(-1, 1, (30, 8)) * np.repeat([1, 0.01, 1, 1], 2)
    hooks = DynamicRange(50, 0, 1)
    error = np.abs(hooks.weight("w", "kernel", value, tensors=4) - value)
    assert error[..., 2:4].max() < 0.011 / 127
    whole = np.abs(hooks.weight("v", "kernel", value) - value)
    assert whole[..., 2:4].max() > 0.3 / 127


def test_small_weights_stay_float_in_dynamic_range() -> None:
    plain = budgets(MODEL, WEIGHTS, INPUTS, "float32")[0].value
    # 560 elements of an input kernel, 400 of a recurrent one: the LSTM is quantised as a whole.
    for minimum, quantised in ((1024, False), (560, False), (401, False), (400, True)):
        found = budgets(MODEL, WEIGHTS, INPUTS, "dynamic-range", minimum_elements=minimum)[0]
        assert (found.value > 100 * plain) == quantised
    # The loop form multiplies with the four gates as one matrix of 2240 elements.
    loop = model(use_bias=True, unroll=True)
    assert budgets(loop, WEIGHTS, INPUTS, "dynamic-range")[0].value > 100 * plain


def test_a_float32_sum_moves_by_its_terms_and_its_magnitude() -> None:
    hooks = Float32(4000, 0)
    found = hooks.total("s", np.zeros((1, 1)), 100, lambda: np.full((1, 1), 8.0))
    assert found.std() == pytest.approx(8 * 2**-24 * 10 / 3, rel=0.1)


def test_the_budget_follows_the_sensitivity() -> None:
    sizes = [
        budgets(model(steps=80), weights(scale=s), inputs(2, 80), "float32")[0].value
        for s in (1.0, 4.0, 8.0)
    ]
    assert sizes[0] < 1e-5
    assert sizes[0] < sizes[1] < sizes[2]


def test_saturation_is_systematic_and_not_multiplied() -> None:
    narrow = {**RANGES, "a/hidden": (-0.2, 0.2)}
    (exact,) = evaluate(MODEL, WEIGHTS, INPUTS)
    (budget,) = budgets(MODEL, WEIGHTS, INPUTS, "int8", narrow)
    expected = np.abs(exact).max() - 0.2
    assert budget.systematic == pytest.approx(expected, rel=0.25)
    assert budget.value < 3 * expected


# Calibration --------------------------------------------------------------------------------


def test_calibration_carries_the_state_in_order() -> None:
    samples = inputs(6, seed=5)
    carried = calibrate(MODEL, WEIGHTS, samples)
    joined = calibrate(model(steps=168), WEIGHTS, {"x": samples["x"].reshape(1, 1, 168, 28)})
    assert carried["a/hidden"] == pytest.approx(joined["a/hidden"])
    assert calibrate(MODEL, WEIGHTS, samples, carry_state=False) != carried


def test_the_final_cell_rule_sees_less() -> None:
    samples = inputs(6, seed=5)
    everything = calibrate(MODEL, WEIGHTS, samples)
    final = calibrate(MODEL, WEIGHTS, samples, final_cell=True)
    assert final["a/hidden"] == everything["a/hidden"]
    low, high = everything["a/cell"]
    assert low < final["a/cell"][0] <= 0 <= final["a/cell"][1] < high


# Interface ----------------------------------------------------------------------------------


def test_budgets_are_reproducible_and_do_not_depend_on_grouping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, w, many = model(3, 2, 4), weights(3, 2), inputs(40, 4, 2)
    ranges = calibrate(small, w, many)
    (first,) = budgets(small, w, many, "int8", ranges)  # 32 samples of 32 trials, then 8
    assert [first] == budgets(small, w, many, "int8", ranges)
    assert [first] != budgets(small, w, many, "int8", ranges, seed=1)
    parts = [
        budgets(small, w, {"x": many["x"][rows]}, "int8", ranges)[0]
        for rows in (slice(32), slice(32, 40))
    ]
    for what in ("systematic", "random", "rms", "scale"):
        assert getattr(first, what) == max(getattr(part, what) for part in parts)
    assert first.value == first.systematic + 3 * first.random
    assert first.typical == pytest.approx(np.sqrt(np.mean([p.typical**2 for p in parts])))
    monkeypatch.setattr(monte_carlo, "_MOST_ROWS", 32 * 40)
    (whole,) = budgets(small, w, many, "int8", ranges)
    assert (whole.value, whole.scale) == pytest.approx((first.value, first.scale), rel=1e-9)


def test_cell_clip_belongs_to_fused_lstms() -> None:
    w = {**WEIGHTS, "a/2": np.full(80, 9.0, np.float32)}
    free, clipped = evaluate(MODEL, w, INPUTS)[0], evaluate(MODEL, w, INPUTS, cell_clip=0.5)[0]
    assert np.abs(clipped).max() < np.tanh(0.5) + 1e-9 < np.abs(free).max()
    loop = model(stateful=True)
    assert (evaluate(loop, w, INPUTS, cell_clip=0.5)[0] == free).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scheme": "int4"}, "int4"),
        ({"scheme": "int8"}, "calibration"),
        ({"scheme": "int8", "calibration": {}}, "'x'"),
        ({"scheme": "float32", "trials": 1}, "trials"),
        ({"scheme": "float32", "inputs": inputs(0)}, "samples"),
    ],
)
def test_what_cannot_be_budgeted_is_refused(arguments: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"inputs": INPUTS, **arguments}
    with pytest.raises(ValueError, match=words):
        budgets(MODEL, WEIGHTS, **given)


def test_what_is_not_finite_has_no_budget() -> None:
    wild = {key: value * 1e30 for key, value in WEIGHTS.items()}
    with pytest.raises(ValueError, match="not finite"):
        budgets(model(activation="linear"), wild, INPUTS, "float32")


def test_a_budget_says_when_it_decides_nothing() -> None:
    assert budgets(MODEL, WEIGHTS, INPUTS, "float32")[0].decides
    chaotic = budgets(MODEL, weights(scale=300.0), INPUTS, "dynamic-range", minimum_elements=1)[0]
    assert not chaotic.decides


def test_a_budget_is_cheap() -> None:
    began = time.process_time()  # of this process, whatever else the machine does
    for _ in range(3):
        budgets(MODEL, WEIGHTS, INPUTS, "float32")
    assert (time.process_time() - began) / 3 < 0.5  # 15 ms on the machine it was written on
