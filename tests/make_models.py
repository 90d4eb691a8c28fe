"""Write the user's models that tests/test_gate.py puts through the gate. Imports TensorFlow."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(folder: Path) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    layers = tf.keras.layers
    x = tf.keras.Input((5, 3), name="sensor")
    small = tf.keras.Model(x, layers.Dense(2)(layers.LSTM(4)(x)))
    small.save(folder / "small model.keras")
    small.save(folder / "small.h5")
    small.save(folder / "saved", save_format="tf")
    gru = tf.keras.Model(x, layers.GRU(4, return_sequences=True)(x))
    gru.save(folder / "gru.keras")
    hidden = layers.LSTM(4)(x)
    code = tf.keras.Model(x, layers.Lambda(lambda value: value * 2)(hidden))
    code.save(folder / "code.keras")
    unknown = tf.keras.Model(x, layers.GaussianNoise(0.1)(layers.LSTM(4)(x)))
    unknown.save(folder / "unknown.keras")
    words = tf.keras.Sequential(
        [layers.Embedding(30, 6, input_length=5), layers.LSTM(4), layers.Dense(2)]
    )
    words.save(folder / "words.keras")
    samples = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3))
    np.savez(folder / "inputs.npz", samples)
    np.save(folder / "predictions.npy", small(samples.astype("float32")))
    np.savez(folder / "wrong.npz", np.zeros((6, 4, 3)))

    trackable = tf.Module()
    for name, model in (("fused", small), ("while", gru)):
        function = tf.function(model).get_concrete_function(tf.TensorSpec([1, 5, 3]))
        trackable.variables_of_the_model = model.variables
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], trackable)
        (folder / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
