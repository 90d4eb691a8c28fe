"""Traces of LSTMs are exact, and their budgets let rounding pass and no fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference.budgets.monte_carlo import Scheme, calibrate, make_hooks
from reference.budgets.network_trace import QUANTITIES, Tap, trace
from reference.lstm.float64 import lstm
from reference.lstm.weights import LstmWeights
from reference.network import run
from reference.network.hooks import Hooks
from reference.network.layers import Run
from tests.support import networks
from tests.support.networks import Array, W, document, draw, named, node

UNITS, FEATURES, STEPS = 4, 3, 7


def _document(**config: Any) -> dict[str, Any]:
    node = {
        "name": "lstm",
        "class": "LSTM",
        "config": {"units": UNITS, **config},
        "inputs": ["x"],
        "initial_state": [],
    }
    entry = {"name": "x", "shape": [STEPS, FEATURES], "dtype": "float32"}
    return {"inputs": [entry], "nodes": [node], "outputs": ["lstm"]}


def _weights(seed: int = 0) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    shapes = ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))
    return {f"lstm/{k}": random.uniform(-1, 1, shape) for k, shape in enumerate(shapes)}


X = np.random.default_rng(1).uniform(-1, 1, (1, 2, STEPS, FEATURES))


def _traced(scheme: Scheme = "float32", **config: Any) -> Any:
    document, weights = _document(**config), _weights()
    ranges = calibrate(document, weights, {"x": X}) if scheme == "int8" else None
    return trace(document, weights, {"x": X}, ["lstm"], scheme, ranges)["lstm"]


@pytest.mark.parametrize("sequences", [False, True])
def test_every_quantity_is_that_of_the_plain_lstm(sequences: bool) -> None:
    found = _traced(return_sequences=sequences)
    w = _weights()
    parameters = LstmWeights.from_keras(w["lstm/0"], w["lstm/1"], w["lstm/2"])
    steps = lstm(parameters, X[0], keep_steps=True).steps
    for name in QUANTITIES:
        want = np.stack([getattr(step, name) for step in steps])
        assert found[name].value.shape == (STEPS, 2, UNITS)
        np.testing.assert_allclose(found[name].value, want, atol=1e-14)


def test_a_backward_layer_is_in_the_order_of_computation() -> None:
    ahead, back = _traced(), _traced(go_backwards=True)
    first = _weights()
    parameters = LstmWeights.from_keras(*(first[f"lstm/{k}"] for k in range(3)))
    steps = lstm(parameters, X[0][:, ::-1], keep_steps=True).steps
    np.testing.assert_allclose(back["i"].value[0], steps[0].i, atol=1e-14)
    assert np.abs(ahead["i"].value[0] - back["i"].value[0]).max() > 1e-3


def test_float32_stays_within_and_one_weight_leaves_at_its_gate() -> None:
    found = _traced()
    w = _weights()
    plain = LstmWeights.from_keras(w["lstm/0"], w["lstm/1"], w["lstm/2"])
    changed = w["lstm/1"].copy()
    changed[2, UNITS + 1] += 1e-3  # the forget gate of unit 1 reads the hidden state of unit 2
    broken = LstmWeights.from_keras(w["lstm/0"], changed, w["lstm/2"])
    healthy = lstm(plain, X[0], dtype=np.float32, keep_steps=True).steps
    for name in QUANTITIES:
        values = np.stack([getattr(step, name) for step in healthy])
        error = np.abs(values - found[name].value).max(axis=(1, 2))
        assert (error <= found[name].budget).all(), name
    steps = lstm(broken, X[0], keep_steps=True).steps
    leaves = [
        (step, name)
        for step in range(STEPS)
        for name in QUANTITIES
        if np.abs(getattr(steps[step], name) - found[name].value[step]).max()
        > found[name].budget[step]
    ]
    assert leaves[0] == (1, "f")  # at step 0 the hidden state is zero
    unit = np.abs(steps[1].f - found["f"].value[1]).max(axis=0).argmax()
    assert unit == 1


def test_int8_allows_more_than_float32_and_less_than_everything() -> None:
    coarse, fine = _traced("int8"), _traced()
    for name in QUANTITIES:
        assert (coarse[name].budget > 100 * fine[name].budget).all(), name
        assert (coarse[name].budget < 0.5).all(), name


# A trace taps the hooks and changes nothing -------------------------------------------------

TRACED = document(
    node("e", "Dense", units=4, activation="sigmoid"),
    node("a", "LSTM", "e", units=5, return_sequences=True),
    node("g", "GRU", "a", units=3),
)
TRACED_WEIGHTS = {
    **named("e", [draw(4, 4), draw(4)]),
    **named("a", W),
    **named("g", [draw(5, 9), draw(3, 9), draw(2, 9)]),
}


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic-range", "int8", "int16x8"])
def test_a_tap_changes_nothing(scheme: Any) -> None:
    ranges = calibrate(TRACED, TRACED_WEIGHTS, {"x": networks.X})

    def hooks() -> Hooks:
        return make_hooks(scheme, ranges, 3, 0, 4)

    tap = Tap(hooks())
    through, plain = (
        run(TRACED, TRACED_WEIGHTS, {"x": networks.X}, Run(each))[0] for each in (tap, hooks())
    )
    assert np.array_equal(through, plain)
    assert set(tap.seen) == {
        *(f"a/{part}" for part in ("if", "g", "o", "out", "cell", "hidden")),
        *(f"g/{part}" for part in ("zr", "g", "hidden")),
    }
    assert np.array_equal(tap.seen["g/hidden"][-1].reshape(plain.shape), plain)


def test_a_trace_is_reproducible_and_follows_its_seed() -> None:
    model, weights = document(node("a", "LSTM", units=5)), named("a", W)

    def traced(**given: Any) -> Array:
        return trace(model, weights, {"x": networks.X}, ["a"], "float32", **given)["a"][
            "cell"
        ].budget

    assert np.array_equal(traced(seed=3), traced(seed=3))
    assert not np.array_equal(traced(seed=3), traced(seed=4))
    assert not np.array_equal(traced(seed=3), traced(seed=3, trials=8))


def test_names_reach_the_hooks_through_a_tap() -> None:
    """By a tap of a tap: the inner one sees what the outer one was given."""

    class Written(Hooks):
        def __init__(self) -> None:
            self.calls: list[tuple[Any, ...]] = []

        def __getattribute__(self, name: str) -> Any:
            found = object.__getattribute__(self, name)
            if name in ("calls", "trials") or not callable(found):
                return found

            def call(*given: Any) -> Any:
                self.calls.append((name, *(g for g in given if not isinstance(g, np.ndarray))))
                return found(*given)

            return call

    written, value = Written(), np.ones((1, 2))
    tap, lazy = Tap(written), value.copy
    tap.weight("w", "kernel", value)
    tap.weight("w", "bias", value, 4)
    tap.tensor("t", value, (0.0, 1.0))
    tap.operand("w", value)
    tap.operand("w", value, 2)
    tap.total("s", value, 3, lazy)
    tap.gate("s", value, 3, lazy)
    tap.function("f", "tanh", value)
    tap.gate_output("o", "tanh", value)
    tap.cell("c", value, lazy)
    tap.hidden("h", value)
    assert written.calls == [
        ("weight", "w", "kernel", 1),
        ("weight", "w", "bias", 4),
        ("tensor", "t", (0.0, 1.0)),
        ("operand", "w", 1),
        ("operand", "w", 2),
        ("total", "s", 3, lazy),
        ("gate", "s", 3, lazy),
        ("function", "f", "tanh"),
        ("gate_output", "o", "tanh"),
        ("cell", "c", lazy),
        ("hidden", "h"),
    ]
