"""Write the golden models of one Keras 3 version, with the answers of the Keras that wrote them.

Runs in an environment of its own, with the packages of requirements.txt beside this file and one
version of Keras; it imports nothing of the harness. `make keras3` makes the environments and calls

    KERAS_BACKEND=jax python build_models.py FOLDER [NAME ...]

FOLDER/VERSION.zip gets for each model NAME.keras, for some NAME.h5 too, as Keras wrote them, and
NAME.npz: the inputs by name, `input/NAME` [samples, …], and the answers `output/0`, `output/1`, …
of the model; of the model of mixed policies also `float32/0`, the answer of the same layers and
weights under the policy float32. Weights are drawn from a fixed seed, so that every version
writes the same functions. With names, the files of all other models stay in the archive.
provenance.json there says what was at work, with digests.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

SEED = 30
SAMPLES = 3
TIME, FEATURES, UNITS = 6, 3, 4
layers = keras.layers


def stacked() -> Any:
    return keras.Sequential(
        [
            keras.Input((TIME, FEATURES), name="sensor"),
            layers.LSTM(UNITS, return_sequences=True),
            layers.Dropout(0.2),
            layers.LSTM(UNITS, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def renamed() -> Any:
    """Names that are those which weights files give to other layers."""
    x = keras.Input((TIME, UNITS), name="sensor")
    y = layers.LSTM(UNITS, return_sequences=True, name="lstm_2")(x)
    y = layers.LSTM(UNITS, return_sequences=True, name="lstm")(y)
    y = layers.LSTM(UNITS, name="lstm_1")(y)
    y = layers.Dense(UNITS, name="dense_1")(y)
    return keras.Model(x, layers.Dense(UNITS, name="dense")(y))


def bidirectional() -> Any:
    x = keras.Input((TIME, FEATURES), name="sensor")
    y = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(x)
    y = layers.TimeDistributed(layers.Dense(3, activation="relu"))(y)
    y = layers.Bidirectional(layers.GRU(2), merge_mode="sum")(y)
    return keras.Model(x, layers.Dense(2)(y))


def gru() -> Any:
    x = keras.Input((TIME, FEATURES), name="sensor")
    y = layers.GRU(UNITS, return_sequences=True)(x)
    y = layers.GRU(UNITS, reset_after=False, go_backwards=True)(y)
    return keras.Model(x, layers.Dense(2, activation="sigmoid")(y))


def masking() -> Any:
    x = keras.Input((TIME, FEATURES), name="sensor")
    y = layers.Masking(-1.0)(x)
    y = layers.LSTM(UNITS, return_sequences=True)(y)
    y = layers.LayerNormalization()(y)
    y = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(y)
    return keras.Model(x, layers.LSTM(UNITS)(y))


def text() -> Any:
    """Masks that Keras passes by itself: a Sequential model's configuration has no word of them."""
    return keras.Sequential(
        [
            keras.Input((TIME,), dtype="int32", name="tokens"),
            layers.Embedding(11, 5, mask_zero=True),
            layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True)),
            layers.LSTM(3, return_sequences=True),
            layers.GRU(UNITS),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def convolution() -> Any:
    return keras.Sequential(
        [
            keras.Input((TIME, FEATURES), name="sensor"),
            layers.Conv1D(5, 3, padding="causal", activation="relu"),
            layers.BatchNormalization(),
            layers.LSTM(UNITS),
            layers.Dropout(0.5),
            layers.LayerNormalization(epsilon=1e-4),
            layers.Dense(2),
        ]
    )


def two_ends() -> Any:
    """Two inputs, two outputs."""
    a = keras.Input((TIME, FEATURES), name="sensor")
    b = keras.Input((2,), name="context")
    hidden = layers.LSTM(UNITS, name="reader")(a)
    both = layers.Concatenate(name="both")([b, hidden])
    left = layers.Dense(2, name="left")(both)
    right = layers.Dense(1, activation="tanh", name="right")(both)
    return keras.Model([a, b], [left, right])


def states() -> Any:
    """An encoder's states in a decoder: return_state and initial_state."""
    a = keras.Input((TIME, FEATURES), name="source")
    b = keras.Input((4, 2), name="target")
    _, h, c = layers.LSTM(UNITS, return_state=True, name="encoder")(a)
    decoded = layers.LSTM(UNITS, return_sequences=True, name="decoder")(b, initial_state=[h, c])
    return keras.Model([a, b], layers.Dense(3, name="tokens")(decoded))


def shared() -> Any:
    """A layer called twice."""
    a = keras.Input((TIME, FEATURES), name="left")
    b = keras.Input((TIME, FEATURES), name="right")
    reader = layers.LSTM(UNITS, name="reader")
    dense = layers.Dense(UNITS, name="dense")
    apart = layers.Subtract(name="apart")([dense(reader(a)), dense(reader(b))])
    return keras.Model([a, b], layers.Dense(1, name="distance")(apart))


