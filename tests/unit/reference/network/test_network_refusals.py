"""The network oracle refuses each layer it does not know, by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import UnsupportedLayer, evaluate
from reference.network.layers import FUNCTIONS
from reference.network.merging import MERGING
from tests.support.networks import W, X, close, document, layer, named, node


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


_GIVEN: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "tanh"},
    "CategoryEncoding": {"num_tokens": 3},
    **{f"Conv{rank}D": {"filters": 2, "kernel_size": 3} for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": {"filters": 2, "kernel_size": 3} for rank in (1, 2, 3)},
    **{f"ConvLSTM{rank}D": {"filters": 2, "kernel_size": 3} for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": {"kernel_size": 3} for rank in (1, 2)},
    "EinsumDense": {"equation": "abc,cd->abd", "output_shape": [7, 2]},
    "Rescaling": {"scale": 2.0},
    **{f"SeparableConv{rank}D": {"filters": 2, "kernel_size": 3} for rank in (1, 2)},
    "Bidirectional": {"layer": wrapped("LSTM", units=5)},
    "Dense": {"units": 2},
    "Embedding": {"input_dim": 3, "output_dim": 2},
    "GRU": {"units": 5},
    "LSTM": {"units": 5},
    "Permute": {"dims": [2, 1]},
    "RNN": {"cell": wrapped("LSTMCell", units=5)},
    "RepeatVector": {"n": 2},
    "Reshape": {"target_shape": [28]},
    "SimpleRNN": {"units": 5},
    "TimeDistributed": {"layer": wrapped("Dense", units=2)},
}


#: Layers that are called with several inputs or with none, besides those that merge.
SEVERAL = {
    *("AdditiveAttention", "Attention", "Constant", "MultiHeadAttention", "TFOpLambda"),
    "UnfoldTime",
}


@pytest.mark.parametrize("kind", sorted(FUNCTIONS.keys() - MERGING.keys() - SEVERAL))
def test_a_layer_of_one_input_names_itself_when_it_gets_two(kind: str) -> None:
    given = _GIVEN.get(kind, {})
    both = document(node("several", kind, "x y", **given), x=[7, 4], y=[7, 4])
    with pytest.raises(UnsupportedLayer, match=rf"^layer 'several' \({kind}\): .* inputs$"):
        evaluate(both, {}, {"x": X, "y": X})


@pytest.mark.parametrize("kind", sorted(MERGING.keys() - {"Concatenate", "Dot"}))
def test_merged_inputs_have_one_rank(kind: str) -> None:
    both = document(node("a", kind, "x y"), x=[7, 4], y=[4])
    with pytest.raises(UnsupportedLayer, match=rf"^layer 'a' \({kind}\): inputs of several ranks"):
        evaluate(both, {}, {"x": X, "y": X[:, :, 0]})


def test_a_difference_is_of_two() -> None:
    three = document(node("a", "Subtract", "x x x"))
    with pytest.raises(UnsupportedLayer, match=r"^layer 'a' \(Subtract\): 3 inputs$"):
        evaluate(three, {}, {"x": X})


def test_initial_states_are_for_recurrent_layers() -> None:
    model = document(node("a", "Dense", "x", "s", units=3), x=[7, 4], s=[3])
    with pytest.raises(UnsupportedLayer, match=r"^layer 'a' \(Dense\): initial_state$"):
        evaluate(model, {}, {"x": X, "s": X[:, :, 0, :3]})


def test_an_input_may_leave_a_size_open_and_needs_its_rank() -> None:
    model = document(node("a", "LSTM", units=5), x=[None, 4])
    (found,) = evaluate(model, named("a", W), {"x": X})
    assert close(found, layer("LSTM", W, units=5)[0])
    for wrong in (X[..., :3], X[..., 0], X[..., np.newaxis]):
        with pytest.raises(ValueError, match=r"^input 'x' is .*expected \[samples, batch, None, 4"):
            evaluate(model, named("a", W), {"x": wrong})


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        ("AveragePooling1D", {"pool_size": [2, 2]}, r"pool_size=\[2, 2\] is not one integer"),
        ("MaxPooling1D", {"strides": 1.5}, "strides=1.5 is not one integer"),
        ("MaxPooling1D", {"strides": True}, "strides=True is not one integer"),
        ("Softmax", {"axis": [1, 2]}, r"axis=\[1, 2\], or a mask"),
        ("BatchNormalization", {"axis": [1, 2]}, r"axis=\[1, 2\] is not one axis"),
        ("Conv1D", {"filters": 2, "kernel_size": 3, "strides": "2"}, "strides='2' is not one"),
        (
            "TimeDistributed",
            {"layer": wrapped("TimeDistributed", layer=wrapped("Flatten"))},
            r"TimeDistributed\(TimeDistributed\)$",
        ),
        ("UpSampling2D", {"size": [2]}, r"size=\[2\] is not 2 integers"),
        ("ZeroPadding2D", {"padding": [1, 2, 3]}, r"padding=\[1, 2, 3\] is not of 2 axes"),
        ("TimeDistributed", {"layer": "Dense"}, "a wrapped layer must be a description"),
    ],
)
def test_an_option_that_is_not_implemented_is_named(
    kind: str, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnsupportedLayer, match=f"^layer 'a': {words}"):
        layer(kind, [], **config)


@pytest.mark.parametrize(
    ("kind", "config", "shapes"),
    [
        ("Dense", {"units": 5}, [(4, 5), (5,)]),
        ("Conv1D", {"filters": 2, "kernel_size": 3}, [(3, 4, 2), (2,)]),
        ("Embedding", {"input_dim": 3, "output_dim": 2}, [(3, 2)]),
        ("LSTM", {"units": 2}, [(4, 8), (2, 8), (8,)]),
        ("GRU", {"units": 2}, [(4, 6), (2, 6), (2, 6)]),
        ("LayerNormalization", {}, [(4,), (4,)]),
        ("BatchNormalization", {}, [(4,)] * 4),
    ],
)
def test_weights_that_do_not_fit_are_named_with_those_that_would(
    kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    wrong = [np.zeros(shape) for shape in shapes[:-1]]
    expected = str(shapes).replace("[", r"\[").replace("]", r"\]")
    expected = expected.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"^layer 'a': weights .*, expected {expected}$"):
        layer(kind, wrong, **config)


def test_an_axis_may_be_given_as_a_list_of_one() -> None:
    ones = [np.ones(4)] * 4
    for axis in (2, [2], -1, [-1]):
        for kind, weights in (("BatchNormalization", ones), ("LayerNormalization", ones[:2])):
            (found,) = layer(kind, weights, axis=axis)
            assert close(found, layer(kind, weights)[0])


def test_all_superfluous_weights_are_named() -> None:
    weights = named("b", [np.zeros(1), np.zeros(2)])
    with pytest.raises(ValueError, match=r"^weights of no layer: b/0, b/1$"):
        evaluate(document(node("a", "Flatten")), weights, {"x": X})
