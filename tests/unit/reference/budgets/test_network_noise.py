"""Each disturbance follows its definition, and budgets are those of draws by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference.budgets import monte_carlo, network_trace
from reference.budgets.monte_carlo import budgets, calibrate, make_hooks
from reference.budgets.precision_schemes import (
    INT16X8,
    UNIT_ROUNDOFF,
    DynamicRange,
    Float16Weights,
    Float32,
    Integer,
    Recorder,
)
from reference.network import evaluate
from tests.support.networks import Array, W, X, document, draw, named, node

# Dynamic range: weights, and the rows that they are multiplied with -------------------------


def quantised(trials: int = 2) -> DynamicRange:
    hooks = DynamicRange(trials, 0, 1)
    hooks.weight("w", "kernel", np.ones((3, 2)))
    return hooks


def test_each_row_has_the_step_of_its_largest_value() -> None:
    rows = np.array([[127.0, 3.4, -60.6], [1.27, 0.034, -0.606], [0.0, 0.0, 0.0]])
    both = np.stack([rows, 10 * rows])  # two trials, each with rows of its own
    first, second = quantised().operand("w", both)
    want = np.array([[127, 3, -61], [1.27, 0.03, -0.61], [0, 0, 0]])
    np.testing.assert_allclose(first, want, rtol=1e-12)  # trial 0: no offset
    steps = np.array([[10], [0.1], [1]])
    assert (np.abs(second - 10 * rows) <= steps / 2 + 1e-12).all()
    assert (np.abs(second) <= 127 * steps + 1e-12).all()
    assert (second[2] == 0).all()


def test_a_row_of_two_axes_has_one_step() -> None:
    rows = np.array([[[[127.0, 3.4], [0.2, 60.6]]]])  # [trial, row, window, channels]
    found = quantised().operand("w", rows, axes=2)[0]
    np.testing.assert_allclose(found, [[[127, 3], [0, 61]]])
    found = quantised().operand("w", rows, axes=1)[0]
    step = 60.6 / 127
    np.testing.assert_allclose(found, np.array([[[127, 3], [0, 60.6]]]), atol=step / 2)
    assert found[0, 0, 1] == pytest.approx(3)
    assert quantised().operand("w", rows)[0] == pytest.approx(found)  # one axis is meant


def test_no_row_leaves_its_grid() -> None:
    """Values at both ends, where a grid moved by half a step could reach beyond."""
    row = np.array([[[1.0, -1.0, 0.5]]])
    found = quantised(400).operand("w", row)
    assert found.shape == (400, 1, 3)
    assert np.abs(found).max() <= 1
    assert np.ptp(found[..., 0]) > 0.3 / 127  # the ends move all the same
    assert np.ptp(found[..., 2]) > 0.9 / 127


def test_what_is_multiplied_with_float_weights_stays_as_it_is() -> None:
    hooks = DynamicRange(2, 0, 7)
    value = np.ones((1, 1, 3))
    hooks.weight("small", "kernel", np.ones((3, 2)))
    assert hooks.operand("small", value) is value
    hooks.weight("large", "kernel", np.ones((4, 2)))
    assert hooks.operand("large", value) is not value


@pytest.mark.parametrize(
    ("shape", "tensors", "rounded"),
    [((32, 32), 1, True), ((1023, 1), 1, False), ((32, 128), 4, True), ((31, 132), 4, False)],
)
def test_weights_under_1024_elements_stay_float(
    shape: tuple[int, int], tensors: int, rounded: bool
) -> None:
    value = np.random.default_rng(0).uniform(-1, 1, shape)
    found = DynamicRange(3, 0).weight("w", "kernel", value, tensors)
    assert (len(found) == 3) is rounded
    assert np.array_equal(found[0], value) is not rounded


@pytest.mark.parametrize("kind", ["bias", "scale"])
def test_biases_and_factors_stay_float(kind: Any) -> None:
    value = np.random.default_rng(0).uniform(-1, 1, 2000)
    found = DynamicRange(3, 0).weight("w", kind, value)
    assert np.array_equal(found, value[np.newaxis])
    integer = Integer(3, 0, {}).weight("w", kind, value)
    assert np.array_equal(integer, value[np.newaxis]) is (kind == "bias")


@pytest.mark.parametrize("hooks", [DynamicRange(2, 0, 1), Integer(2, 0, {})])
def test_weights_have_127_steps_on_each_side(hooks: Any) -> None:
    value = np.array([[1.27, -0.5], [0.306, 0.124]])
    np.testing.assert_allclose(
        hooks.weight("w", "kernel", value)[0], [[1.27, -0.5], [0.31, 0.12]], rtol=1e-12
    )
    # Two tensors: one column each, the second one empty of anything.
    parts = np.array([[0.254, 0.0], [0.0612, 0.0]])
    found = hooks.weight("v", "kernel", parts, tensors=2)
    np.testing.assert_allclose(found[0], [[0.254, 0], [0.062, 0]], rtol=1e-12)
    assert (found[1][:, 1] == 0).all()
    one = hooks.weight("u", "kernel", value)
    assert np.array_equal(one[0], hooks.weight("u", "kernel", value, tensors=1)[0])


# The other schemes --------------------------------------------------------------------------


def test_float16_has_subnormals_and_a_zero() -> None:
    value = np.array([0.0, 2.0**-26, 1.0, -3.0])
    found = Float16Weights(2000, 0).weight("w", "kernel", value)
    error = np.abs(found - value).max(axis=0)
    assert error[0] == 0
    assert error[1:] == pytest.approx([2.0**-25, 2.0**-11, 3 * 2.0**-11], rel=0.01)


def test_float32_names_do_not_matter_and_kinds_of_functions_do() -> None:
    value = np.linspace(-1, 1, 7)[np.newaxis]
    for function in ("linear", "relu"):
        hooks = Float32(5, 0)
        assert hooks.function("a", function, value) is value
        assert hooks.gate_output("a", function, value) is value
    error = np.abs(Float32(4000, 0).function("a", "tanh", value) - value)
    assert error.max(axis=0) == pytest.approx(8 * UNIT_ROUNDOFF * np.abs(value[0]), rel=0.02)
    error = np.abs(Float32(4000, 0).hidden("a", value) - value)
    assert error.max(axis=0) == pytest.approx(UNIT_ROUNDOFF * np.abs(value[0]), rel=0.02)
    error = Float32(4000, 0).cell("a", value, lambda: np.full((1, 7), 3.0)) - value
    assert error.std() == pytest.approx(3 * UNIT_ROUNDOFF, rel=0.05)


def test_the_ends_of_the_grids_inside_an_integer_lstm() -> None:
    """Trial 0 is the runtime's own grid: int16, from -2**15 to 2**15 - 1."""
    wide = np.array([[100.0, -100.0]])
    hooks = Integer(2, 0, {"c": (-1.5, 0.5), "zero": (0.0, 0.0)})
    steps = np.array([2**15 - 1, -(2**15)])
    assert np.array_equal(hooks.cell("c", wide, lambda: wide)[0], steps * 2.0**-14)
    assert np.array_equal(hooks.gate("g", wide, 3, lambda: wide)[0], steps * 2.0**-12)
    assert np.array_equal(hooks.gate_output("o", "tanh", wide)[0], [1, -1])
    # A cell that never moved has the finest scale: 2**-15 over 2**15 steps.
    assert np.array_equal(hooks.cell("zero", wide, lambda: wide)[0], steps * 2.0**-30)


