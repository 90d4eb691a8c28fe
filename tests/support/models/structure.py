"""Write the models that tests/system/test_structure_gate.py puts through the gate.

Imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    x = tf.keras.Input((5, 3), name="sensor")
    hidden = layers.LSTM(4, use_bias=False, name="without_bias")(x)
    tf.keras.Model(x, layers.Dense(2)(hidden)).save(folder / "no_bias.keras")
    healthy = tf.keras.Model(x, layers.Dense(2)(layers.LSTM(4, name="plain")(x)))
    # As Keras initialises it, |cell| stays below 0.5 here, and an int8 cell scale below 2^-15.
    plain = healthy.get_layer("plain")
    healthy.save(folder / "small_cell.keras")
    plain.set_weights([3 * weight for weight in plain.get_weights()])
    healthy.save(folder / "healthy.keras")
    both = layers.Bidirectional(layers.LSTM(6, return_sequences=True), name="both")(x)
    tf.keras.Model(x, both).save(folder / "concat.keras")
    weights = [7 * weight for weight in plain.get_weights()]
    sequence = tf.keras.Input((28, 3), name="sensor")
    lstm = layers.LSTM(4, name="plain")
    long = tf.keras.Model(sequence, layers.Dense(2)(lstm(sequence)))
    lstm.set_weights([weights[0], weights[1], np.full(16, 6.0, "float32")])
    long.save(folder / "clipped.keras")
    random = np.random.default_rng(1)
    inputs = random.uniform(-1, 1, (8, 5, 3)).astype("float32")
    np.savez(folder / "inputs.npz", inputs)
    np.savez(folder / "narrow.npz", inputs * 0.5)
    np.savez(folder / "wide.npz", inputs * 100)
    function = tf.function(healthy).get_concrete_function(tf.TensorSpec([1, 5, 3]))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    (folder / "without_trackable.tflite").write_bytes(converter.convert())