def nested() -> Any:
    """A model as a layer, and a Sequential one."""
    inner = keras.Input((TIME, FEATURES), name="steps")
    encoder = keras.Model(inner, layers.LSTM(UNITS, name="lstm")(inner), name="encoder")
    head = keras.Sequential(
        [keras.Input((UNITS,)), layers.Dense(3, activation="relu"), layers.Dense(2)], name="head"
    )
    x = keras.Input((TIME, FEATURES), name="sensor")
    return keras.Model(x, head(encoder(x)))


def mixed(float16: str = "mixed_float16", bfloat16: str = "mixed_bfloat16") -> Any:
    """A policy for each layer: half precision inside, float32 at the end."""
    x = keras.Input((TIME, FEATURES), name="sensor")
    y = layers.LSTM(UNITS, dtype=float16)(x)
    y = layers.Dense(3, activation="relu", dtype=bfloat16)(y)
    return keras.Model(x, layers.Dense(2, dtype="float32")(y))


def cells() -> Any:
    """RNN over a stack of cells."""
    x = keras.Input((TIME, FEATURES), name="sensor")
    y = layers.RNN([layers.LSTMCell(UNITS), layers.GRUCell(3)], return_sequences=True)(x)
    return keras.Model(x, layers.SimpleRNN(2)(y))


def attention() -> Any:
    """Several heads with a key of their own, a causal mask, and both older kinds of attention."""
    x = keras.Input((TIME, FEATURES), name="sensor")
    h = layers.LSTM(UNITS, return_sequences=True)(x)
    k = layers.Dense(UNITS, activation="tanh")(h)
    y = layers.MultiHeadAttention(2, 3, name="heads")(h, h, key=k)
    z = layers.MultiHeadAttention(1, 2, use_bias=False, name="past")(h, y, use_causal_mask=True)
    a = layers.Attention(use_scale=True, name="dot")([k, z])
    b = layers.Attention(score_mode="concat", name="concat")([k, h, y])
    c = layers.AdditiveAttention(name="additive")([k, y])
    both = layers.Concatenate()([a, b, c])
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(both)))


def functions() -> Any:
    """Functions of keras.ops and operators, among them an op of each kind that the reader knows."""
    ops = keras.ops
    x = keras.Input((TIME, FEATURES), name="sensor")
    h = layers.LSTM(UNITS, return_sequences=True)(x)
    last, first, middle = h[:, -1], h[:, 0:1, :], h[:, 1:5:2, :]
    mean, most, least = ops.mean(h, axis=1), ops.max(h, axis=1), ops.min(h, axis=-1, keepdims=True)
    score = ops.matmul(h, ops.transpose(h, axes=(0, 2, 1)))
    read = ops.matmul(ops.softmax(score, axis=-1), h)
    gate = ops.sigmoid(last) * ops.tanh(mean) + 0.5 - 2.0 * ops.square(most)
    wave = ops.sin(gate) / (1.5 + ops.exp(-ops.cos(last))) + ops.sqrt(ops.absolute(mean) + 0.25)
    flat = ops.reshape(middle, (-1, 2 * UNITS))
    stacked = ops.sum(ops.stack([gate, wave, last], axis=1), axis=1)
    one = ops.squeeze(ops.expand_dims(last, axis=1), axis=1)
    kept = ops.maximum(one, ops.minimum(mean, ops.relu(gate) - 0.1))
    kept = ops.clip(kept + ops.log(2.0 + ops.power(kept, 2.0)), -0.4, 0.9)
    curves = ops.silu(last) + ops.softplus(mean) * ops.softsign(most)
    parts = [stacked, flat, kept, curves, ops.reshape(first, (-1, UNITS)), least[:, 0], read[:, 2]]
    return keras.Model(x, layers.Dense(2)(ops.concatenate(parts, axis=-1)))


def filters() -> Any:
    """Separable and depthwise convolutions, and normalisations fitted to data."""
    x = keras.Input((2 * TIME, FEATURES), name="sensor")
    y = layers.Normalization(name="fitted")(x)
    y = layers.Rescaling(0.5, offset=-0.1)(y)
    y = layers.SeparableConv1D(4, 3, depth_multiplier=2, activation="relu", padding="same")(y)
    y = layers.DepthwiseConv1D(3, depth_multiplier=2, activation="tanh")(y)
    y = layers.GroupNormalization(4)(y)
    z = layers.Reshape((5, 2, 8))(y)
    z = layers.SeparableConv2D(4, 2, strides=1)(z)
    z = layers.DepthwiseConv2D(2, padding="same", use_bias=False)(z)
    z = layers.UnitNormalization()(layers.Reshape((4, 4))(z))
    return keras.Model(x, layers.Dense(2)(layers.LSTM(UNITS)(layers.Identity()(z))))


