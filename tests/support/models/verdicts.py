"""Write a healthy model, and what people get wrong with it.

Imports TensorFlow.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from fixtures.golden.keras3_files import KERAS3


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    layers, steps, features = tf.keras.layers, 8, 3
    samples = np.random.default_rng(0).uniform(-1, 1, (32, steps, features)).astype(np.float32)

    def model(seed: int, units: int = 6, activation: str = "tanh") -> tf.keras.Model:
        tf.keras.utils.set_random_seed(seed)
        x = tf.keras.Input((steps, features), name="sensor", batch_size=1)
        first = layers.LSTM(units, return_sequences=True, activation=activation, name="first")(x)
        second = layers.LSTM(units, name="second")(first)
        made = tf.keras.Model(x, layers.Dense(3, name="head")(second))
        # Weights of this size give outputs that use their range, as training does.
        made.set_weights([2 * weight + 0.1 for weight in made.get_weights()])
        return made

    def convert(source: tf.keras.Model, name: str) -> None:
        trackable = tf.Module()
        trackable.variables_of_the_model = source.variables
        spec = tf.TensorSpec([1, steps, features], name="sensor")
        function = tf.function(source).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], trackable)
        (folder / name).write_bytes(converter.convert())

    healthy = model(7)
    healthy.save(folder / "healthy.keras")
    convert(healthy, "healthy.tflite")
    convert(model(8), "stale.tflite")
    model(7, activation="relu").save(folder / "relu.keras")
    model(7, units=9).save(folder / "wider.keras")
    np.savez(folder / "samples.npz", sensor=samples)
    np.savez(folder / "narrow.npz", sensor=0.2 * samples)
    _of_keras_3(folder / "keras3.keras")


def _of_keras_3(path: Path) -> None:
    """A file of Keras 3 with a layer of somebody's own."""
    version = max(KERAS3, key=lambda name: [int(part) for part in KERAS3[name].version.split(".")])
    source = path.with_name("golden.keras")
    source.write_bytes(KERAS3[version].read("stacked.keras"))
    with zipfile.ZipFile(source) as golden, zipfile.ZipFile(path, "w") as made:
        for name in golden.namelist():
            content = golden.read(name)
            if name == "config.json":
                config = json.loads(content)
                last = config["config"]["layers"][-1]
                last |= {"class_name": "Attend", "module": "mine", "registered_name": "mine>Attend"}
                content = json.dumps(config).encode()
            made.writestr(name, content)
    source.unlink()
