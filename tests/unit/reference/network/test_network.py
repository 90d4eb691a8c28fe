"""The network oracle gives hand-computed values, and agrees with other code and itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fixtures.variants import VARIANTS
from reference.lstm.float64 import LstmOptions, lstm
from reference.lstm.weights import LstmWeights
from reference.network import UnsupportedLayer, evaluate
from reference.network.config import options
from tests.support.networks import (
    Array,
    W,
    X,
    close,
    document,
    draw,
    layer,
    lstm_weights,
    named,
    node,
)
from tests.support.rnn_float import gru, simple_rnn


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


# Values computed by hand --------------------------------------------------------------------


def test_two_steps_of_one_unit_by_hand() -> None:
    kernel, recurrent, bias = [0.5, -0.3, 0.8, 0.2], [0.1, 0.4, -0.6, 0.9], [0.05, 1.0, -0.1, 0.3]

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    h = c = 0.0
    for x in (0.7, -1.2):
        i, f, g, o = (k * x + r * h + b for k, r, b in zip(kernel, recurrent, bias, strict=True))
        c = sigmoid(f) * c + sigmoid(i) * math.tanh(g)
        h = sigmoid(o) * math.tanh(c)
    weights = [np.array([kernel]), np.array([recurrent]), np.array(bias)]
    found = layer("LSTM", weights, np.array([[[[0.7], [-1.2]]]]), units=1, return_state=True)
    assert [float(v.squeeze()) for v in found] == pytest.approx([h, h, c], abs=1e-14)


def test_dense_softmax_by_hand() -> None:
    weights = [np.array([[1.0, 2.0]]), np.array([0.5, 0.0])]
    (found,) = layer("Dense", weights, np.array([[[1.0]]]), units=2, activation="softmax")
    assert found[0, 0] == pytest.approx([1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(-0.5))])


def test_layer_normalization_by_hand() -> None:
    weights = [np.array([2.0, 2.0]), np.array([0.0, 1.0])]
    (found,) = layer("LayerNormalization", weights, np.array([[[1.0, 3.0]]]))
    unit = 1 / math.sqrt(1 + 1e-3)
    assert found[0, 0] == pytest.approx([-2 * unit, 2 * unit + 1])


@pytest.mark.parametrize(("padding", "before"), [("valid", 0), ("same", 1), ("causal", 2)])
def test_conv_1d_by_its_definition(padding: str, before: int) -> None:
    kernel, bias = draw(3, 4, 2), draw(2)
    (found,) = layer("Conv1D", [kernel, bias], filters=2, kernel_size=[3], padding=padding)
    steps = 7 if padding != "valid" else 5
    want = np.zeros((2, 3, steps, 2)) + bias
    for t in range(steps):
        for k in range(3):
            if 0 <= t + k - before < 7:
                want[:, :, t] += X[:, :, t + k - before] @ kernel[k]
    assert close(found, want)


def test_same_padding_puts_the_odd_zero_last() -> None:
    x, kernel = np.arange(1.0, 6.0).reshape(1, 1, 5, 1), np.array([1.0, 10.0, 100.0, 1000.0])
    config = {"filters": 1, "kernel_size": 4, "padding": "same", "use_bias": False}
    (found,) = layer("Conv1D", [kernel.reshape(4, 1, 1)], x, **config)
    assert found.ravel().tolist() == [3210, 4321, 5432, 543, 54]
    (found,) = layer("Conv1D", [kernel.reshape(4, 1, 1)], x, strides=2, **config)
    assert found.ravel().tolist() == [3210, 5432, 54]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("elu", [math.expm1(-3.0), math.expm1(-0.25), 0.0, 0.5, 2.5]),
        ("softplus", [math.log1p(math.exp(v)) for v in (-3.0, -0.25, 0.0, 0.5, 2.5)]),
        ("softsign", [-0.75, -0.2, 0.0, 1 / 3, 2.5 / 3.5]),
        ("swish", [v / (1 + math.exp(-v)) for v in (-3.0, -0.25, 0.0, 0.5, 2.5)]),
        ("relu", [0.0, 0.0, 0.0, 0.5, 2.5]),
        ("hard_sigmoid", [0.0, 0.45, 0.5, 0.6, 1.0]),
        ("linear", [-3.0, -0.25, 0.0, 0.5, 2.5]),
    ],
)
def test_activations_by_hand(name: str, value: list[float]) -> None:
    x = np.array([[[-3.0, -0.25, 0.0, 0.5, 2.5]]])
    (found,) = layer("Activation", [], x, activation=name)
    assert found[0, 0] == pytest.approx(value, abs=1e-15)


# Other code of this folder ------------------------------------------------------------------


@pytest.mark.parametrize("backwards", [False, True])
def test_lstm_is_the_operator_level_oracle(backwards: bool) -> None:
    found = layer("LSTM", W, units=5, return_sequences=True, go_backwards=backwards)[0]
    weights = LstmWeights.from_keras(W[0], W[1], W[2])
    for sample, result in zip(X, found, strict=True):
        want = lstm(weights, sample, LstmOptions(go_backwards=backwards)).outputs
        assert close(result, want[:, ::-1] if backwards else want)


@pytest.mark.parametrize("after", [True, False])
def test_gru_is_the_operator_level_oracle(after: bool) -> None:
    weights = [draw(4, 15), draw(5, 15), draw(2, 15) if after else draw(15)]
    found = layer("GRU", weights, units=5, return_sequences=True, reset_after=after)[0]
    want = [gru(weights[0], weights[1], weights[2], sample, after).outputs for sample in X]
    assert close(found, np.stack(want))


def test_simple_rnn_is_the_operator_level_oracle() -> None:
    weights = [draw(4, 5), draw(5, 5), draw(5)]
    found = layer("SimpleRNN", weights, units=5, return_sequences=True)[0]
    assert close(
        found,
        np.stack([simple_rnn(weights[0], weights[1], weights[2], sample).outputs for sample in X]),
    )


# Invariances --------------------------------------------------------------------------------


def test_samples_and_batch_rows_do_not_mix() -> None:
    whole = layer("LSTM", W, units=5)[0]
    assert close(whole[1:, 2:], layer("LSTM", W, X[1:, 2:], units=5)[0])


def test_time_major_is_a_transposition() -> None:
    want = layer("LSTM", W, units=5, return_sequences=True)[0]
    turned = X.swapaxes(1, 2)
    found = layer("LSTM", W, turned, units=5, return_sequences=True, time_major=True)[0]
    assert close(found.swapaxes(1, 2), want)
    assert close(layer("LSTM", W, turned, units=5, time_major=True)[0], want[:, :, -1])


def test_go_backwards_is_reversed_input() -> None:
    found = layer("LSTM", W, units=5, return_sequences=True, go_backwards=True)[0]
    assert close(found, layer("LSTM", W, X[:, :, ::-1], units=5, return_sequences=True)[0])


@pytest.mark.parametrize("option", ["unroll", "stateful"])
def test_options_of_execution_change_nothing(option: str) -> None:
    assert close(layer("LSTM", W, X, units=5, **{option: True})[0], layer("LSTM", W, units=5)[0])


def test_a_state_passed_on_continues_the_sequence() -> None:
    split = document(
        node("a", "LSTM", "left", units=5, return_state=True),
        node("b", "LSTM", "right", "a:1 a:2", units=5),
        left=[3, 4],
        right=[4, 4],
    )
    parts = {"left": X[:, :, :3], "right": X[:, :, 3:]}
    (found,) = evaluate(split, {**named("a", W), **named("b", W)}, parts)
    assert close(found, layer("LSTM", W, units=5)[0])


def test_cells_are_layers() -> None:
    cell = wrapped("LSTMCell", units=5)
    want = layer("LSTM", W, units=5, return_sequences=True)[0]
    assert close(layer("RNN", W, cell=cell, return_sequences=True)[0], want)
    upper = lstm_weights(3, 5, seed=7)
    stack = wrapped("StackedRNNCells", cells=[cell, wrapped("LSTMCell", units=3)])
    found = layer("RNN", W + upper, cell=stack, return_sequences=True)[0]
    assert close(found, layer("LSTM", upper, want, units=3, return_sequences=True)[0])


def test_a_conv_lstm_of_one_pixel_is_an_lstm() -> None:
    pixel = X[..., np.newaxis, :]
    weights = [W[0][np.newaxis], W[1][np.newaxis], W[2]]
    (found,) = layer("ConvLSTM1D", weights, pixel, filters=5, kernel_size=1)
    want = layer("LSTM", W, units=5, recurrent_activation="hard_sigmoid")[0]
    assert close(found[..., 0, :], want)


def test_conv_lstm_moves_with_its_input() -> None:
    weights = [draw(3, 2, 16), draw(3, 4, 16), draw(16)]
    x = np.zeros((1, 1, 3, 16, 2))
    x[..., 6:9, :] = draw(1, 1, 3, 3, 2)
    for dilation in (1, 2):
        config = {"filters": 4, "kernel_size": 3, "padding": "same", "dilation_rate": dilation}
        (here,) = layer("ConvLSTM1D", weights, x, **config)
        (there,) = layer("ConvLSTM1D", weights, np.roll(x, 1, axis=3), **config)
        assert close(np.roll(here, 1, axis=2)[:, :, 5:11], there[:, :, 5:11])


@pytest.mark.parametrize("merge", ["sum", "ave", "mul", "concat", None])
def test_bidirectional_is_two_layers(merge: str | None) -> None:
    other = lstm_weights(seed=3)
    inner = wrapped("LSTM", units=5, return_sequences=True)
    both = document(
        node("a", "Bidirectional", layer=inner, merge_mode=merge),
        outputs="a" if merge else "a:0 a:1",
    )
    found = evaluate(both, named("a", W + other), {"x": X})
    ahead = layer("LSTM", W, units=5, return_sequences=True)[0]
    back = layer("LSTM", other, X[:, :, ::-1], units=5, return_sequences=True)[0][:, :, ::-1]
    joined = np.concatenate([ahead, back], -1)
    want: dict[str | None, list[Array]] = {
        "sum": [ahead + back],
        "ave": [(ahead + back) / 2],
        "mul": [ahead * back],
        "concat": [joined],
        None: [ahead, back],
    }
    assert all(close(a, b) for a, b in zip(found, want[merge], strict=True))


def test_time_distributed_dense_is_dense() -> None:
    weights = [draw(4, 3), draw(3)]
    inner = wrapped("Dense", units=3)
    assert close(
        layer("TimeDistributed", weights, layer=inner)[0], layer("Dense", weights, units=3)[0]
    )


def test_shapes_are_moved_as_keras_does() -> None:
    moved = document(
        node("p", "Permute", dims=[2, 1]),
        node("r", "Reshape", target_shape=[4, -1]),
        node("c", "Concatenate", "p r", axis=1),
        node("s", "Add", "p r"),
        node("f", "Flatten", "c"),
        node("d", "Dropout", "f", rate=0.5),
        outputs="d s",
    )
    flat, total = evaluate(moved, {}, {"x": X})
    turned, shaped = X.swapaxes(2, 3), X.reshape(2, 3, 4, 7)
    assert close(flat, np.concatenate([turned, shaped], 2).reshape(2, 3, -1))
    assert close(total, turned + shaped)


# Masks --------------------------------------------------------------------------------------


def masked(inner: dict[str, Any], weights: list[Array], x: Array) -> list[Array]:
    both = document(node("m", "Masking"), {**inner, "inputs": ["m"]})
    if inner["config"].get("return_state"):
        both["outputs"] = ["a:0", "a:1", "a:2"]
    return evaluate(both, named("a", weights), {"x": x})


def padded(lead: int, trail: int) -> Array:
    x = X.copy()
    x[:, :, :lead] = 0
    x[:, :, 7 - trail :] = 0
    return x


def test_masked_steps_keep_the_state_and_repeat_the_output() -> None:
    x = padded(2, 1)
    options: dict[str, Any] = {"units": 5, "return_sequences": True, "return_state": True}
    outputs, h, c = masked(node("a", "LSTM", **options), W, x)
    inside, h_want, c_want = layer("LSTM", W, x[:, :, 2:6], **options)
    assert (outputs[:, :, :2] == 0).all()
    assert close(outputs[:, :, 2:6], inside)
    assert close(outputs[:, :, 6], inside[:, :, -1])
    assert close(h, h_want)
    assert close(c, c_want)


def test_a_step_is_masked_only_when_all_its_features_are() -> None:
    x = X.copy()
    x[:, :, 3, :3] = 0
    found = masked(node("a", "LSTM", units=5), W, x)[0]
    assert close(found, layer("LSTM", W, x, units=5)[0])


def test_zero_output_for_mask_and_bidirectional() -> None:
    x = padded(0, 2)
    options: dict[str, Any] = {"units": 5, "return_sequences": True}
    zeros = masked(node("a", "LSTM", zero_output_for_mask=True, **options), W, x)[0]
    assert (zeros[:, :, 5:] == 0).all()
    both = node("a", "Bidirectional", layer=wrapped("LSTM", **options), merge_mode="sum")
    assert (masked(both, W + W, x)[0][:, :, 5:] == 0).all()


def test_embedding_masks_token_zero_and_rows_go_their_own_way() -> None:
    tokens = np.array([[[3, 1, 0, 2], [0, 0, 2, 1]]])
    table = draw(4, 4)
    model = document(
        node("e", "Embedding", "t", input_dim=4, output_dim=4, mask_zero=True),
        node("a", "LSTM", "e", units=5),
        t=[4],
    )
    model["inputs"][0]["dtype"] = "int32"
    (found,) = evaluate(model, {"e/0": table, **named("a", W)}, {"t": tokens})
    for row, kept in enumerate(([3, 1, 2], [2, 1])):
        want = layer("LSTM", W, table[np.array(kept)][np.newaxis, np.newaxis], units=5)[0]
        assert close(found[:, row : row + 1], want)
    with pytest.raises(ValueError, match="token"):
        evaluate(model, {"e/0": table, **named("a", W)}, {"t": tokens + 2})


# Refusals -----------------------------------------------------------------------------------


def test_every_layer_of_the_catalogue_is_known() -> None:
    for variant in VARIANTS.values():
        for entry in variant.document()["nodes"]:
            options(entry["name"], entry["class"], entry["config"])


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("Lambda", {}, "no such layer"),
        ("LSTM", {"units": 5, "projection": 3}, "projection=3"),
        ("LSTM", {"units": 5, "activation": "sine"}, "'sine'"),
        ("LSTM", {"units": 5, "activation": None}, "activation=None"),
        ("LSTM", {}, "units is missing"),
        ("LSTM", {"units": 5, "dtype": "float16"}, "float16"),
        ("Dense", {"units": 5, "axis": 1}, "axis=1"),
        ("Conv1D", {"filters": 2, "kernel_size": [3, 3]}, "not one integer"),
        ("Bidirectional", {"layer": wrapped("Dense", units=5)}, "Bidirectional.Dense"),
        ("Bidirectional", {"layer": wrapped("LSTM", units=5, peephole=1)}, "peephole"),
        ("TimeDistributed", {"layer": wrapped("LSTMCell", units=5)}, "TimeDistributed.LSTMCell"),
        ("RNN", {"cell": wrapped("PeepholeLSTMCell", units=5)}, "PeepholeLSTMCell"),
        ("RNN", {"cell": 3}, "description"),
        ("LSTMCell", {"units": 5}, "no layer of its own"),
        ("LayerNormalization", {"axis": 0}, "axis"),
    ],
)
def test_the_unknown_is_named(kind: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedLayer, match=words) as raised:
        layer(kind, [], **config)
    assert "'a'" in str(raised.value)


@pytest.mark.parametrize(
    ("weights", "inputs", "words"),
    [
        (named("a", W[:2]), {"x": X}, "expected"),
        (named("a", [W[0], W[1], W[2][:-1]]), {"x": X}, "expected"),
        ({**named("a", W), "b/0": W[0]}, {"x": X}, "no layer: b/0"),
        (named("a", [*W, W[2]]), {"x": X}, "too many"),
        (named("a", W), {"y": X}, "inputs"),
        (named("a", W), {"x": X[..., :3]}, "expected"),
        (named("a", W), {"x": X[0]}, "samples"),
    ],
)
def test_what_does_not_fit_is_refused(
    weights: dict[str, Array], inputs: dict[str, Array], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(document(node("a", "LSTM", units=5)), weights, inputs)


def test_an_ignored_mask_passes_no_budget() -> None:
    x = padded(0, 2)
    right = masked(node("a", "LSTM", units=5), W, x)[0]
    assert np.abs(layer("LSTM", W, x, units=5)[0] - right).max() > 1e-2