MODELS: dict[str, Callable[[], Any]] = {
    "stacked": stacked,
    "renamed": renamed,
    "bidirectional": bidirectional,
    "gru": gru,
    "masking": masking,
    "text": text,
    "convolution": convolution,
    "two-ends": two_ends,
    "states": states,
    "shared": shared,
    "nested": nested,
    "mixed": mixed,
    "cells": cells,
    "attention": attention,
    "functions": functions,
    "filters": filters,
}
#: The models that are also written in the format of HDF5 alone.
LEGACY = (
    *("stacked", "bidirectional", "gru", "shared", "nested", "convolution"),
    *("attention", "functions", "filters"),
)


def draw_weights(model: Any, random: np.random.RandomState) -> None:
    drawn = []
    for weight in model.weights:
        name = weight.path.split("/")[-1]
        value = random.uniform(-0.8, 0.8, tuple(weight.shape))
        if "variance" in name:
            value = 1.0 + 0.5 * value
        drawn.append(value.astype(str(weight.dtype)))
    model.set_weights(drawn)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # a Normalization takes its weights over then
            layer.finalize_state()


def samples(model: Any, random: np.random.RandomState) -> dict[str, Any]:
    found = {}
    for tensor in model.inputs:
        shape = (SAMPLES, *tensor.shape[1:])
        if "int" in str(tensor.dtype):
            value = random.randint(0, 11, shape).astype(np.int32)
            value[1, 3:] = 0  # the end of a shorter text
        else:
            value = random.uniform(-1, 1, shape).astype(np.float32)
            if len(shape) == 3:
                value[1, -2:] = -1.0  # what the model with Masking leaves out
        found[tensor.name] = value
    return found


def answers(model: Any, given: dict[str, Any]) -> list[Any]:
    """The model's outputs; one call on all samples, since predict() would compile first."""
    values = [given[tensor.name] for tensor in model.inputs]
    answer = model(values if len(values) > 1 else values[0], training=False)
    parts = answer if isinstance(answer, (list, tuple)) else [answer]
    return [np.asarray(keras.ops.convert_to_numpy(part), np.float32) for part in parts]


def build(name: str, folder: str) -> list[str]:
    """Write one model and its answers. Returns what could not be written, in words."""
    failed = []
    keras.utils.clear_session()
    model = MODELS[name]()
    random = np.random.RandomState(SEED)
    draw_weights(model, random)
    given = samples(model, random)
    arrays = {f"input/{key}": value for key, value in given.items()}
    arrays |= {f"output/{k}": value for k, value in enumerate(answers(model, given))}
    model.save(os.path.join(folder, f"{name}.keras"))
    if name in LEGACY:
        path = os.path.join(folder, f"{name}.h5")
        try:
            model.save(path)
        except ValueError as error:  # two weights of one name: Keras 3.0 to 3.2
            failed.append(f"{name}.h5: {error}")
            os.remove(path)
    if name == "mixed":
        plain = mixed("float32", "float32")
        plain.set_weights(model.get_weights())
        arrays |= {f"float32/{k}": value for k, value in enumerate(answers(plain, given))}
    np.savez_compressed(os.path.join(folder, f"{name}.npz"), **arrays)
    return failed


def main(folder: str, names: list[str]) -> None:
    failed = []
    with tempfile.TemporaryDirectory() as made:
        for name in names or list(MODELS):
            failed += build(name, made)
            print(keras.__version__, name, flush=True)
        digests = {}
        path = os.path.join(folder, f"{keras.__version__}.zip")
        if names and os.path.exists(path):  # the files of all other models stay
            with zipfile.ZipFile(path) as archive:
                for file in archive.namelist():
                    if file.rsplit(".", 1)[0] not in names:
                        archive.extract(file, made)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(os.listdir(made)):
                with open(os.path.join(made, file), "rb") as opened:
                    content = opened.read()
                digests[file] = hashlib.sha256(content).hexdigest()
                archive.writestr(file, content)
    provenance = os.path.join(folder, "provenance.json")
    document: dict[str, Any] = {}
    if os.path.exists(provenance):
        with open(provenance) as opened_text:
            document = json.load(opened_text)
    if names and keras.__version__ in document:
        kept = document[keras.__version__]["not_written"]
        failed = [told for told in kept if told.split(".")[0] not in names] + failed
    document[keras.__version__] = {
        "script": "tools/keras3/build_models.py",
        "seed": SEED,
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "jax": importlib.metadata.version("jax"),
        "h5py": importlib.metadata.version("h5py"),
        "not_written": failed,
        "sha256": digests,
    }
    with open(provenance, "w") as opened_text:
        json.dump(document, opened_text, indent=1, sort_keys=True)
        opened_text.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
