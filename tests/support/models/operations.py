"""Build a Keras model of every operation on tensors that the oracle knows.

Imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

SHAPE = (7, 6)


def operations(tf: Any) -> Iterator[tuple[str, Any]]:
    """Models of x and y [7, 6], named after what they compute of them and of an LSTM's states."""
    x, y = tf.keras.Input(SHAPE, name="x"), tf.keras.Input(SHAPE, name="y")
    _, s, c = tf.keras.layers.LSTM(4, return_state=True)(x)
    found = {
        **_places(tf, x, y, s, c),
        **_arithmetic(tf, x, y),
        **_along_axes(tf, x, y),
        **_choices(tf, x, y),
    }
    for name, expression in found.items():
        yield f"operation-{name}", tf.keras.Model([x, y], expression)


def _places(tf: Any, x: Any, y: Any, s: Any, c: Any) -> dict[str, Any]:
    """What moves, cuts and joins."""
    return {
        "a-step": x[:, 2],
        "last": x[:, -1],
        "steps": x[:, 1:4],
        "every-second": x[:, ::2, tf.newaxis],
        "backwards": x[:, ::-1],
        "ellipsis": x[..., 2:, None],
        "states": tf.concat([s, c], axis=-1),
        "stack": tf.stack([s, c, s + c], axis=1),
        "unstack": tf.unstack(x, axis=1)[2] * tf.unstack(y, axis=1)[0],
        "split": tf.split(x, 3, axis=2)[1] - tf.split(y, [2, 2, -1], axis=2)[0],
        "transpose": tf.transpose(x, [0, 2, 1]),
        "reshape": tf.reshape(x, (-1, 3, 14)),
        "reshape-by-shape": tf.reshape(x, (tf.shape(x)[0], -1)),
        "squeeze": tf.squeeze(tf.expand_dims(x, 1), 1) + tf.expand_dims(s, 1)[:, :, :1],
        "tile": tf.tile(s[:, tf.newaxis], [1, 7, 2]),
        "repeat": tf.repeat(x, 2, axis=1),
        "reverse": tf.reverse(x, [1]) + tf.roll(y, 2, 1),
        "pad": tf.pad(x, [[0, 0], [1, 2], [0, 1]]),
        "pad-by-reflection": tf.pad(x, [[0, 0], [1, 2], [0, 1]], "REFLECT"),
        "gather": tf.gather(x, [5, 0, 2], axis=2),
        "slice": tf.slice(x, [0, 2, 0], [-1, 3, 4]),
        "zeros": tf.zeros_like(x) + tf.ones_like(y) * x + tf.zeros((1, 7, 6)),
        "broadcast": tf.broadcast_to(tf.reduce_mean(x, 1, keepdims=True), tf.shape(x)) - x,
        "same": tf.stop_gradient(tf.identity(x)) + tf.fill(tf.shape(y), 0.5),
    }


def _arithmetic(tf: Any, x: Any, y: Any) -> dict[str, Any]:
    """What works number by number."""
    silu, selu, gelu = tf.nn.silu, tf.nn.selu, tf.nn.gelu
    return {
        "sum": x + y * 2.0 - 1.0,
        "add-n": tf.add_n([x, y, x]) + tf.add(x, y),
        "reversed": 1.0 - x / (2.0 + y * y),
        "row": x * tf.constant([1.0, -2.0, 0.3, 4.0, 5.0, 0.1]),
        "bias": tf.nn.bias_add(x, tf.constant([1.0, -2.0, 0.3, 4.0, 5.0, 0.1])),
        "power": x**2 + tf.square(y) - tf.math.squared_difference(x, y),
        "roots": tf.sqrt(tf.abs(x) + 0.1) + tf.math.rsqrt(tf.abs(y) + 1.0),
        "logarithm": tf.math.log(tf.exp(x) + tf.exp(y)) + tf.math.reciprocal(y * y + 1.0),
        "waves": tf.sin(x) * tf.cos(y) + tf.math.erf(x),
        "activations": tf.nn.relu(x) + silu(y) + tf.sigmoid(x) * selu(y),
        "more-activations": gelu(x) + tf.nn.leaky_relu(y, 0.1) - tf.nn.elu(x) + tf.nn.relu6(9 * y),
        "approximate-gelu": gelu(x, approximate=True) + tf.math.softplus(y) + tf.tanh(x),
        "softsign": tf.nn.softsign(x) - tf.nn.log_softmax(y),
        "divide": tf.math.divide_no_nan(x, tf.nn.relu(y)) + tf.math.divide(x, 3.0),
        "whole": tf.floor(y) + tf.round(x) + tf.math.ceil(y) - x // 0.7,
    }


def _along_axes(tf: Any, x: Any, y: Any) -> dict[str, Any]:
    """What sums up."""
    backend = tf.keras.backend
    by_hand = tf.nn.softmax(tf.tanh(x)[:, :, :1], axis=1) * y
    return {
        "mean": tf.reduce_mean(x, axis=1),
        "means": tf.reduce_mean(x, axis=[1, 2], keepdims=True),
        "total": tf.reduce_sum(x, axis=-1) - tf.reduce_max(y, axis=2),
        "product": tf.reduce_prod(x, axis=1) + tf.reduce_min(y, axis=1),
        "spread": tf.math.reduce_variance(x, axis=1) + tf.math.reduce_std(y, axis=1),
        "unit": tf.math.l2_normalize(x, axis=-1),
        "running": tf.cumsum(x, axis=1) + tf.cumsum(y, axis=1, exclusive=True, reverse=True),
        "scores": tf.matmul(x, y, transpose_b=True),
        "shares": tf.nn.softmax(tf.matmul(x, x, transpose_b=True), axis=1),
        "matrix": tf.matmul(x, tf.constant(np.eye(6, 3), tf.float32)),
        "backend-dot": backend.batch_dot(x, y, axes=(2, 2)),
        "attention-by-hand": tf.reduce_sum(by_hand, axis=1),
        "backend": backend.mean(x, axis=1) + backend.sum(backend.square(y), axis=1),
    }


def _choices(tf: Any, x: Any, y: Any) -> dict[str, Any]:
    """What compares and chooses."""
    whole = tf.cast(tf.round(x), "int32")
    return {
        "extremes": tf.maximum(x, y) - tf.minimum(x, 0.2),
        "clip": tf.clip_by_value(x, -0.3, 0.6) - tf.sign(y),
        "where": tf.where(x > 0.0, x, y),
        "both": tf.where(tf.logical_and(x >= 0.1, y < 0.5), x, -y),
        "either": tf.where(tf.logical_or(x <= 0.1, tf.logical_not(y < 0.5)), x, 2 * y),
        "equal": tf.where(tf.equal(whole, 1), x, tf.where(tf.not_equal(whole, 0), y, -x)),
        "cast": tf.cast(x > y, tf.float32) + tf.cast(tf.cast(x * 3, "int32"), "float32"),
        "best": tf.one_hot(tf.argmax(x, axis=-1), 6),
    }
