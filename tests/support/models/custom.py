"""Write a Keras model with layers and a function of its author's own, and the module of them.

Imports TensorFlow.
"""

from __future__ import annotations

import sys
from pathlib import Path

MODULE = '''"""Layers of a user's own."""

import tensorflow as tf

from users_constants import FACTOR


class Scaled(tf.keras.layers.Layer):
    def call(self, x):
        return x * FACTOR


@tf.keras.saving.register_keras_serializable()
class Attention(tf.keras.layers.Layer):
    def call(self, x):
        return tf.reduce_mean(x, axis=1)


def doubled(x):
    return 2 * x
'''


def main(folder: Path) -> None:
    (folder / "users_layers.py").write_text(MODULE)
    (folder / "users_constants.py").write_text("FACTOR = 2.0\n")
    (folder / "users_broken.py").write_text("raise SystemExit('no layers today')\n")
    sys.path.insert(0, str(folder))
    import tensorflow as tf
    import users_layers  # type: ignore[import-not-found]

    layers = tf.keras.layers
    x = tf.keras.Input((5, 3), name="sensor")
    hidden = layers.LSTM(4, return_sequences=True)(users_layers.Scaled(name="scaled")(x))
    pooled = users_layers.Attention(name="attention")(hidden)
    output = layers.Dense(2, activation=users_layers.doubled, name="answer")(pooled)
    model = tf.keras.Model(x, output)
    model.save(folder / "custom.keras")
    # Keras 2.15 cannot read a function of the user's own from the old format.
    tf.keras.Model(x, layers.Dense(2, name="answer")(pooled)).save(folder / "custom.h5")
    sys.path.remove(str(folder))
