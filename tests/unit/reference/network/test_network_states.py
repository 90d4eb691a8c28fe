"""Initial and final states, both directions and fusion are as Keras has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import UnsupportedLayer, evaluate
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

BACK = lstm_weights(seed=3)
INITIAL = [draw(2, 3, 5, seed=k) for k in range(20, 24)]  # [samples, batch, units]


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


def started(weights: list[Array], x: Array, initial: list[Array], **config: Any) -> list[Array]:
    """Outputs and final states of an LSTM that starts in these states."""
    single = document(
        node("a", "LSTM", "x", "h c", units=5, return_state=True, **config),
        outputs="a:0 a:1 a:2",
        x=list(x.shape[2:]),
        h=[5],
        c=[5],
    )
    given = {"x": x, "h": initial[0], "c": initial[1]}
    return evaluate(single, named("a", weights), given)


def both_directions(outputs: str, **config: Any) -> list[Array]:
    names = "s0 s1 s2 s3"
    inner = wrapped("LSTM", units=5, return_sequences=True, return_state=True)
    model = document(
        node("a", "Bidirectional", "x", names, layer=inner, **config),
        outputs=outputs,
        x=[7, 4],
        **{name: [5] for name in names.split()},
    )
    given = dict(zip(names.split(), INITIAL, strict=True))
    return evaluate(model, named("a", W + BACK), {"x": X, **given})


@pytest.mark.parametrize("merge", ["sum", None])
def test_each_direction_has_states_of_its_own(merge: str | None) -> None:
    count = 5 if merge else 6
    outputs = " ".join(f"a:{k}" for k in range(count))
    *found, h, c, back_h, back_c = both_directions(outputs, merge_mode=merge)
    ahead = started(W, X, INITIAL[:2], return_sequences=True)
    back = started(BACK, X[:, :, ::-1], INITIAL[2:], return_sequences=True)
    want = [ahead[0], back[0][:, :, ::-1]]
    want = want if merge is None else [want[0] + want[1]]
    assert all(close(a, b) for a, b in zip(found, want, strict=True))
    for state, expected in zip((h, c, back_h, back_c), (*ahead[1:], *back[1:]), strict=True):
        assert close(state, expected)


def test_the_last_outputs_of_both_directions() -> None:
    model = document(node("a", "Bidirectional", layer=wrapped("LSTM", units=5)))
    (found,) = evaluate(model, named("a", W + BACK), {"x": X})
    ends = [layer("LSTM", w, x, units=5)[0] for w, x in ((W, X), (BACK, X[:, :, ::-1]))]
    assert close(found, np.concatenate(ends, -1))


def test_a_time_major_bidirectional_turns_the_time() -> None:
    inner = wrapped("LSTM", units=5, return_sequences=True, time_major=True)
    turned = X.swapaxes(1, 2)
    model = document(node("a", "Bidirectional", layer=inner), x=[3, 4])
    (found,) = evaluate(model, named("a", W + BACK), {"x": turned})
    plain = wrapped("LSTM", units=5, return_sequences=True)
    model = document(node("a", "Bidirectional", layer=plain))
    (want,) = evaluate(model, named("a", W + BACK), {"x": X})
    assert close(found.swapaxes(1, 2), want)


def test_a_backward_layer_of_its_own() -> None:
    ahead = wrapped("LSTM", units=5, return_sequences=True)
    back = wrapped("GRU", units=5, return_sequences=True, go_backwards=True)
    weights = [draw(4, 15), draw(5, 15), draw(2, 15)]
    model = document(node("a", "Bidirectional", layer=ahead, backward_layer=back))
    (found,) = evaluate(model, named("a", W + weights), {"x": X})
    want = [
        layer("LSTM", W, units=5, return_sequences=True)[0],
        layer("GRU", weights, X[:, :, ::-1], units=5, return_sequences=True)[0][:, :, ::-1],
    ]
    assert close(found, np.concatenate(want, -1))


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (wrapped("LSTM", units=5), "^layer 'a': backward layer of class LSTM$"),
        (wrapped("Dense", units=5), "'units'|backward layer of class Dense"),
        ({"class": "LSTM"}, "^layer 'a': a wrapped layer must be a description$"),
    ],
)
def test_a_backward_layer_that_is_none_is_refused(back: dict[str, Any], words: str) -> None:
    model = document(
        node("a", "Bidirectional", layer=wrapped("LSTM", units=5), backward_layer=back)
    )
    with pytest.raises(UnsupportedLayer, match=words):
        evaluate(model, named("a", W + BACK), {"x": X})


# Which LSTMs are fused: those have the cell clipped -----------------------------------------

FULL = [W[0], W[1], np.full(20, 9.0)]  # every gate open: the cell grows by one at each step
CLIP = 0.5


def clips(model: dict[str, Any], weights: list[Array]) -> bool:
    free, clipped = (
        evaluate(model, named("a", weights), {"x": X}, cell_clip=clip)[0] for clip in (0.0, CLIP)
    )
    assert np.abs(free[..., :5]).max() > np.tanh(4.0)
    changed = not close(free, clipped)
    if changed:
        assert np.abs(clipped).max() <= np.tanh(CLIP)
    return changed


@pytest.mark.parametrize(
    ("config", "fused"),
    [
        ({}, True),
        ({"return_sequences": True}, True),
        ({"go_backwards": True}, True),
        ({"unroll": True}, False),
        ({"stateful": True}, False),
        ({"recurrent_dropout": 0.1}, False),
        ({"recurrent_activation": "hard_sigmoid"}, False),
        ({"activation": "softsign", "recurrent_activation": "sigmoid"}, False),
    ],
)
def test_the_converter_fuses_plain_lstms(config: dict[str, Any], fused: bool) -> None:
    model = document(node("a", "LSTM", units=5, **config))
    if config.get("activation"):
        free, clipped = (
            evaluate(model, named("a", FULL), {"x": X}, cell_clip=c)[0] for c in (0, CLIP)
        )
        assert close(free, clipped)
    else:
        assert clips(model, FULL) is fused


@pytest.mark.parametrize(
    ("outputs", "fused"), [("a:0", True), ("a:0 a:1", False), ("a:0 a:2", False)]
)
def test_an_lstm_whose_states_are_read_is_not_fused(outputs: str, fused: bool) -> None:
    model = document(node("a", "LSTM", units=5, return_state=True), outputs=outputs)
    assert clips(model, FULL) is fused


@pytest.mark.parametrize(
    ("merge", "outputs", "fused"),
    [
        ("concat", "a:0", True),
        ("concat", "a:0 a:1", False),
        ("concat", "a:0 a:4", False),
        (None, "a:0 a:1", True),
        (None, "a:0 a:2", False),
        (None, "a:0 a:5", False),
    ],
)
def test_both_directions_are_fused_unless_a_state_is_read(
    merge: str | None, outputs: str, fused: bool
) -> None:
    inner = wrapped("LSTM", units=5, return_state=True)
    model = document(node("a", "Bidirectional", layer=inner, merge_mode=merge), outputs=outputs)
    assert clips(model, FULL + FULL) is fused


def test_a_mask_keeps_an_lstm_from_being_fused() -> None:
    model = document(node("m", "Masking"), node("a", "LSTM", "m", units=5))
    assert not clips(model, FULL)


@pytest.mark.parametrize("kind", ["RNN", "StackedRNNCells"])
def test_a_cell_in_an_rnn_layer_is_not_fused(kind: str) -> None:
    cell = wrapped("LSTMCell", units=5)
    if kind == "StackedRNNCells":
        cell = wrapped(kind, cells=[cell])
    assert not clips(document(node("a", "RNN", cell=cell)), FULL)


# Refusals -----------------------------------------------------------------------------------

STACK = wrapped("StackedRNNCells", cells=[wrapped("LSTMCell", units=5)])


def test_the_states_of_stacked_cells_are_refused() -> None:
    for rnn, inputs in (
        (node("a", "RNN", "x", cell=STACK, return_state=True), {"x": X}),
        (node("a", "RNN", "x", "h c", cell=STACK), {"x": X, "h": INITIAL[0], "c": INITIAL[1]}),
    ):
        model = document(rnn, outputs="a:0", **{k: list(v.shape[2:]) for k, v in inputs.items()})
        with pytest.raises(UnsupportedLayer, match=r"^layer 'a': the nested states of StackedRNN"):
            evaluate(model, named("a", W), inputs)


def test_the_states_of_one_cell_are_not() -> None:
    cell = wrapped("LSTMCell", units=5)
    model = document(node("a", "RNN", cell=cell, return_state=True), outputs="a:0 a:1 a:2")
    found = evaluate(model, named("a", W), {"x": X})
    want = layer("LSTM", W, units=5, return_state=True)
    assert all(close(a, b) for a, b in zip(found, want, strict=True))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (wrapped("StackedRNNCells", cells=[]), "^layer 'a': StackedRNNCells without cells$"),
        (wrapped("StackedRNNCells", cells=[3]), "^layer 'a': a wrapped layer must be a descr"),
        (wrapped("Dense", units=5), "^layer 'a': cell of class Dense$"),
    ],
)
def test_what_is_no_cell_is_refused(cell: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedLayer, match=words):
        evaluate(document(node("a", "RNN", cell=cell)), named("a", W), {"x": X})


def test_cells_without_biases_leave_the_others_their_weights() -> None:
    lower, upper = wrapped("LSTMCell", units=5, use_bias=False), wrapped("GRUCell", units=3)
    above = [draw(5, 9), draw(3, 9), draw(2, 9)]
    stack = wrapped("StackedRNNCells", cells=[lower, upper])
    (found,) = layer("RNN", [*W[:2], *above], cell=stack)
    between = layer("LSTM", W[:2], units=5, use_bias=False, return_sequences=True)[0]
    assert close(found, layer("GRU", above, between, units=3)[0])


@pytest.mark.parametrize("after", [True, False])
def test_a_gru_without_biases_is_one_with_zeros(after: bool) -> None:
    kernels = [draw(4, 15), draw(5, 15)]
    zeros = np.zeros((2, 15) if after else 15)
    found = layer("GRU", kernels, units=5, use_bias=False, reset_after=after)[0]
    assert close(found, layer("GRU", [*kernels, zeros], units=5, reset_after=after)[0])


def test_a_sequence_without_time_steps_is_refused() -> None:
    model = document(node("a", "LSTM", units=5), x=[0, 4])
    with pytest.raises(ValueError, match=r"^a sequence without time steps$"):
        evaluate(model, named("a", W), {"x": X[:, :, :0]})


@pytest.mark.parametrize("states", ["h", "h h h", "h w"])
def test_states_that_do_not_fit_are_refused(states: str) -> None:
    inputs = {"x": X, "h": INITIAL[0], "w": np.zeros((2, 3, 4))}
    model = document(node("a", "LSTM", "x", states, units=5), x=[7, 4], h=[5], w=[4])
    with pytest.raises(ValueError, match=r"^layer 'a': initial states of wrong number or shape$"):
        evaluate(model, named("a", W), inputs)


@pytest.mark.parametrize("bias", [True, False])
def test_a_conv_lstm_takes_its_weights_and_no_more(bias: bool) -> None:
    weights = [draw(2, 4, 12), draw(2, 3, 12), draw(12)][: 3 if bias else 2]
    config: dict[str, Any] = {"filters": 3, "kernel_size": 2, "use_bias": bias}
    pixels = draw(1, 1, 3, 6, 4)
    assert layer("ConvLSTM1D", weights, pixels, **config)[0].shape == (1, 1, 5, 3)
    with pytest.raises(ValueError, match="1 weights too many"):
        layer("ConvLSTM1D", [*weights, draw(12)], pixels, **config)
    with pytest.raises(ValueError, match=r"^layer 'a': weights "):
        layer("ConvLSTM1D", weights[:1], pixels, **config)
    with pytest.raises(UnsupportedLayer, match=r"^layer 'a': kernel_size=\[2, 2\]"):
        layer("ConvLSTM1D", weights, pixels, **{**config, "kernel_size": [2, 2]})
    # The cell of a ConvLSTM1D is not clipped: the converter does not fuse it.
    model = document(node("a", "ConvLSTM1D", **config), x=[3, 6, 4])
    given = named("a", [9 * weight for weight in weights])
    free, clipped = (
        evaluate(model, given, {"x": pixels}, cell_clip=clip)[0] for clip in (0.0, 0.01)
    )
    assert close(free, clipped)
