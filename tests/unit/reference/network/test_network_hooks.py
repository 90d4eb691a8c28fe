"""Each layer shows every sum and tensor to the hooks, by the name that ranges are kept by.

The schemes of `reference.budgets.precision_schemes` disturb what they are shown, so a result that a
layer keeps to itself, a number of terms or a magnitude that is wrong, makes a budget wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import evaluate, run
from reference.network.activations import ACTIVATIONS
from reference.network.hooks import Hooks
from reference.network.layers import Run
from tests.support.networks import Array, document, named, node
from tests.support.seen import (
    FEATURES,
    LSTM,
    SHOWN,
    STEPS,
    UNITS,
    Seen,
    X,
    cell_weights,
    lstm,
    positive,
    wrapped,
)


def shown(kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]], trials: int) -> Seen:
    hooks = Seen(trials)
    model = document(node("a", kind, **config), x=[STEPS, FEATURES])
    evaluate(model, positive(*shapes), {"x": X}, hooks)
    return hooks


@pytest.mark.parametrize(
    ("kind", "config", "shapes", "expected"), SHOWN, ids=[entry[0] for entry in SHOWN]
)
def test_every_sum_and_tensor_is_shown_by_its_name(
    kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]], expected: list[str]
) -> None:
    hooks = shown(kind, config, shapes, 1)
    assert hooks.calls == ["tensor x", *expected]
    both = shown(kind, config, shapes, 2)
    assert both.calls == hooks.calls
    for (name, value, magnitude), (_, _, of_trial_0) in zip(hooks.sums, both.sums, strict=True):
        assert (magnitude >= np.abs(value) - 1e-12).all(), name  # the triangle inequality
        if name.endswith("/cell"):
            of_trial_0 = of_trial_0[:1]  # a cell's magnitude is each trial's own
        assert of_trial_0.shape == magnitude.shape
        assert np.allclose(of_trial_0, magnitude, rtol=1e-12), name
        # Of positive terms alone it is the sum itself.
        if not name.endswith("/difference") and kind != "BatchNormalization":
            assert np.allclose(magnitude, value, rtol=1e-12), name


def test_the_cells_of_a_stack_have_names_of_their_own() -> None:
    hooks = Seen()
    cells = [wrapped("LSTMCell", **LSTM), wrapped("LSTMCell", **LSTM)]
    model = document(
        node("a", "RNN", cell=wrapped("StackedRNNCells", cells=cells)), x=[STEPS, FEATURES]
    )
    weights = positive(*cell_weights(4), *cell_weights(4, UNITS))
    evaluate(model, weights, {"x": X}, hooks)
    first, second = lstm("a/0", tensors=""), lstm("a/1", UNITS, "")
    assert sorted(hooks.calls) == sorted(
        # The second cell's products with its input come step by step.
        ["tensor x", *first, *second, f"gate a/1/input {UNITS + 1}", "operand a/1/kernel 1"]
    )


def test_windows_of_a_convolution_are_rows_of_two_axes() -> None:
    hooks = Seen()
    config: dict[str, Any] = {"filters": 3, "kernel_size": 2, "recurrent_activation": "sigmoid"}
    model = document(node("a", "ConvLSTM1D", **config), x=[STEPS, 5, FEATURES])
    weights = positive((2, FEATURES, 12), (2, 3, 12), (12,))
    evaluate(model, weights, {"x": np.ones((1, 1, STEPS, 5, FEATURES))}, hooks)
    assert "operand a/kernel 2" in hooks.calls
    assert hooks.calls.count("operand a/recurrent 2") == STEPS
    assert f"gate a/input {2 * FEATURES + 1}" in hooks.calls
    assert "gate a/gates 7" in hooks.calls


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Add", ["total a/total 3", "tensor a"]),
        ("Average", ["total a/sum/total 3", "tensor a/sum", "tensor a"]),
        (
            "Multiply",
            ["function a/0 multiply", "tensor a/0", "function a multiply", "tensor a"],
        ),
        ("Maximum", ["tensor a"]),
        ("Minimum", ["tensor a"]),
        ("Concatenate", ["tensor a"]),
    ],
)
def test_what_merging_shows(kind: str, expected: list[str]) -> None:
    hooks = Seen()
    x = {name: np.full((1, 1, 2), value) for name, value in (("x", 1.0), ("y", -2.0), ("z", 4.0))}
    evaluate(document(node("a", kind, "x y z"), x=[2], y=[2], z=[2]), {}, x, hooks)
    assert hooks.calls == ["tensor x", "tensor y", "tensor z", *expected]
    for _, value, magnitude in hooks.sums:
        assert (value == 3).all()
        assert (magnitude == 7).all()
        assert magnitude.shape == value.shape


def test_a_difference_is_a_sum_of_two() -> None:
    hooks = Seen()
    x = {"x": np.array([[[5.0]]]), "y": np.array([[[3.0]]])}
    (found,) = evaluate(document(node("a", "Subtract", "x y"), x=[1], y=[1]), {}, x, hooks)
    assert found.ravel() == [2]
    assert hooks.calls == ["tensor x", "tensor y", "total a/total 2", "tensor a"]
    assert hooks.sums[0][2].ravel() == [8]


def test_magnitudes_of_mixed_signs_are_sums_of_absolute_values() -> None:
    """By hand: a product of a matrix, a mean, the parts of a normalisation."""
    x = np.array([[[[1.0, -3.0], [-2.0, 2.0]]]])
    hooks = Seen()
    kernel, bias = np.array([[2.0], [1.0]]), np.array([-0.5])
    model = document(node("a", "Dense", units=1), x=[2, 2])
    evaluate(model, named("a", [kernel, bias]), {"x": x}, hooks)
    assert hooks.sums[0][2].ravel().tolist() == [2 + 3 + 0.5, 4 + 2 + 0.5]

    pooling: tuple[tuple[str, dict[str, Any], list[float]], ...] = (
        ("GlobalAveragePooling1D", {}, [1.5, 2.5]),
        ("GlobalAveragePooling1D", {"keepdims": True}, [1.5, 2.5]),
        ("AveragePooling1D", {}, [1.5, 2.5]),
    )
    for kind, config, want in pooling:
        hooks = Seen()
        evaluate(document(node("a", kind, **config), x=[2, 2]), {}, {"x": x}, hooks)
        (_, value, magnitude) = hooks.sums[0]
        assert magnitude.ravel().tolist() == want
        assert magnitude.shape == value.shape

    hooks = Seen()
    config = {"scale": False, "center": False, "epsilon": 0.0}
    model = document(node("a", "LayerNormalization", **config), x=[2, 2])
    evaluate(model, {}, {"x": x}, hooks)
    mean, variance, difference = (magnitude.ravel() for _, _, magnitude in hooks.sums)
    assert mean.tolist() == [2, 2]
    assert variance.tolist() == [4, 4]
    # Row 0: mean -1, deviation 2: |1| / 2 + |-1| / 2 and |-3| / 2 + |-1| / 2.
    assert difference.tolist() == [1, 2, 1, 1]

    hooks = Seen()
    model = document(node("a", "BatchNormalization", epsilon=0.0), x=[2, 2])
    learned = [np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, -1.0]), np.ones(2)]
    evaluate(model, named("a", learned), {"x": x}, hooks)
    # Factors 2 and 3, shifts 1 - 2 and 1 + 3.
    assert hooks.sums[0][2].ravel().tolist() == [2 + 1, 9 + 4, 4 + 1, 6 + 4]


def test_of_several_trials_the_first_gives_the_magnitude() -> None:
    """Where an array has trials before the sum, and not only in the weights."""

    class Drawn(Seen):
        def tensor(
            self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
        ) -> Array:
            super().tensor(name, value, fixed_range)
            return np.concatenate([value, 10 * value]) if name == "x" else value

    for kind, config in (
        ("GlobalAveragePooling1D", {}),
        ("AveragePooling1D", {"pool_size": 2, "strides": 1}),
        ("LayerNormalization", {"scale": False, "center": False}),
        ("Dense", {"units": 2, "use_bias": False}),
    ):
        alone, hooks = Seen(), Drawn(2)
        model = document(node("a", kind, **config), x=[STEPS, FEATURES])
        weights = positive((FEATURES, 2)) if kind == "Dense" else {}
        evaluate(model, weights, {"x": X}, alone)
        evaluate(model, weights, {"x": X}, hooks)
        for (_, _, want), (_, value, magnitude) in zip(alone.sums, hooks.sums, strict=True):
            assert len(value) == 2
            assert magnitude.shape == want.shape
            assert np.allclose(magnitude, want)


def test_tokens_are_no_tensor_and_their_table_is_a_weight() -> None:
    hooks = Seen(2)
    model = document(node("a", "Embedding", "t", input_dim=3, output_dim=2), t=[4])
    model["inputs"][0]["dtype"] = "int32"
    table = np.arange(6.0).reshape(3, 2)
    (found,) = evaluate(model, {"a/0": table}, {"t": np.array([[[0, 2, 2, 1]]])}, hooks)
    assert hooks.calls == ["weight a/table embedding"]
    assert np.array_equal(found[0, 0, 0], table[[0, 2, 2, 1]])
    assert np.array_equal(found[1], 2 * found[0])


@pytest.mark.parametrize("tokens", [[1], [0, 2]])
def test_tokens_up_to_the_last_row(tokens: list[int]) -> None:
    model = document(node("a", "Embedding", "t", input_dim=3, output_dim=2), t=[len(tokens)])
    model["inputs"][0]["dtype"] = "int32"
    table, given = np.arange(6.0).reshape(3, 2), np.array([[tokens]])
    (found,) = evaluate(model, {"a/0": table}, {"t": given})
    assert np.array_equal(found[0, 0], table[tokens])
    for wrong in (given - 3, given * 0 + 3, given * 0 - 1):
        with pytest.raises(ValueError, match=r"^layer 'a': a token lies outside of 0 to 2$"):
            evaluate(model, {"a/0": table}, {"t": wrong})


def test_exact_hooks_return_what_they_are_given() -> None:
    hooks, value = Hooks(), np.arange(6.0).reshape(1, 2, 3)
    model = document(node("a", "Dense", units=3), x=[STEPS, FEATURES])
    assert hooks.trials == 1
    assert run(model, positive((4, 3), (3,)), {"x": X}, Run(hooks))[0].shape[0] == 1
    assert np.array_equal(hooks.weight("w", "kernel", value), value[np.newaxis])
    assert hooks.operand("w", value) is value


def test_a_softmax_is_of_each_row_and_knows_no_overflow() -> None:
    softmax = ACTIVATIONS["softmax"]
    rows = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0], [-2000.0, -2000.0 + np.log(4.0)]])
    expected = [[0.25, 0.75], [0.5, 0.5], [0.2, 0.8]]
    np.testing.assert_allclose(softmax(rows), expected, rtol=1e-12)
    np.testing.assert_allclose(softmax(rows.reshape(3, 1, 2)).reshape(3, 2), expected, rtol=1e-12)