def test_an_unbounded_function_has_no_grid_of_its_own() -> None:
    value = np.array([[0.3]])
    assert Integer(2, 0, {}).gate_output("o", "softsign", value) is value


@pytest.mark.parametrize(
    ("low", "high", "given", "want"),
    [
        (0.0, 2.55, [3.0, -1.0, 0.304], [2.55, 0.0, 0.30]),
        (0.5, 2.55, [3.0, -1.0, 0.304], [2.55, 0.0, 0.30]),  # widened to hold zero
        (-2.55, -0.5, [1.0, -3.0, -0.304], [0.0, -2.55, -0.30]),
        (-1.0, 1.55, [-2.0, 2.0, 0.304], [-1.0, 1.55, 0.30]),
    ],
)
def test_a_tensor_in_int8_has_256_values(
    low: float, high: float, given: list[float], want: list[float]
) -> None:
    found = Integer(2, 0, {"t": (low, high)}).tensor("t", np.array([given]))[0]
    np.testing.assert_allclose(found, want, rtol=1e-12)
    fixed = Integer(2, 0, {}).tensor("t", np.array([given]), (low, high))[0]
    assert np.array_equal(fixed, found)


def test_a_tensor_in_int16_is_symmetric() -> None:
    hooks = Integer(2, 0, {"t": (-1.0, 3.2767)}, INT16X8)
    given = np.array([[9.0, -9.0, 1.23456]])
    np.testing.assert_allclose(hooks.tensor("t", given)[0], [3.2767, -3.2767, 1.2346])
    assert np.array_equal(hooks.hidden("t", given), hooks.tensor("t", given))


