"""The float LSTM gives hand-computed values for every option of the operator."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reference.lstm.float32_micro import lstm_float32, sequential_product
from reference.lstm.float64 import LstmOptions, LstmState, bidirectional, layer_norm, lstm, sigmoid
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights
from tests.support.rnn_float import gru, simple_rnn


def scalar(i: float | None, f: float, c: float, o: float, *shape: int) -> Gates:
    return Gates(*(None if v is None else np.full(shape, v) for v in (i, f, c, o)))  # type: ignore[arg-type]


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_two_steps_by_hand() -> None:
    """One unit, one feature, all gates with weights of their own, computed with math alone."""
    weights = LstmWeights(
        scalar(0.1, 0.2, 0.3, 0.4, 1, 1),
        scalar(0.5, -0.6, 0.7, -0.8, 1, 1),
        scalar(0.01, 0.02, 0.03, 0.04, 1),
    )
    h = c = 0.0
    for x in (1.5, -2.0):
        i = s(0.1 * x + 0.5 * h + 0.01)
        f = s(0.2 * x - 0.6 * h + 0.02)
        g = math.tanh(0.3 * x + 0.7 * h + 0.03)
        o = s(0.4 * x - 0.8 * h + 0.04)
        c = f * c + i * g
        h = o * math.tanh(c)
    run = lstm(weights, np.array([[[1.5], [-2.0]]]), keep_steps=True)
    assert run.outputs[0, 1, 0] == pytest.approx(h, rel=1e-15)
    assert run.state.cell[0, 0] == pytest.approx(c, rel=1e-15)
    assert run.steps[1].f[0, 0] == pytest.approx(f, rel=1e-15)


def test_every_option_by_hand() -> None:
    """Peephole, CIFG, projection with bias and clip, cell clip and relu, in one scalar step."""
    weights = LstmWeights(
        scalar(None, 0.2, 3.0, 0.4, 1, 1),
        scalar(None, -0.6, 0.7, -0.8, 1, 1),
        scalar(None, 0.02, 0.03, 0.04, 1),
        Gates(None, np.array([0.5]), None, np.array([-0.25])),
        np.array([[2.0]]),
        np.array([0.125]),
    )
    x, h, c = 1.5, 0.3, 0.9
    f = s(0.2 * x - 0.6 * h + 0.5 * c + 0.02)
    g = max(3.0 * x + 0.7 * h + 0.03, 0.0)
    c = min(f * c + (1 - f) * g, 1.0)
    o = s(0.4 * x - 0.8 * h - 0.25 * c + 0.04)
    expected = min(2.0 * o * c + 0.125, 1.1)
    options = LstmOptions(cell_clip=1.0, projection_clip=1.1, activation="relu")
    state = LstmState(np.array([[0.3]]), np.array([[0.9]]))
    run = lstm(weights, np.array([[[x]]]), options, state)
    assert run.state.cell[0, 0] == 1.0
    assert run.outputs[0, 0, 0] == pytest.approx(expected, rel=1e-15)
    unclipped = lstm(weights, np.array([[[x]]]), replace(options, projection_clip=0), state)
    assert unclipped.outputs[0, 0, 0] == pytest.approx(2.0 * o * c + 0.125, rel=1e-15)


def test_layer_norm_comes_before_the_bias() -> None:
    x = np.array([[1.0, 2.0, 6.0]])
    expected = (x - 3) / math.sqrt(14 / 3 + 1e-8)
    assert layer_norm(x) == pytest.approx(expected, rel=1e-15)
    weights = float_weights(0, layer_norm=True)
    ten_times = [k * 10 for k in weights.input_kernel if k is not None]
    shifted = replace(weights, input_kernel=Gates(*ten_times))
    x = np.random.default_rng(0).normal(size=(1, 1, 3))
    assert np.abs(lstm(weights, x).outputs - lstm(shifted, x).outputs).max() < 1e-7


@pytest.mark.parametrize("gate", [0, 1, 2, 3])
def test_swapping_two_gates_is_seen(gate: int) -> None:
    weights = float_weights(1)
    order = list(weights.input_kernel)
    order[gate], order[(gate + 1) % 4] = order[(gate + 1) % 4], order[gate]
    x = np.random.default_rng(1).normal(size=(2, 6, 3))
    mutant = replace(weights, input_kernel=Gates(*order))  # type: ignore[arg-type]
    assert np.abs(lstm(weights, x).outputs - lstm(mutant, x).outputs).max() > 1e-2


def test_layouts_directions_and_carried_state() -> None:
    weights = float_weights(2, cifg=True, peephole=True, outputs=4)
    x = np.random.default_rng(2).normal(size=(2, 7, 3))
    whole = lstm(weights, x)
    time_major = lstm(weights, x.swapaxes(0, 1), LstmOptions(time_major=True))
    assert (time_major.outputs.swapaxes(0, 1) == whole.outputs).all()
    first = lstm(weights, x[:, :3])
    rest = lstm(weights, x[:, 3:], initial=first.state)
    assert (rest.outputs == whole.outputs[:, 3:]).all()
    assert (rest.state.cell == whole.state.cell).all()
    back = lstm(weights, x, LstmOptions(go_backwards=True))
    assert (back.outputs[:, ::-1] == lstm(weights, x[:, ::-1]).outputs).all()


def test_bidirectional_merges() -> None:
    ahead, back = float_weights(3), float_weights(4)
    x = np.random.default_rng(3).normal(size=(2, 5, 3))
    a, b = bidirectional(ahead, back, x, merge=None)
    assert (a == lstm(ahead, x).outputs).all()
    assert (b == lstm(back, x[:, ::-1]).outputs[:, ::-1]).all()
    assert (bidirectional(ahead, back, x)[0] == np.concatenate([a, b], -1)).all()
    assert (bidirectional(ahead, back, x, merge="sum")[0] == a + b).all()


def test_keras_layout() -> None:
    weights = float_weights(5)
    kernel = np.concatenate([k.T for k in weights.input_kernel], 1)  # type: ignore[union-attr]
    recurrent = np.concatenate([k.T for k in weights.recurrent_kernel], 1)  # type: ignore[union-attr]
    again = LstmWeights.from_keras(kernel, recurrent, np.concatenate(weights.bias))  # type: ignore[arg-type]
    x = np.random.default_rng(5).normal(size=(1, 4, 3))
    assert (lstm(again, x).outputs == lstm(weights, x).outputs).all()
    without = LstmWeights.from_keras(kernel, recurrent)
    assert not any(gate.any() for gate in without.bias.present())


def test_stale_output_only_matters_without_activation() -> None:
    weights = float_weights(6)
    x = np.random.default_rng(6).normal(size=(1, 4, 3))
    for activation, same in (("tanh", True), ("none", False)):
        right = lstm(weights, x, LstmOptions(activation=activation))  # type: ignore[arg-type]
        stale = lstm(weights, x, LstmOptions(activation=activation, stale_output=True))  # type: ignore[arg-type]
        assert (np.abs(right.outputs - stale.outputs).max() == 0) == same


def test_wrong_shapes_are_refused() -> None:
    weights = float_weights(7)
    with pytest.raises(ValueError, match="features"):
        lstm(weights, np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="initial"):
        lstm(weights, np.zeros((1, 2, 3)), initial=LstmState(np.zeros((2, 5)), np.zeros((1, 5))))
    with pytest.raises(ValueError, match="bias"):
        replace(weights, bias=Gates(*np.zeros((4, 6))))
    with pytest.raises(ValueError, match="absent"):
        replace(weights, bias=Gates(None, *np.zeros((3, 5))))


def test_sigmoid_neither_overflows_nor_loses_its_tail() -> None:
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]
    assert sigmoid(np.array([-40.0]))[0] == pytest.approx(math.exp(-40), rel=1e-15)


def test_float32_sums_one_after_another() -> None:
    x = np.array([[1.0, 2.0**-24, 2.0**-24]], np.float32)
    ones = np.ones((1, 3), np.float32)
    assert sequential_product(x, ones)[0, 0] == 1.0
    assert sequential_product(x[:, ::-1], ones)[0, 0] == np.float32(1 + 2.0**-23)


def test_float32_kernel_is_near_the_oracle_and_refuses_variants() -> None:
    weights = float_weights(8)
    x = np.random.default_rng(8).normal(size=(2, 9, 3)).astype(np.float32)
    exact, kernel = lstm(weights, x), lstm_float32(weights, x)
    assert kernel.outputs.dtype == np.float32
    assert 0 < np.abs(exact.outputs - kernel.outputs).max() < 3e-7
    for variant in (float_weights(8, cifg=True), float_weights(8, outputs=2)):
        with pytest.raises(ValueError, match="plain"):
            lstm_float32(variant, x)


def test_gru_by_hand_in_both_forms() -> None:
    w, r = np.array([[0.1, 0.2, 0.3]]), np.array([[0.4, -0.5, 0.6]])
    x, h = 1.5, 0.7
    z = s(0.1 * x + 0.4 * h + 0.01)
    reset = s(0.2 * x - 0.5 * h + 0.02)
    before = math.tanh(0.3 * x + 0.6 * (reset * h) + 0.03)
    start, value = np.array([[h]]), np.array([[[x]]])
    bias = np.array([0.01, 0.02, 0.03])
    run = gru(w, r, bias, value, reset_after=False, initial=start)
    assert run.hidden[0, 0] == pytest.approx(z * h + (1 - z) * before, rel=1e-15)
    after = math.tanh(0.3 * x + reset * (0.6 * h + 0.04) + 0.03)
    two_rows = np.stack([bias, np.array([0.0, 0.0, 0.04])])
    run = gru(w, r, two_rows, value, initial=start)
    assert run.hidden[0, 0] == pytest.approx(z * h + (1 - z) * after, rel=1e-15)


def test_simple_rnn_by_hand_and_backwards() -> None:
    w, r, b = np.array([[0.5]]), np.array([[-0.25]]), np.array([0.125])
    x = np.array([[[1.0], [2.0]]])
    h = math.tanh(0.5 * 2.0 - 0.25 * math.tanh(0.5 * 1.0 + 0.125) + 0.125)
    assert simple_rnn(w, r, b, x).hidden[0, 0] == pytest.approx(h, rel=1e-15)
    back = simple_rnn(w, r, b, x, go_backwards=True)
    assert (back.outputs == simple_rnn(w, r, b, x[:, ::-1]).outputs).all()
