"""Compute Keras 2.15's layers that repeat, pad, crop and enlarge in float64.

Arrays as in reference.network.layers: [trials, samples, batch, *space, channels].
Formulas: keras/layers/reshaping and keras/layers/preprocessing of Keras 2.15.
"""

from __future__ import annotations

import numpy as np

from reference.network.config import pairs, several, single
from reference.network.convolution import rank_of, within
from reference.network.hooks import Array, UnsupportedLayer
from reference.network.layers import LEAD, Function, Layer, Run, Tensor, one

_SPACE = LEAD + 1


def repeat_vector(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """[batch, features] n times along a new axis of time."""
    x = one(layer, inputs).value
    return [Tensor(np.repeat(x[..., np.newaxis, :], layer.options["n"], axis=-2))]


def zero_padding(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Zeros around the space."""
    x = one(layer, inputs).value
    around = pairs(layer.name, "padding", layer.options["padding"], rank_of(layer))
    return [Tensor(np.pad(x, [(0, 0)] * _SPACE + around + [(0, 0)]))]


def cropping(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The space without its borders."""
    x = one(layer, inputs).value
    around = pairs(layer.name, "cropping", layer.options["cropping"], rank_of(layer))
    cut = tuple(
        slice(first, size - last)
        for (first, last), size in zip(around, x.shape[_SPACE:-1], strict=True)
    )
    return [Tensor(x[within(cut)])]


def up_sampling(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Each place several times; or, bilinear, what lies between the places."""
    x, rank = one(layer, inputs).value, rank_of(layer)
    size = several(layer.name, "size", layer.options["size"], rank)
    if layer.options.get("interpolation", "nearest") == "nearest":
        for axis, times in enumerate(size):
            x = np.repeat(x, times, axis=_SPACE + axis)
        return [Tensor(x)]
    for axis, times in enumerate(size):
        x = _between(run, f"{layer.name}/{axis}", x, _SPACE + axis, times)
    return [Tensor(run.hooks.tensor(layer.name, x))]


def _between(run: Run, name: str, x: Array, axis: int, times: int) -> Array:
    """tf.image.resize's bilinear: the centre of place k lies at (k + 0.5) / times - 0.5. Where
    that is is rounded too, by as much as the size of the last place allows."""
    length = x.shape[axis]
    at = np.clip((np.arange(length * times) + 0.5) / times - 0.5, 0, length - 1)
    low = np.floor(at).astype(np.int64)
    share = (at - low).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    first, second = np.take(x, low, axis), np.take(x, np.minimum(low + 1, length - 1), axis)
    result = np.asarray(first * (1 - share) + second * share)
    return run.hooks.total(
        f"{name}/total",
        result,
        4,
        lambda: np.abs(result[:1]) + length * np.abs(second[:1] - first[:1]),
    )


def category_encoding(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """1 at each token's place and 0 elsewhere; multi_hot: over all tokens of the last axis."""
    tokens, options = one(layer, inputs).value, layer.options
    count = single(layer.name, "num_tokens", options["num_tokens"])
    indices = tokens[0].astype(np.int64)
    if indices.size and not 0 <= indices.min() <= indices.max() < count:
        raise ValueError(f"layer {layer.name!r}: a token lies outside of 0 to {count - 1}")
    if options["output_mode"] == "one_hot":
        if indices.ndim > LEAD and indices.shape[-1] == 1:
            indices = indices[..., 0]
        return [Tensor(np.eye(count)[indices][np.newaxis])]
    if indices.ndim < LEAD:
        raise UnsupportedLayer(f"layer {layer.name!r}: multi_hot of one token")
    return [Tensor(np.eye(count)[indices].max(axis=-2)[np.newaxis])]


def _of_ranks(name: str, function: Function) -> dict[str, Function]:
    return {f"{name}{rank}D": function for rank in (1, 2, 3)}


SHAPING: dict[str, Function] = {
    "CategoryEncoding": category_encoding,
    **_of_ranks("Cropping", cropping),
    "RepeatVector": repeat_vector,
    **_of_ranks("UpSampling", up_sampling),
    **_of_ranks("ZeroPadding", zero_padding),
}
