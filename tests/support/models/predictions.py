"""Write flatbuffers, samples, and what published prediction helpers make of them.

tests/integration/diagnosis/test_predictions.py uses them. Imports TensorFlow.
"""

from __future__ import annotations

from pathlib import Path


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    from harness.workers.remote.keras import recommended
    from harness.workers.remote.keras.published import HELPERS

    tf.keras.utils.set_random_seed(5)
    layers = tf.keras.layers
    x = tf.keras.Input((6, 4), name="sensor")
    hidden = layers.LSTM(8, return_sequences=True)(x)
    model = tf.keras.Model(x, layers.Dense(3, name="class")(hidden))
    random = np.random.default_rng(2)
    calibration = random.uniform(-1, 3, (16, 1, 6, 4)).astype(np.float32)
    # A fifth beyond the calibration: saturation has something to do.
    samples = random.uniform(-1.4, 3.4, (6, 1, 6, 4)).astype(np.float32)
    np.savez(folder / "inputs.npz", sensor=samples)
    contents = {
        "int8": recommended.convert_int8(model, {"sensor": calibration}),
        "float32": recommended.convert_float32(model),
    }
    for kind, content in contents.items():
        (folder / f"{kind}.tflite").write_bytes(content)
        # What the others get wrong is the quantisation, which a float model has none of.
        helpers = HELPERS if kind == "int8" else ("corrected", "state-left-over")
        for name in helpers:
            interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            np.save(folder / f"{kind}-{name}.npy", HELPERS[name](interpreter, samples))
