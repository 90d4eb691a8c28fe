"""Build Keras models of every layer and operation that the oracle knows, and keep their answers.

Imports TensorFlow.

`models.json` has each model's configuration, `answers.npz` its weights, inputs and outputs, as
`MODEL|weight|layer/index`, `MODEL|input|name` and `MODEL|output|number`. Inputs and outputs are
[samples, batch 1, …], as the oracle has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.workers.remote.keras import building
from tests.support.models.operations import operations

SAMPLES = 2
#: Shapes of the inputs by what they are.
SEQUENCE, IMAGE, VOLUME = (7, 6), (9, 8, 4), (5, 4, 6, 2)
Named = tuple[str, Any]


def _of_one(tf: Any, shape: tuple[int, ...], layer: Any, dtype: str = "float32") -> Any:
    x = tf.keras.Input(shape, dtype=dtype, name="x")
    return tf.keras.Model(x, layer(x))


def _convolutions(tf: Any, random: np.random.Generator) -> Iterator[Named]:
    """Every convolution with drawn options."""
    layers = tf.keras.layers
    shapes = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}
    activations = ("linear", "relu", "tanh")

    def chosen(*values: Any) -> Any:
        return values[int(random.integers(len(values)))]

    def geometry(rank: int, dilates: bool = True, square: bool = False) -> dict[str, Any]:
        size = [int(random.integers(1, 4)) for _ in range(rank)]
        stride = [int(random.integers(1, 3)) for _ in range(rank)]
        if square:
            stride = stride[:1] * rank
        found = {"kernel_size": size, "strides": stride, "padding": chosen("valid", "same")}
        if dilates and all(s == 1 for s in stride):
            found["dilation_rate"] = chosen(1, 2) if rank < 3 else 1
        return {
            **found,
            "use_bias": bool(chosen(True, False)),
            "activation": chosen(*activations),
        }

    for turn in range(4):
        for rank, shape in shapes.items():
            one: dict[str, Any] = {"filters": 6, **geometry(rank)}
            if rank < 3:
                one["groups"] = chosen(1, 2)
            if rank == 1 and turn == 0:
                one["padding"] = "causal"
            yield f"conv-{rank}d-{turn}", _of_one(tf, shape, getattr(layers, f"Conv{rank}D")(**one))
            kind = getattr(layers, f"Conv{rank}DTranspose")
            turned = kind(3, **geometry(rank, dilates=False))
            yield f"conv-transpose-{rank}d-{turn}", _of_one(tf, shape, turned)
            if rank == 3:
                continue
            kind = getattr(layers, f"DepthwiseConv{rank}D")
            deep = kind(depth_multiplier=chosen(1, 2), **geometry(rank, square=True))
            yield f"depthwise-{rank}d-{turn}", _of_one(tf, shape, deep)
            kind = getattr(layers, f"SeparableConv{rank}D")
            both = kind(5, depth_multiplier=chosen(1, 2), **geometry(rank, square=True))
            yield f"separable-{rank}d-{turn}", _of_one(tf, shape, both)
    for rank, shape in ((1, (5, *SEQUENCE)), (2, (4, 6, 5, 2))):
        lstm = getattr(layers, f"ConvLSTM{rank}D")(3, 2, padding="same", return_sequences=True)
        yield f"conv-lstm-{rank}d", _of_one(tf, shape, lstm)
        lstm = getattr(layers, f"ConvLSTM{rank}D")(3, 3, strides=2, activation="relu")
        yield f"conv-lstm-{rank}d-strides", _of_one(tf, shape, lstm)


def _space(tf: Any) -> Iterator[Named]:
    """Pooling, padding, cropping, enlarging."""
    layers = tf.keras.layers
    for rank, shape in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)):
        for kind in ("MaxPooling", "AveragePooling"):
            of = getattr(layers, f"{kind}{rank}D")
            yield f"{kind}-{rank}", _of_one(tf, shape, of())
            yield f"{kind}-{rank}-same", _of_one(tf, shape, of(3, strides=2, padding="same"))
            yield f"{kind}-{rank}-strides", _of_one(tf, shape, of(2, strides=1))
        for kind in ("GlobalMaxPooling", "GlobalAveragePooling"):
            of = getattr(layers, f"{kind}{rank}D")
            yield f"{kind}-{rank}", _of_one(tf, shape, of())
            yield f"{kind}-{rank}-keepdims", _of_one(tf, shape, of(keepdims=True))
        upsampling = getattr(layers, f"UpSampling{rank}D")
        yield f"UpSampling-{rank}", _of_one(tf, shape, upsampling(size=2))
        yield f"ZeroPadding-{rank}", _of_one(tf, shape, getattr(layers, f"ZeroPadding{rank}D")(2))
        yield f"Cropping-{rank}", _of_one(tf, shape, getattr(layers, f"Cropping{rank}D")(1))
    uneven = layers.ZeroPadding2D(((0, 1), (2, 3)))
    yield "ZeroPadding-uneven", _of_one(tf, IMAGE, uneven)
    yield "Cropping-uneven", _of_one(tf, IMAGE, layers.Cropping2D(((0, 1), (2, 3))))
    yield "UpSampling-uneven", _of_one(tf, IMAGE, layers.UpSampling2D((1, 3)))
    bilinear = layers.UpSampling2D((2, 3), interpolation="bilinear")
    yield "UpSampling-bilinear", _of_one(tf, IMAGE, bilinear)
    yield "RepeatVector", _of_one(tf, (5,), layers.RepeatVector(3))
    yield "Permute", _of_one(tf, IMAGE, layers.Permute((3, 1, 2)))
    yield "Reshape", _of_one(tf, IMAGE, layers.Reshape((-1, 8)))
    yield "Flatten", _of_one(tf, IMAGE, layers.Flatten())


def _normalisations(tf: Any) -> Iterator[Named]:
    layers = tf.keras.layers
    yield "BatchNormalization", _of_one(tf, IMAGE, layers.BatchNormalization())
    plain = layers.BatchNormalization(axis=1, scale=False, epsilon=0.01)
    yield "BatchNormalization-axis", _of_one(tf, SEQUENCE, plain)
    yield "LayerNormalization", _of_one(tf, IMAGE, layers.LayerNormalization())
    yield "LayerNormalization-axes", _of_one(tf, IMAGE, layers.LayerNormalization(axis=[2, 3]))
    yield "LayerNormalization-first", _of_one(tf, IMAGE, layers.LayerNormalization(axis=1))
    apart = layers.LayerNormalization(axis=[1, 3], center=False, epsilon=1e-6)
    yield "LayerNormalization-apart", _of_one(tf, IMAGE, apart)
    yield "GroupNormalization", _of_one(tf, IMAGE, layers.GroupNormalization(groups=2))
    group = layers.GroupNormalization(groups=-1, axis=-1, scale=False)
    yield "GroupNormalization-instance", _of_one(tf, SEQUENCE, group)
    group = layers.GroupNormalization(groups=4, axis=2)
    yield "GroupNormalization-axis", _of_one(tf, IMAGE, group)
    yield "UnitNormalization", _of_one(tf, SEQUENCE, layers.UnitNormalization())
    yield "UnitNormalization-axes", _of_one(tf, IMAGE, layers.UnitNormalization(axis=[1, 2]))
    adapted = layers.Normalization()
    adapted.adapt(np.random.default_rng(5).normal(3, 2, (50, *SEQUENCE)))
    yield "Normalization", _of_one(tf, SEQUENCE, adapted)
    yield "Normalization-given", _of_one(tf, SEQUENCE, layers.Normalization(mean=2.0, variance=3.0))
    given = layers.Normalization(axis=None, mean=0.5, variance=4.0, invert=True)
    yield "Normalization-invert", _of_one(tf, SEQUENCE, given)
    yield "Rescaling", _of_one(tf, IMAGE, layers.Rescaling(1 / 127.5, offset=-1))


def _activations(tf: Any) -> Iterator[Named]:
    layers = tf.keras.layers
    names = (
        *("linear", "tanh", "sigmoid", "relu", "relu6", "hard_sigmoid", "softmax", "log_softmax"),
        *("elu", "selu", "exponential", "gelu", "leaky_relu", "mish", "softplus", "softsign"),
        *("swish",),
    )
    for name in names:
        yield f"activation-{name}", _of_one(tf, SEQUENCE, layers.Activation(name))
        yield f"dense-{name}", _of_one(tf, IMAGE, layers.Dense(5, activation=name))
    lstm = ("relu", "selu", "gelu", "softsign", "swish", "exponential", "mish", "leaky_relu")
    for name in lstm[:5]:
        yield f"lstm-{name}", _of_one(tf, SEQUENCE, layers.LSTM(5, activation=name))
    inside = layers.Dense(5, activation=layers.LeakyReLU(0.1))
    yield "dense-of-a-layer", _of_one(tf, SEQUENCE, inside)
    yield "dense-of-relu6", _of_one(tf, SEQUENCE, layers.Conv1D(5, 3, activation=layers.ReLU(6.0)))
    yield "LeakyReLU", _of_one(tf, SEQUENCE, layers.LeakyReLU())
    yield "ELU", _of_one(tf, SEQUENCE, layers.ELU(0.7))
    yield "PReLU", _of_one(tf, SEQUENCE, layers.PReLU())
    yield "PReLU-shared", _of_one(tf, IMAGE, layers.PReLU(shared_axes=[1, 2]))
    yield "ThresholdedReLU", _of_one(tf, SEQUENCE, layers.ThresholdedReLU(0.4))
    yield "Softmax-axis", _of_one(tf, SEQUENCE, layers.Softmax(axis=1))
    for number, options in enumerate(
        (
            {},
            {"max_value": 1.0},
            {"negative_slope": 0.2},
            {"negative_slope": 0.2, "max_value": 1.5},
            {"threshold": 0.3},
            {"threshold": 0.3, "negative_slope": 0.1},
            {"threshold": 0.3, "negative_slope": 0.1, "max_value": 1.0},
        )
    ):
        yield f"ReLU-{number}", _of_one(tf, SEQUENCE, layers.ReLU(**options))


_DOTS: tuple[tuple[Any, bool], ...] = ((2, False), ((2, 2), True), (1, False), (-1, True))


def _merging(tf: Any) -> Iterator[Named]:
    keras, layers = tf.keras, tf.keras.layers
    for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        x, y = keras.Input(SEQUENCE, name="x"), keras.Input(SEQUENCE, name="y")
        yield kind, keras.Model([x, y], getattr(layers, kind)()([x, y]))
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input(SEQUENCE, name="y")
    yield "Concatenate-axis", keras.Model([x, y], layers.Concatenate(axis=1)([x, y]))
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input((1, 6), name="y")
    yield "Add-broadcast", keras.Model([x, y], layers.Add()([x, y]))
    for number, (axes, normalize) in enumerate(
        ((2, False), ((2, 2), True), (1, False), (-1, True))
    ):
        x, y = keras.Input(SEQUENCE, name="x"), keras.Input(SEQUENCE, name="y")
        dot = layers.Dot(axes, normalize=normalize)
        yield f"Dot-{number}", keras.Model([x, y], dot([x, y]))
    x, y = keras.Input((5,), name="x"), keras.Input((5,), name="y")
    yield "Dot-vectors", keras.Model([x, y], layers.Dot(1, normalize=True)([x, y]))
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input((6,), name="y")
    yield "Dot-ranks", keras.Model([x, y], layers.Dot((2, 1))([x, y]))


def _attention(tf: Any) -> Iterator[Named]:
    keras, layers = tf.keras, tf.keras.layers

    def two() -> tuple[Any, Any]:
        return keras.Input(SEQUENCE, name="x"), keras.Input((5, 6), name="y")

    of_luong: tuple[dict[str, Any], ...] = (
        {},
        {"use_scale": True},
        {"score_mode": "concat"},
        {"use_scale": True, "score_mode": "concat"},
    )
    for number, options in enumerate(of_luong):
        x, y = two()
        yield f"Attention-{number}", keras.Model([x, y], layers.Attention(**options)([x, y]))
    for use_scale in (True, False):
        x, y = two()
        additive = layers.AdditiveAttention(use_scale=use_scale)
        yield f"AdditiveAttention-{use_scale}", keras.Model([x, y], additive([x, y]))
    x, y = two()
    both = layers.Attention()([x, y, y], return_attention_scores=True, use_causal_mask=True)
    yield "Attention-scores", keras.Model([x, y], list(both))
    x, y = two()
    heads = layers.MultiHeadAttention(3, 4, value_dim=5)
    yield "MultiHeadAttention", keras.Model([x, y], heads(x, y))
    x, y = two()
    heads = layers.MultiHeadAttention(2, 3, use_bias=False)
    yield "MultiHeadAttention-key", keras.Model([x, y], heads(x, value=y, key=y))
    x = keras.Input(SEQUENCE, name="x")
    heads = layers.MultiHeadAttention(2, 3)
    found = heads(x, x, use_causal_mask=True, return_attention_scores=True)
    yield "MultiHeadAttention-causal", keras.Model(x, list(found))
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    embedded = layers.Embedding(5, 6, mask_zero=True)(tokens)
    heads = layers.MultiHeadAttention(2, 3)(embedded, embedded)
    yield "MultiHeadAttention-mask", keras.Model(tokens, layers.LSTM(4)(heads))
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    embedded = layers.Embedding(5, 6, mask_zero=True)(tokens)
    mixed = layers.Attention()([embedded, embedded])
    pooled = layers.GlobalAveragePooling1D()(mixed)
    yield "Attention-mask", keras.Model(tokens, pooled)
    einsum = layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", activation="tanh")
    yield "EinsumDense", _of_one(tf, SEQUENCE, einsum)
    yield "EinsumDense-ellipsis", _of_one(tf, IMAGE, layers.EinsumDense("...x,xy->...y", (4,)))


def _structure(tf: Any) -> Iterator[Named]:
    """Models inside of models, layers that are called twice, masks, constants."""
    keras, layers = tf.keras, tf.keras.layers
    front = keras.Sequential(
        [layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()],
        name="front",
    )
    x = keras.Input((5, *IMAGE), name="x")
    h = layers.TimeDistributed(front)(x)
    yield "time-distributed-sequential", keras.Model(x, layers.LSTM(4)(h))
    x = keras.Input((5, *SEQUENCE), name="x")
    inner = layers.TimeDistributed(layers.LSTM(3))(x)
    yield "time-distributed-lstm", keras.Model(x, layers.LSTM(4)(inner))
    x = keras.Input((5, *IMAGE), name="x")
    h = layers.TimeDistributed(layers.Conv2D(3, 3))(x)
    h = layers.TimeDistributed(layers.BatchNormalization())(h)
    h = layers.TimeDistributed(layers.GlobalAveragePooling2D())(h)
    yield "time-distributed-conv", keras.Model(x, layers.LSTM(4)(h))
    a = keras.Input(SEQUENCE, name="a")
    part = keras.Model(a, layers.Dense(5, activation="tanh")(layers.LSTM(4)(a)), name="part")
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input(SEQUENCE, name="y")
    apart = layers.Subtract()([part(x), part(y)])
    yield "siamese", keras.Model([x, y], layers.Dense(1)(apart))
    x = keras.Input(SEQUENCE, name="x")
    dense = layers.Dense(6, activation="tanh", name="shared")
    lstm = layers.LSTM(6, return_sequences=True, name="again")
    yield "called-twice", keras.Model(x, lstm(dense(lstm(dense(x)))))
    nested = keras.Sequential(
        [keras.Sequential([layers.Dense(4), layers.Dropout(0.5)]), layers.LSTM(3)], name="outer"
    )
    nested.build((None, *SEQUENCE))
    yield "sequential-in-sequential", nested
    a, b = keras.Input(SEQUENCE, name="a"), keras.Input((4,), name="b")
    out, state_h, _ = layers.LSTM(4, return_sequences=True, return_state=True)(
        a, initial_state=[b, b]
    )
    two = keras.Model([a, b], [out, state_h], name="two")
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input((4,), name="y")
    first, second = two([x, layers.Dense(4)(y)])
    yield "nested-of-two", keras.Model([x, y], [second, layers.LSTM(2)(first)])
    x = keras.Input(SEQUENCE, name="x")
    found = layers.LSTM(4)(x, initial_state=[tf.zeros((1, 4)), tf.fill((1, 4), 0.5)])
    yield "constant-state", keras.Model(x, found)
    x = keras.Input(SEQUENCE, name="x")
    found = layers.GRU(4, return_sequences=True)(layers.Masking(0.0)(x))
    yield "masked-mean", keras.Model(x, layers.GlobalAveragePooling1D()(found))
    for kind in ("MaxPooling1D", "ZeroPadding1D", "GlobalMaxPooling1D", "Flatten", "PReLU"):
        tokens = keras.Input((7,), dtype="int32", name="tokens")
        embedded = layers.Embedding(5, 6, mask_zero=True)(tokens)
        found = getattr(layers, kind)()(embedded)
        if len(found.shape) == 3:
            found = layers.LSTM(3, return_sequences=True)(found)
        yield f"masked-{kind}", keras.Model(tokens, found)
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    yield "CategoryEncoding", keras.Model(tokens, layers.CategoryEncoding(5, "multi_hot")(tokens))
    x = keras.Input(SEQUENCE, name="x")
    yield "dictionary", keras.Model({"b": x}, {"two": layers.LSTM(3)(x), "one": layers.Dense(2)(x)})
    x = keras.Input(SEQUENCE, name="x")
    merged = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode=None)(x)
    yield "unmerged", keras.Model(x, layers.Multiply()(merged))


def main(folder: Path) -> None:
    import tensorflow as tf

    random = np.random.default_rng(0)
    configs: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for name, model in (
        *_convolutions(tf, random),
        *_space(tf),
        *_normalisations(tf),
        *_activations(tf),
        *_merging(tf),
        *_attention(tf),
        *_structure(tf),
        *operations(tf),
    ):
        building.seed_weights(model, len(configs), 1.0)
        inputs = [_drawn(random, tensor) for tensor in model.inputs]
        outputs = _answers(tf, model, inputs)
        configs[name] = json.loads(model.to_json())["config"]
        names = [tensor.node.layer.name for tensor in model.inputs]
        for key, value in building.named_weights(model).items():
            arrays[f"{name}|weight|{key}"] = value
        for key, value in zip(names, inputs, strict=True):
            arrays[f"{name}|input|{key}"] = value[:, np.newaxis]
        for number, value in enumerate(outputs):
            arrays[f"{name}|output|{number}"] = np.asarray(value)[:, np.newaxis]
    (folder / "models.json").write_text(json.dumps(configs))
    np.savez(folder / "answers.npz", **arrays)


def _answers(tf: Any, model: Any, inputs: list[Any]) -> list[Any]:
    """Sample by sample, as the harness runs a model: constants may have a batch of 1."""
    rows = []
    for sample in zip(*inputs, strict=True):
        given = [value[np.newaxis] for value in sample]
        found = model(given[0] if len(given) == 1 else given, training=False)
        rows.append([np.asarray(part)[0] for part in tf.nest.flatten(found)])
    return [np.stack(parts) for parts in zip(*rows, strict=True)]


def _drawn(random: np.random.Generator, tensor: Any) -> Any:
    shape = (SAMPLES, *tensor.shape[1:])
    if tensor.dtype.is_integer:
        return random.integers(0, 5, shape).astype(np.int32)
    values = random.normal(0, 1, shape).astype(np.float32)
    values[:, -1] = 0.0  # a step that Masking masks
    return values
