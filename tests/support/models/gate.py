"""Write the models that whole runs gate.

Imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    layers = tf.keras.layers
    x = tf.keras.Input((5, 3), name="sensor")
    small = tf.keras.Model(x, layers.Dense(2)(layers.LSTM(4)(x)))
    small.save(folder / "small model.keras")
    small.save(folder / "small.h5")
    small.save(folder / "saved", save_format="tf")
    one = tf.keras.Input((5, 3), batch_size=1)
    tf.keras.Model(one, layers.Dense(2)(layers.LSTM(4)(one))).export(str(folder / "exported"))
    gru = tf.keras.Model(x, layers.GRU(4, return_sequences=True)(x))
    gru.save(folder / "gru.keras")
    hidden = layers.LSTM(4)(x)
    code = tf.keras.Model(x, layers.Lambda(lambda value: value * 2)(hidden))
    code.save(folder / "code.keras")
    unknown = tf.keras.Model(x, layers.UnitNormalization()(layers.LSTM(4)(x)))
    unknown.save(folder / "unknown.keras")
    _many_layers(tf).save(folder / "many layers.keras")
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


def _many_layers(tf: Any) -> Any:
    """A layer of every kind that models have around an LSTM."""
    import numpy as np

    layers = tf.keras.layers
    x = tf.keras.Input((12, 3), name="sensor")
    h = layers.BatchNormalization()(layers.ZeroPadding1D(1)(x))
    h = layers.MaxPooling1D(2)(layers.ReLU(6.0)(layers.Conv1D(6, 3, padding="same")(h)))
    h = layers.SpatialDropout1D(0.1)(layers.GaussianNoise(0.1)(h))
    h = layers.LSTM(6, return_sequences=True)(h)
    weights = layers.Softmax(axis=1)(layers.Dense(1)(h))
    h = layers.Multiply()([h, weights])
    averaged = layers.AveragePooling1D(2, strides=1, padding="same")(h)
    h = layers.Average()([layers.Cropping1D(1)(h), layers.Cropping1D(1)(averaged)])
    first, second = layers.GlobalAveragePooling1D()(h), layers.GlobalMaxPooling1D()(h)
    h = layers.Subtract()([layers.Maximum()([first, second]), layers.Minimum()([first, second])])
    h = layers.RepeatVector(4)(layers.LeakyReLU(0.2)(h))
    h = layers.LSTM(5, return_sequences=True)(h)
    model = tf.keras.Model(x, layers.TimeDistributed(layers.Dense(2))(h))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta = (1.5, 0.5, 1.0), (0.1, -0.2, 0.0)
            mean, variance = (0.2, 0.1, -0.1), (0.5, 2.0, 1.0)
            layer.set_weights([np.array(part) for part in (gamma, beta, mean, variance)])
    return model
