"""A mask goes through the right layers, is joined with others, or is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import UnsupportedLayer, evaluate
from tests.support.networks import Array, W, X, close, document, draw, layer, named, node


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


def padded(trail: int, lead: int = 0) -> Array:
    x = X.copy()
    x[:, :, :lead] = 0
    x[:, :, 7 - trail :] = 0
    return x


UPPER = [draw(5, 8), draw(2, 8), draw(8)]  # an LSTM of two units over five features
LOWER = [draw(4, 8), draw(2, 8), draw(8)]  # and over four
_NORM = [draw(4), draw(4, seed=2), draw(4, seed=3), np.square(draw(4, seed=4)) + 0.1]


@pytest.mark.parametrize(
    ("kind", "config", "weights", "upper"),
    [
        ("Activation", {"activation": "tanh"}, [], LOWER),
        ("Dense", {"units": 5}, [draw(4, 5), draw(5)], UPPER),
        ("Dropout", {"rate": 0.5}, [], LOWER),
        ("LayerNormalization", {}, _NORM[:2], LOWER),
        ("BatchNormalization", {}, _NORM, LOWER),
        ("ReLU", {}, [], LOWER),
        ("LeakyReLU", {}, [], LOWER),
        ("TimeDistributed", {"layer": wrapped("Dense", units=5)}, [draw(4, 5), draw(5)], UPPER),
        ("LSTM", {"units": 5, "return_sequences": True}, W, UPPER),
    ],
)
def test_a_mask_passes(
    kind: str, config: dict[str, Any], weights: list[Array], upper: list[Array]
) -> None:
    """The LSTM above ends where the mask of the input does."""
    x = padded(2)
    model = document(
        node("m", "Masking"), node("a", kind, "m", **config), node("b", "LSTM", "a", units=2)
    )
    (found,) = evaluate(model, {**named("a", weights), **named("b", upper)}, {"x": x})
    between = layer(kind, weights, x, **config)[0]
    assert close(found, layer("LSTM", upper, between[:, :, :5], units=2)[0])


def test_the_mask_of_both_directions_passes() -> None:
    x = padded(2)
    inner = wrapped("LSTM", units=5, return_sequences=True)
    above = [draw(10, 8), draw(2, 8), draw(8)]
    model = document(
        node("m", "Masking"),
        node("a", "Bidirectional", "m", layer=inner),
        node("b", "LSTM", "a", units=2),
    )
    (found,) = evaluate(model, {**named("a", W + W), **named("b", above)}, {"x": x})
    ahead, back = (
        layer("LSTM", W, x[:, :, :5][:, :, ::step], units=5, return_sequences=True)[0]
        for step in (1, -1)
    )
    joined = np.concatenate([ahead, back[:, :, ::-1]], -1)
    assert close(found, layer("LSTM", above, joined, units=2)[0])


def test_without_sequences_there_is_nothing_left_to_mask() -> None:
    """A Softmax refuses a mask, so that it shows that there is none."""
    inner = wrapped("LSTM", units=5)
    for lower, weights in (
        (node("a", "LSTM", "m", units=5), W),
        (node("a", "Bidirectional", "m", layer=inner), W + W),
    ):
        model = document(node("m", "Masking"), lower, node("s", "Softmax", "a"))
        (found,) = evaluate(model, named("a", weights), {"x": padded(2)})
        assert found.sum(axis=-1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "config", "upper"),
    [
        ("Add", {}, LOWER),
        ("Subtract", {}, LOWER),
        ("Average", {}, LOWER),
        ("Multiply", {}, LOWER),
        ("Maximum", {}, LOWER),
        ("Concatenate", {}, [draw(8, 8), draw(2, 8), draw(8)]),
        ("Concatenate", {"axis": 2}, [draw(8, 8), draw(2, 8), draw(8)]),
    ],
)
@pytest.mark.parametrize("only", ["", "left", "right"])
def test_masks_are_joined_by_and(
    kind: str, config: dict[str, Any], upper: list[Array], only: str
) -> None:
    """One input is masked from step 5 on, the other from step 4 on, or just one of them."""
    inputs = {"x": padded(2), "y": 2 * padded(3)}
    names = {"x": "p" if only != "right" else "x", "y": "q" if only != "left" else "y"}
    model = document(
        node("p", "Masking", "x"),
        node("q", "Masking", "y"),
        node("a", kind, " ".join(names.values()), **config),
        node("b", "LSTM", "a", units=2),
        x=[7, 4],
        y=[7, 4],
    )
    (found,) = evaluate(model, named("b", upper), inputs)
    merged = document(node("a", kind, "x y", **config), x=[7, 4], y=[7, 4])
    (between,) = evaluate(merged, {}, inputs)
    steps = 5 if only == "left" else 4
    assert close(found, layer("LSTM", upper, between[:, :, :steps], units=2)[0])


@pytest.mark.parametrize("kind", ["Add", "Concatenate", "Maximum"])
def test_without_masks_there_is_none_to_join(kind: str) -> None:
    """Pooling refuses a mask, so that it shows that there is none."""
    model = document(node("a", kind, "x x"), node("p", "GlobalMaxPooling1D", "a"))
    assert evaluate(model, {}, {"x": X})[0].shape[:2] == X.shape[:2]


def test_each_direction_that_is_not_merged_keeps_the_mask() -> None:
    x = padded(2)
    inner = wrapped("LSTM", units=5, return_sequences=True)
    model = document(
        node("m", "Masking"),
        node("a", "Bidirectional", "m", layer=inner, merge_mode=None),
        node("b", "LSTM", "a:0", units=2),
        node("c", "LSTM", "a:1", units=2),
        outputs="b c",
    )
    weights = {**named("a", W + W), **named("b", UPPER), **named("c", UPPER)}
    found = evaluate(model, weights, {"x": x})
    for value, step in zip(found, (1, -1), strict=True):
        kept = x[:, :, :5][:, :, ::step]
        between = layer("LSTM", W, kept, units=5, return_sequences=True)[0][:, :, ::step]
        assert close(value, layer("LSTM", UPPER, between, units=2)[0])


def test_joined_along_the_batch() -> None:
    model = document(node("a", "Concatenate", "x y", axis=0), x=[7, 4], y=[7, 4])
    (found,) = evaluate(model, {}, {"x": X, "y": 2 * X})
    assert np.array_equal(found, np.concatenate([X, 2 * X], 1))


def test_masks_are_not_joined_along_their_own_axis() -> None:
    model = document(
        node("m", "Masking"), node("a", "Concatenate", "m m", axis=1), node("f", "Flatten", "a")
    )
    with pytest.raises(UnsupportedLayer, match=r"^layer 'a': masks joined along axis 1$"):
        evaluate(model, {}, {"x": X})


@pytest.mark.parametrize(
    "kind",
    ["GlobalMaxPooling1D", "AveragePooling1D", "MaxPooling1D", "ZeroPadding1D", "Cropping1D"],
)
def test_a_mask_ends_where_keras_ends_it(kind: str) -> None:
    """Such a layer pools masked steps too, and what reads it sees no mask."""
    model = document(node("m", "Masking"), node("a", kind, "m"))
    alone = document(node("a", kind))
    x = padded(2)
    (found,), (plain,) = evaluate(model, {}, {"x": x}), evaluate(alone, {}, {"x": x})
    assert (found == plain).all()


def test_a_mean_leaves_out_masked_steps() -> None:
    model = document(node("m", "Masking"), node("a", "GlobalAveragePooling1D", "m"))
    (found,) = evaluate(model, {}, {"x": padded(2)})
    np.testing.assert_allclose(found, X[:, :, :-2].mean(axis=2))


def test_a_mask_that_would_be_ignored_is_refused() -> None:
    model = document(node("m", "Masking"), node("a", "Softmax", "m"))
    with pytest.raises(UnsupportedLayer, match=r"layer 'a'.*mask"):
        evaluate(model, {}, {"x": padded(2)})


def test_a_mask_value_is_compared_exactly() -> None:
    x = X.copy()
    x[:, :, 5:] = 0.25
    model = document(node("m", "Masking", mask_value=0.25), node("a", "LSTM", "m", units=5))
    (found,) = evaluate(model, named("a", W), {"x": x})
    assert close(found, layer("LSTM", W, x[:, :, :5], units=5)[0])
