"""Write the model that tests/system/test_broken_models.py breaks, and its conversions.

Imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    x = tf.keras.Input((8, 6), name="sensor", batch_size=1)
    first = layers.LSTM(6, return_sequences=True, name="first")(x)
    second = layers.LSTM(6, name="second")(first)
    model = tf.keras.Model(x, layers.Dense(4, activation="tanh", name="head")(second))
    samples = np.random.default_rng(0).uniform(-1, 1, (16, 8, 6)).astype(np.float32)
    np.savez(folder / "samples.npz", sensor=samples)
    trackable = tf.Module()
    trackable.variables_of_the_model = model.variables
    function = tf.function(model).get_concrete_function(tf.TensorSpec([1, 8, 6], name="sensor"))

    def convert(name: str, scale: float | None) -> None:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], trackable)
        if scale is not None:
            data = [[scale * samples[k : k + 1]] for k in range(len(samples))]
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: iter(data)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())

    # Its cell states are so small that TFLite leaves out their tanh.
    convert("quiet", 1.0)
    # Weights of this size give outputs that use their range, as training does.
    model.set_weights([3 * weight for weight in model.get_weights()])
    model.save(folder / "my.keras")
    for name, scale in (("float32", None), ("int8", 1.0), ("narrow", 0.2), ("wide", 30.0)):
        convert(name, scale)
