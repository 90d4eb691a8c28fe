"""Compute Keras 2.15's attention layers and EinsumDense in float64.

Arrays as in reference.network.layers: [trials, samples, batch, time, features]. Dot-product
attention: Luong et al. 2015; additive: Bahdanau et al. 2015; several heads: Vaswani et al. 2017.
Formulas: keras/layers/attention and keras/layers/core/einsum_dense.py of Keras 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference.network.activations import applied
from reference.network.hooks import Array, UnsupportedLayer, align
from reference.network.layers import (
    LEAD,
    Function,
    Layer,
    Run,
    Tensor,
    expect_weights,
    finished,
    one,
    product,
)
from reference.network.steps import added, contracted, learned, multiplied

#: What Keras adds to a score that is masked.
_MASKED = -1e9


def _masked(run: Run, name: str, scores: Array, mask: Array | None) -> Array:
    if mask is None:
        return scores
    hidden = np.where(mask, 0.0, _MASKED)
    return run.hooks.tensor(f"{name}/masked", scores + hidden)


def _causal(queries: int, values: int) -> Array:
    """Whether a query may look at a value: at those up to its own place."""
    return np.tri(queries, values, dtype=bool)[np.newaxis, np.newaxis, np.newaxis]


def _both(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def attention(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """softmax(scores of query and key) value; the inputs are query, value and perhaps key."""
    hooks, name = run.hooks, layer.name
    if len(inputs) not in (2, 3):
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): {len(inputs)} inputs")
    (query, query_mask), (value, value_mask) = inputs[:2]
    key = inputs[-1].value if len(inputs) == 3 else value
    if layer.kind == "AdditiveAttention":
        scores = _additive(run, layer, query, key)
    else:
        scores = _luong(run, layer, query, key)
    mask = None if value_mask is None else value_mask[..., np.newaxis, :]
    if layer.options["causal"] or layer.call["use_causal_mask"]:
        mask = _both(mask, _causal(*scores.shape[-2:]))
    shares = applied(hooks, f"{name}/shares", "softmax", _masked(run, name, scores, mask))
    result = contracted(hooks, name, shares, value)
    if query_mask is not None:
        result = result * query_mask[..., np.newaxis]
    more = [Tensor(shares)] if layer.call["return_attention_scores"] else []
    return [Tensor(result, query_mask), *more]


def _luong(run: Run, layer: Layer, query: Array, key: Array) -> Array:
    """query key', or the sum of tanh(query + key) over the features, each times a scalar."""
    hooks, name, options = run.hooks, layer.name, layer.options
    concat = options["score_mode"] == "concat"
    scalars = expect_weights(layer, *[()] * (bool(options["use_scale"]) + concat))
    if not concat:
        scores = contracted(hooks, f"{name}/scores", query, np.swapaxes(key, -1, -2))
        if options["use_scale"]:
            scores = multiplied(hooks, f"{name}/scaled", scores, _scalar(scalars[0]))
        return scores
    total = added(hooks, f"{name}/pairs", query[..., :, np.newaxis, :], key[..., np.newaxis, :, :])
    if options["use_scale"]:
        total = multiplied(hooks, f"{name}/scaled", total, _scalar(scalars[0]))
    summed = _over_features(run, f"{name}/scores", applied(hooks, f"{name}/tanh", "tanh", total))
    return multiplied(hooks, f"{name}/weighted", summed, _scalar(scalars[-1]))


def _scalar(value: Array) -> Array:
    return value.reshape(1, 1, 1, 1, 1)


def _additive(run: Run, layer: Layer, query: Array, key: Array) -> Array:
    """The sum of scale tanh(query + key) over the features."""
    hooks, name = run.hooks, layer.name
    shapes = [(key.shape[-1],)] * bool(layer.options["use_scale"])
    scale = expect_weights(layer, *shapes)
    total = added(hooks, f"{name}/pairs", query[..., :, np.newaxis, :], key[..., np.newaxis, :, :])
    result = applied(hooks, f"{name}/tanh", "tanh", total)
    if scale:
        factor = align(learned(hooks, f"{name}/scale", scale[0]), result.ndim)
        result = multiplied(hooks, f"{name}/scaled", result, factor)
    return _over_features(run, f"{name}/scores", result)


def _over_features(run: Run, name: str, x: Array) -> Array:
    total = run.hooks.total(
        f"{name}/total", x.sum(axis=-1), x.shape[-1], lambda: np.abs(x[:1]).sum(axis=-1)
    )
    return run.hooks.tensor(name, total)


