"""Budgets of one LSTM let honest arithmetic pass and no fault."""

from dataclasses import replace

import numpy as np
import pytest

from reference.budgets.float_lstm import (
    Budget,
    Grid,
    Noise,
    budget_used,
    float_budget,
    noisy_runs,
)
from reference.budgets.quantised_lstm import (
    dequantised_weights,
    ideal_run,
    kernel_budget,
)
from reference.lstm.float32_micro import lstm_float32
from reference.lstm.float64 import LstmOptions, LstmState, lstm
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.profiles import TFLITE_2_15, TFLM
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights, integer_input, integer_model


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 8.0])
@pytest.mark.parametrize("options", [LstmOptions(), LstmOptions(cell_clip=0.5, time_major=True)])
def test_float32_in_two_orders_stays_within(scale: float, options: LstmOptions) -> None:
    weights = float_weights(1, units=12, features=8, scale=scale)
    x = np.random.default_rng(1).normal(size=(3, 40, 8)).astype(np.float32)
    x = x.swapaxes(0, 1) if options.time_major else x
    oracle, budget = lstm(weights, x, options), float_budget(weights, x, options)
    for run in (lstm_float32(weights, x, options), lstm(weights, x, options, dtype=np.float32)):
        assert 0 < budget_used(run.outputs, oracle.outputs, budget.outputs) < 1
        assert budget_used(run.state.cell, oracle.state.cell, budget.cell) < 1
    assert budget.decides(oracle.outputs)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 8.0])
def test_one_percent_of_the_kernel_is_caught(scale: float) -> None:
    weights = float_weights(2, units=12, features=8, scale=scale)
    x = np.random.default_rng(2).normal(size=(3, 40, 8)).astype(np.float32)
    oracle, budget = lstm(weights, x), float_budget(weights, x)
    for gate in range(4):
        kernels = [kernel for kernel in weights.recurrent_kernel if kernel is not None]
        kernels[gate] = kernels[gate] * np.float32(1.01)
        mutant = replace(weights, recurrent_kernel=Gates(*kernels))
        assert budget_used(lstm_float32(mutant, x).outputs, oracle.outputs, budget.outputs) > 10


