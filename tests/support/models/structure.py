"""Write the models of tests/system/test_structure_gate.py and test_signatures.py.

Imports TensorFlow.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


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
    _signatures(tf, folder)


def _signatures(tf: Any, folder: Path) -> None:
    """A model of two outputs of one shape, files whose signatures name them rightly and the
    other way round, and a file of two functions."""
    layers = tf.keras.layers
    x = tf.keras.Input((5, 3), name="sensor")
    hidden = layers.LSTM(4)(x)
    # In Keras's order the second name of the alphabet comes first, and in a signature last.
    outputs = [layers.Dense(2, name=name)(hidden) for name in ("zeta", "beta")]
    model = tf.keras.Model(x, outputs)
    model.save(folder / "two_outputs.keras")
    spec = tf.TensorSpec([1, 5, 3], name="sensor")

    def written(name: str, **functions: Any) -> None:
        module = tf.Module()
        module.model = model
        signatures = {
            key: tf.function(function).get_concrete_function(spec)
            for key, function in functions.items()
        }
        with tempfile.TemporaryDirectory() as saved:
            tf.saved_model.save(module, saved, signatures=signatures)
            converter = tf.lite.TFLiteConverter.from_saved_model(saved, list(signatures))
            (folder / name).write_bytes(converter.convert())

    def right(sensor: Any) -> Any:
        zeta, beta = model(sensor)
        return {"zeta": zeta, "beta": beta}

    def swapped(sensor: Any) -> Any:
        zeta, beta = model(sensor)
        return {"zeta": beta, "beta": zeta}

    def doubled(sensor: Any) -> Any:
        return {"zeta": 2 * model(sensor)[0]}

    written("right_names.tflite", serving_default=right)
    written("swapped_names.tflite", serving_default=swapped)
    written("two_functions.tflite", infer=right, doubled=doubled)