def test_ranges_are_of_all_that_was_seen() -> None:
    recorder = Recorder()
    seen: tuple[tuple[str, Callable[[str, Any], Any]], ...] = (
        ("t", lambda name, value: recorder.tensor(name, value)),
        ("c", lambda name, value: recorder.cell(name, value, lambda: value)),
        ("h", lambda name, value: recorder.hidden(name, value)),
    )
    for name, see in seen:
        for value in ([1.0, 2.0], [-3.0, 1.5]):
            array = np.array(value)
            assert see(name, array) is array
        assert recorder.ranges[name] == (-3.0, 2.0)
    recorder.tensor("all below", np.array([-2.0, -1.0]))
    assert recorder.ranges["all below"] == (-2.0, -1.0)


# Budgets from draws -------------------------------------------------------------------------


def test_a_budget_by_hand() -> None:
    exact = np.array([[0.0, 4.0]])
    noisy = exact + np.array([[[1.0, 3.0]], [[3.0, -1.0]]])
    # Means 2 and 1, deviations -1, 2 and 1, -2.
    found = monte_carlo._budget(exact, noisy, 3.0)
    root = np.sqrt(2.5)
    assert (found.systematic, found.random, found.value) == (2, 2, 8)
    assert found.rms == pytest.approx(root + 3 * root)
    assert found.typical == pytest.approx(np.sqrt(5))
    assert found.scale == 4
    assert not found.decides
    assert network_trace._budget(exact, noisy) == found.value


def test_the_output_itself_is_rounded() -> None:
    exact = np.array([[3.0, -4.0]])
    found = monte_carlo._budget(exact, np.stack([exact, exact]), 3.0)
    assert (found.systematic, found.random) == (0, UNIT_ROUNDOFF * 4)
    assert found.rms == pytest.approx(3 * UNIT_ROUNDOFF * np.sqrt(12.5))
    assert network_trace._budget(exact, np.stack([exact, exact])) == found.value
    assert (
        monte_carlo._budget(exact[:, :1], exact[np.newaxis, :, :1], 3.0).scale == 3
    )  # of one value


def test_the_mean_is_of_the_draws_of_each_element() -> None:
    exact = np.zeros((1, 2))
    noisy = np.array([[[5.0, -5.0]], [[5.0, -5.0]]])
    assert monte_carlo._budget(exact, noisy, 3.0).systematic == 5
    assert network_trace._budget(exact, noisy) == 5


