"""Write the models that tests/integration/laws examines laws on.

Imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(9)
    layers = tf.keras.layers
    x = tf.keras.Input((6, 3), name="sensor")
    hidden = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    models = {
        "steps": tf.keras.Model(x, layers.Dense(2, name="dense")(hidden)),
        "lstm": tf.keras.Model(x, layers.LSTM(4, return_sequences=True)(x)),
        "last": tf.keras.Model(x, layers.Dense(2)(layers.LSTM(4)(x))),
        "both": tf.keras.Model(x, layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)),
        "gru": tf.keras.Model(x, layers.GRU(4)(x)),
        "two": _two(tf),
        "rows": _rows(tf),
        "wide": _wide(tf),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.keras")


def _two(tf: Any) -> Any:
    first, second = tf.keras.Input((6, 3), name="a"), tf.keras.Input((6, 3), name="b")
    joined = tf.keras.layers.Concatenate()([first, second])
    return tf.keras.Model([first, second], tf.keras.layers.LSTM(4)(joined))


def _rows(tf: Any) -> Any:
    x = tf.keras.Input(batch_shape=(3, 6, 3), name="sensor")
    return tf.keras.Model(x, tf.keras.layers.LSTM(4)(x))


def _wide(tf: Any) -> Any:
    """Kernels of 1,024 elements and more, which the dynamic-range recipe quantises."""
    x = tf.keras.Input((6, 20), name="sensor")
    hidden = tf.keras.layers.LSTM(64, return_sequences=True, name="lstm")(x)
    return tf.keras.Model(x, tf.keras.layers.Dense(2, name="dense")(hidden))