def test_the_budget_follows_the_sensitivity() -> None:
    x = np.random.default_rng(3).normal(size=(1, 60, 8))
    sizes = [
        float_budget(float_weights(3, units=16, features=8, scale=s), x).outputs.max()
        for s in (1.0, 4.0, 8.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[0] < 1e-5


def test_a_budget_is_reproducible_and_covers_every_variant() -> None:
    weights = float_weights(4, cifg=True, peephole=True, outputs=3, layer_norm=True)
    x = np.random.default_rng(4).normal(size=(2, 12, 3)).astype(np.float32)
    budget = float_budget(weights, x, LstmOptions(projection_clip=0.4))
    again = float_budget(weights, x, LstmOptions(projection_clip=0.4))
    assert (budget.outputs == again.outputs).all()
    assert budget.outputs.shape == (2, 12, 3)
    assert budget.cell.shape == (2, 5)
    exact = lstm(weights, x, LstmOptions(projection_clip=0.4))
    single = lstm(weights, x, LstmOptions(projection_clip=0.4), dtype=np.float32)
    assert 0 < budget_used(single.outputs, exact.outputs, budget.outputs) < 1


def test_a_chaotic_model_is_called_undecidable() -> None:
    weights = float_weights(5, units=24, features=8, scale=40.0)
    x = 0.1 * np.random.default_rng(5).normal(size=(1, 200, 8))
    oracle = lstm(weights, x, LstmOptions(activation="relu6"))
    budget = float_budget(weights, x, LstmOptions(activation="relu6"))
    assert not budget.decides(oracle.outputs)


def test_budget_used() -> None:
    zero, one = np.zeros(2), np.ones(2)
    assert budget_used(np.array([0.5, -0.25]), zero, one) == 0.5
    assert budget_used(zero, zero, zero) == 0
    assert budget_used(np.array([1e-9, 0]), zero, zero) == np.inf
    assert budget_used(np.array([np.nan, 0]), zero, one) == np.inf


def test_budget_used_is_of_numbers_whatever_their_type() -> None:
    far = budget_used(np.array([127], np.int8), np.array([-128], np.int8), np.ones(1))
    assert far == 255  # -1 in int8
    assert budget_used(np.zeros(0), np.zeros(0), np.ones(0)) == 0


def test_a_budget_decides_below_a_tenth_of_the_output() -> None:
    oracle = np.array([[0.5, -2.0]])
    for largest, decides in ((0.19, True), (0.2, False), (0.3, False), (2.0, False)):
        budget = Budget(np.array([[largest, 0.01]]), np.zeros(1), np.zeros(1))
        assert budget.decides(oracle) is decides
    empty = np.zeros((1, 0))
    assert not Budget(empty, np.zeros(1), np.zeros(1)).decides(empty)
    assert not Budget(np.array([[0.05]]), np.zeros(1), np.zeros(1)).decides(np.zeros((1, 1)))


def test_errors_of_a_product_and_of_a_cell_add_up() -> None:
    """One step from a cell of 1 with weights of 0: f c is 1/2, i g is 0, so the relative error
    is of 1/2 and 1/2, the products' and the sum's, and the absolute one comes on top."""
    none = np.zeros((1, 1))
    weights = LstmWeights(Gates(*[none] * 4), Gates(*[none] * 4), Gates(*[none[0]] * 4))
    state = LstmState(none, np.ones((1, 1)))
    noise = Noise(product=0.01, cell=0.02)
    _, cells = noisy_runs(weights, none[None], LstmOptions(), state, noise, samples=4000)
    assert np.abs(cells - 0.5).max() == pytest.approx(0.03, rel=0.01)


def test_the_draws_of_a_kernel_budget_follow_its_seed() -> None:
    model = integer_model(0)
    x = integer_input(0, model)
    (ideal, one), (_, again), (_, other) = (kernel_budget(model, x, seed=k) for k in (1, 1, 2))
    assert np.array_equal(one.outputs, again.outputs)
    assert not np.array_equal(one.outputs, other.outputs)
    assert ideal.steps == ()


def test_a_grid_rounds_and_saturates() -> None:
    assert Grid(0.5, -2, 3).nearest(np.array([0.3, -9.0, 9.0])).tolist() == [0.5, -1.0, 1.5]


def in_real_units(model: IntegerLstm, outputs: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray((outputs - float(model.output_state_zero_point)) * model.output_state_scale)


@pytest.mark.parametrize("profile", [TFLITE_2_15, TFLM], ids=["tflite", "tflm"])
@pytest.mark.parametrize("seed", range(4))
def test_kernels_stay_near_the_ideal_run(seed: int, profile) -> None:  # type: ignore[no-untyped-def]
    model = integer_model(seed, time_major=seed % 2 == 1)
    x = integer_input(seed, model)
    ideal, budget = kernel_budget(model, x)
    run = lstm_integer(model, x, profile)
    assert budget_used(in_real_units(model, run.outputs), ideal.outputs, budget.outputs) <= 1
    assert budget_used(run.state.cell * model.cell_scale, ideal.state.cell, budget.cell) <= 1


def test_faults_leave_the_kernel_budget() -> None:
    tiny = integer_model(6, cell_scale=2.0**-16)
    x = integer_input(6, tiny)
    ideal, budget = kernel_budget(tiny, x)
    skipped = in_real_units(tiny, lstm_integer(tiny, x, TFLITE_2_15).outputs)
    assert budget_used(skipped, ideal.outputs, budget.outputs) > 1
    wrong = integer_model(6, hidden_scale=0.004)
    ideal, budget = kernel_budget(wrong, x)
    tflite = in_real_units(wrong, lstm_integer(wrong, x, TFLITE_2_15).outputs)
    assert budget_used(tflite, ideal.outputs, budget.outputs) > 1


def test_the_ideal_run_lies_on_the_grid_and_near_the_float_model() -> None:
    model = integer_model(7)
    x = integer_input(7, model)
    ideal = ideal_run(model, x)
    steps = ideal.outputs / model.output_state_scale
    assert np.abs(steps - np.rint(steps)).max() < 1e-9
    real = (x.astype(float) - model.input_zero_point) * model.input_scale
    assert (ideal_run(model, real).outputs == ideal.outputs).all()
    distance = np.abs(lstm(dequantised_weights(model), real).outputs - ideal.outputs).max()
    assert model.output_state_scale / 4 < distance < 0.2


def test_the_ideal_run_saturates_where_the_tensor_does() -> None:
    model = integer_model(8, output_state_scale=0.002, hidden_scale=0.002)
    low = (-128 + 3) * 0.002
    outputs = ideal_run(model, integer_input(8, model, batch=16)).outputs
    assert outputs.min() == pytest.approx(low)
    assert outputs.max() == pytest.approx((127 + 3) * 0.002)


def test_dequantised_weights_are_scale_times_value() -> None:
    projection = np.arange(12, dtype=np.int8).reshape(2, 6)
    recurrent = Gates(*np.ones((4, 6, 2), np.int8))
    model = integer_model(
        9,
        recurrent_kernel=recurrent,
        projection=projection,
        projection_scale=0.25,
        projection_bias=np.array([100, -100], np.int32),
    )
    weights = dequantised_weights(model)
    assert weights.projection is not None
    assert weights.projection_bias is not None
    assert weights.projection == pytest.approx(projection * 0.25)
    assert weights.projection_bias == pytest.approx(np.array([1, -1]) * 100 * 0.25 * 0.0078)
    assert weights.bias.f == pytest.approx(model.bias.f * 0.02 * 0.009)
    assert weights.recurrent_kernel.o == pytest.approx(0.015 * np.ones((6, 2)))


def test_integer_peepholes_have_the_size_the_ideal_run_says() -> None:
    weights = np.linspace(-32000, 32000, 6).astype(np.int16)
    model = integer_model(
        10,
        peephole=Gates(weights, -weights, None, weights),
        peephole_scale=GateScales(6e-5, 7e-5, None, 8e-5),
    )
    x = integer_input(10, model)
    ideal, budget = kernel_budget(model, x)
    with_them = in_real_units(model, lstm_integer(model, x, TFLITE_2_15).outputs)
    assert budget_used(with_them, ideal.outputs, budget.outputs) <= 1
    plain = replace(model, peephole=None, peephole_scale=None)
    without = in_real_units(model, lstm_integer(plain, x, TFLITE_2_15).outputs)
    assert budget_used(without, ideal.outputs, budget.outputs) > 10


def test_a_budget_is_derived_once_for_all_that_ask_alike() -> None:
    """And anew for anything that differs: weights, inputs, options, state or seed."""
    weights, x = float_weights(1), np.random.default_rng(1).normal(0, 1, (2, 5, 3))
    first = float_budget(weights, x)
    assert float_budget(weights, x.copy()) is first
    state = LstmState(np.full((2, weights.outputs), 0.1), np.full((2, weights.units), 0.1))
    others = [
        float_budget(weights, 2 * x),
        float_budget(float_weights(2), x),
        float_budget(weights, x, LstmOptions(cell_clip=0.05)),
        float_budget(weights, x, initial=state),
        float_budget(weights, x, seed=1),
    ]
    assert all(not np.array_equal(other.outputs, first.outputs) for other in others)