@pytest.mark.parametrize(
    ("exact", "noisy", "words"),
    [
        ([1.0], [[np.inf], [1.0]], "^the exact value or its response to rounding is not finite$"),
        ([np.nan], [[1.0], [1.0]], "^the exact value or its response to rounding is not finite$"),
        ([], [[], []], "^an output without elements has no budget$"),
    ],
)
def test_draws_without_a_budget(exact: list[float], noisy: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        monte_carlo._budget(np.array(exact), np.array(noisy), 3.0)


def test_rows_are_sequences_of_one_sample() -> None:
    assert monte_carlo._rows({"x": np.zeros((4, 5, 3, 2)), "t": np.zeros((4, 7))}) == 7
    assert monte_carlo._rows({"x": np.zeros(4)}) == 1


def test_at_most_so_many_rows_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(*given: Any, **named: Any) -> list[Array]:
        sizes.append(len(given[2]["x"]))
        return evaluate(*given, **named)

    monkeypatch.setattr(monte_carlo, "evaluate", counted)
    model = document(node("a", "Dense", units=2), x=[4])
    weights, x = named("a", [draw(4, 2), draw(2)]), {"x": draw(5, 3, 4)}
    for most, want in ((1, [1] * 5), (4 * 3 * 2, [2, 2, 1])):
        monkeypatch.setattr(monte_carlo, "_MOST_ROWS", most)
        sizes.clear()
        budgets(model, weights, x, "float32", trials=4)
        assert sizes[::2] == sizes[1::2] == want  # exact and noisy


def test_budgets_have_no_cell_clip_unless_one_is_given() -> None:
    model = document(node("a", "LSTM", units=5))
    weights = named("a", [W[0], W[1], np.full(20, 9.0)])
    choices: tuple[dict[str, Any], ...] = ({}, {"cell_clip": 0.0}, {"cell_clip": 0.5})
    plain, free, clipped = (
        budgets(model, weights, {"x": X}, "float32", **given) for given in choices
    )
    assert plain == free
    assert plain[0].scale > np.tanh(4.0)
    assert clipped[0].scale <= np.tanh(0.5)


def test_two_draws_are_enough_to_start_with() -> None:
    assert make_hooks("float32", trials=2).trials == 2
    with pytest.raises(ValueError, match=r"^1 trials: at least 2 are needed$"):
        make_hooks("float32", trials=1)
    expected = r"^unknown scheme 'int4', expected one of \('float32', 'float16', "
    with pytest.raises(ValueError, match=expected):
        make_hooks("int4")  # type: ignore[arg-type]


# Calibration --------------------------------------------------------------------------------

#: A cell of one unit that adds up tanh(x): every gate is open, nothing is forgotten.
SUM = document(node("a", "LSTM", units=1), x=[1, 1])
OPEN = named("a", [np.array([[0.0, 0, 1, 0]]), np.zeros((1, 4)), np.array([50.0, 50, 0, 50])])


def samples(*values: float) -> dict[str, Array]:
    return {"x": np.array(values).reshape(-1, 1, 1, 1)}


@pytest.mark.parametrize(
    ("carry", "final", "values", "cells"),
    [
        (True, False, (2.0, -0.5), (np.tanh(2) - np.tanh(0.5), np.tanh(2))),
        (False, False, (2.0, -0.5), (-np.tanh(0.5), np.tanh(2))),
        (True, True, (2.0, -0.5), (0.0, np.tanh(2))),  # zero belongs to every range
        (True, True, (-2.0, 0.5), (-np.tanh(2), 0.0)),
    ],
)
def test_which_cells_a_calibration_sees(
    carry: bool, final: bool, values: tuple[float, ...], cells: tuple[float, float]
) -> None:
    found = calibrate(SUM, OPEN, samples(*values), carry_state=carry, final_cell=final)
    assert found["a/cell"] == pytest.approx(cells)
    assert found["x"] == (min(values), max(values))


@pytest.mark.parametrize("carry", [True, False])
def test_a_calibration_clips_cells_as_the_model_does(carry: bool) -> None:
    found = calibrate(SUM, OPEN, samples(2.0, 2.0), carry_state=carry, cell_clip=0.25)
    assert found["a/hidden"][1] == pytest.approx(np.tanh(0.25))


def test_final_cells_are_those_of_carried_states() -> None:
    with pytest.raises(ValueError, match=r"^final_cell is what the calibrator sees that carries"):
        calibrate(SUM, OPEN, samples(1.0), carry_state=False, final_cell=True)