def multi_head_attention(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Every head's softmax(q k' / sqrt(key_dim)) v, q, k and v projections of the inputs, and a
    projection of all heads together."""
    options, call, name, hooks = layer.options, layer.call, layer.name, run.hooks
    query = inputs[0]
    if call["value"] is None:
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): called without a value")
    value = _given(call["value"], inputs)
    key = value if call["key"] is None else _given(call["key"], inputs)
    heads, size = options["num_heads"], options["key_dim"]
    width = options["value_dim"] or size
    axes = options["attention_axes"]
    if options["output_shape"] or (axes and list(axes) != list(range(1, query.value.ndim - 3))):
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): output_shape or attention_axes")
    features = query.value.shape[-1]
    shapes: list[tuple[int, ...]] = []
    for source, depth in ((query, size), (key, size), (value, width)):
        shapes += [(source.value.shape[-1], heads, depth), (heads, depth)]
    shapes += [(heads, width, features), (features,)]
    use_bias = bool(options["use_bias"])
    own = expect_weights(layer, *(shapes if use_bias else shapes[::2]))
    step = 2 if use_bias else 1

    def head(part: str, source: Tensor, depth: int, index: int) -> Array:
        """[.., heads, time, depth]."""
        x = _flat(source.value)
        kernel = own[step * index].reshape(x.shape[-1], heads * depth)
        bias = own[step * index + 1].reshape(-1) if use_bias else None
        result = product(run, f"{name}/{part}", x, kernel, bias)
        result = hooks.tensor(f"{name}/{part}", result)
        return np.swapaxes(result.reshape(*result.shape[:-1], heads, depth), -2, -3)

    q = head("query", query, size, 0)
    k = head("key", key, size, 1)
    v = head("value", value, width, 2)
    q = multiplied(hooks, f"{name}/scaled", q, np.full((1,) * q.ndim, 1 / np.sqrt(size)))
    scores = contracted(hooks, f"{name}/scores", q, np.swapaxes(k, -1, -2))
    mask = _mask_of_heads(query, key, value, call, scores)
    shares = applied(hooks, f"{name}/shares", "softmax", _masked(run, name, scores, mask))
    mixed = contracted(hooks, f"{name}/mixed", shares, v)
    together = np.swapaxes(mixed, -2, -3)
    together = together.reshape(*together.shape[:-2], heads * width)
    kernel = own[3 * step].reshape(heads * width, features)
    bias = own[-1] if use_bias else None
    result = hooks.tensor(name, product(run, name, together, kernel, bias))
    result = result.reshape(len(result), *query.value.shape[1:])
    more = [Tensor(shares)] if call["return_attention_scores"] else []
    return [Tensor(result, query.mask), *more]


def _flat(x: Array) -> Array:
    """All axes between batch and features as one."""
    return x.reshape(*x.shape[: LEAD + 1], -1, x.shape[-1])


def _given(place: Mapping[str, int], inputs: list[Tensor]) -> Tensor:
    return inputs[place["input"]]


def _mask_of_heads(
    query: Tensor, key: Tensor, value: Tensor, call: Mapping[str, Any], scores: Array
) -> Array | None:
    """What each query may look at: [.., 1, queries, values]."""
    mask = None if query.mask is None else query.mask[..., :, np.newaxis]
    for source in (value, key):
        if source.mask is not None:
            mask = _both(mask, source.mask[..., np.newaxis, :])
    if call["use_causal_mask"]:
        mask = _both(mask, _causal(*scores.shape[-2:]))
    return None if mask is None else mask[..., np.newaxis, :, :]


def einsum_dense(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """activation(einsum(equation, x, kernel) + bias), the bias along the axes of bias_axes."""
    x, options, name, hooks = one(layer, inputs).value, layer.options, layer.name, run.hooks
    equation = str(options["equation"]).replace(" ", "")
    left, result_part = equation.split("->")
    x_part, kernel_part = left.split(",")
    if x_part.startswith("..."):
        letters = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
        free = "".join(letters[: x.ndim - LEAD - (len(x_part) - 3)])
        x_part, result_part = x_part.replace("...", free), result_part.replace("...", free)
    if "." in x_part + kernel_part + result_part or set(kernel_part) & {x_part[0]}:
        raise UnsupportedLayer(f"layer {name!r} ({layer.kind}): equation={equation!r}")
    kernel, *bias = layer.weights
    sizes = dict(zip(x_part, x.shape[LEAD:], strict=True))
    sizes.update(zip(kernel_part, kernel.shape, strict=True))
    flat = kernel.reshape(-1, kernel.shape[-1])
    w = hooks.weight(f"{name}/kernel", "kernel", flat)
    w = w.reshape(len(w), *kernel.shape)
    x = hooks.operand(f"{name}/kernel", x)

    def value(x: Array, w: Array) -> Array:
        by_trial = f"...{x_part},{kernel_part}->...{result_part}"
        if len(w) == 1:
            return np.asarray(np.einsum(by_trial, x, w[0], optimize=True))
        rows = [x[min(t, len(x) - 1)] for t in range(len(w))]
        return np.stack(
            [
                np.einsum(by_trial, row, one_w, optimize=True)
                for row, one_w in zip(rows, w, strict=True)
            ]
        )

    result = value(x, w)
    terms = int(np.prod([sizes[c] for c in set(x_part) & set(kernel_part) - set(result_part)]))
    offset: Array | None = None
    if bias:
        axes = [k for k, c in enumerate(result_part) if c in str(options["bias_axes"])]
        shape = [sizes[c] if k in axes else 1 for k, c in enumerate(result_part)]
        stored = hooks.weight(f"{name}/bias", "bias", bias[0].reshape(-1))
        offset = stored.reshape(len(stored), 1, *shape)
        result = result + offset

    def magnitude() -> Array:
        total = value(np.abs(x[:1]), np.abs(w[:1]))
        return total if offset is None else total + np.abs(offset[:1])

    total = hooks.total(f"{name}/total", result, terms + bool(bias), magnitude)
    return [Tensor(finished(run, layer, total))]


ATTENTION: dict[str, Function] = {
    "AdditiveAttention": attention,
    "Attention": attention,
    "EinsumDense": einsum_dense,
    "MultiHeadAttention": multi_head_attention,
}
