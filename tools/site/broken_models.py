"""Make the gallery's models, as they go wrong for users: `python -m tools.site.broken_models OUT`.

Needs TensorFlow, so it is a process of its own. Two small models are trained on made-up signals: a
forecaster and a classifier of movements; what is wrong with each file is in its name.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.support.project import ROOT
from harness.workers.remote.keras.recommended import (
    convert_dynamic_range,
    convert_float32,
    convert_int8,
    converter_of,
    dequantised,
)

Array = NDArray[Any]
STEPS, FEATURES, CLASSES = 24, 3, 4


def signals(count: int, seed: int) -> tuple[Array, Array]:
    """Movements of three axes, [N, 24, 3], and their class: how fast they swing."""
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, CLASSES, count)
    time = np.arange(STEPS)[None, :, None] / STEPS
    phase = generator.uniform(0, 2 * np.pi, (count, 1, FEATURES))
    speed = (1 + 2 * kind)[:, None, None]
    wave = np.sin(2 * np.pi * speed * time + phase)
    return (wave + generator.normal(0, 0.1, wave.shape)).astype(np.float32), kind


def trained(
    units: int,
    seed: int,
    layer: str = "LSTM",
    epochs: int = 6,
    front: int = 0,
    **options: Any,
) -> Any:
    """A classifier of movements; front: units of a Dense before its recurrent layer, if any."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((STEPS, FEATURES), name="movement"),
            *([tf.keras.layers.Dense(front, activation="relu")] if front else []),
            getattr(tf.keras.layers, layer)(units, **options),
            tf.keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*signals(600, seed), epochs=epochs, verbose=0)
    return model


def main(folder: Path) -> None:
    import tensorflow as tf

    x, _ = signals(64, 1)
    samples = {"movement": x[:, None]}
    np.savez(folder / "samples.npz", movement=x)
    good = trained(16, 2)
    good.save(folder / "movements.keras")
    int8 = convert_int8(good, samples)
    (folder / "movements.tflite").write_bytes(int8)
    (folder / "narrow.tflite").write_bytes(
        convert_int8(good, {"movement": samples["movement"] / 8})
    )
    (folder / "before-training.tflite").write_bytes(convert_int8(trained(16, 2, epochs=1), samples))
    (folder / "another.tflite").write_bytes(convert_float32(trained(16, 9)))
    (folder / "dynamic.tflite").write_bytes(
        convert_dynamic_range(trained(64, 2, epochs=1, front=32))
    )
    (folder / "damaged.tflite").write_bytes(int8[: len(int8) // 2])
    advised = tf.lite.TFLiteConverter.from_keras_model(good)  # and what its error advises
    advised.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    advised._experimental_lower_tensor_list_ops = False
    (folder / "flex.tflite").write_bytes(advised.convert())
    trained(16, 2, recurrent_dropout=0.2).save(folder / "dropout.keras")
    trained(16, 2, layer="GRU").save(folder / "gru.keras")
    calm = trained(16, 2, epochs=0)
    calm.save(folder / "calm.keras")
    np.savez(folder / "calm.npz", movement=x / 4)
    _lambda(ROOT / "fixtures" / "golden" / "keras3" / "3.15.1.zip", folder / "lambda.keras")
    np.save(folder / "predictions.npy", _answers(int8, x))
    streaming = converter_of(_step(good))
    (folder / "step.tflite").write_bytes(_int8_of(streaming, x))
    np.savez(folder / "step.npz", movement=x.reshape(-1, 1, FEATURES)[:200])


def _step(model: Any) -> Any:
    """The same weights for one time step at a time, as a device in a stream calls it."""
    import tensorflow as tf

    step = tf.keras.Sequential(
        [
            tf.keras.Input((1, FEATURES), name="movement"),
            tf.keras.layers.LSTM(16),
            tf.keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    step.set_weights(model.get_weights())
    return step


def _int8_of(converter: Any, x: Array) -> bytes:
    """An int8 conversion that is calibrated step by step."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        {"movement": step[None, None]} for sample in x[:16] for step in sample
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _answers(content: bytes, x: Array) -> Array:
    """What prediction code gets that casts its samples to int8 in place of quantising them."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (entry,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sample in x:
        interpreter.reset_all_variables()
        interpreter.set_tensor(entry["index"], sample[None].astype(np.int8))
        interpreter.invoke()
        found.append(dequantised(interpreter.get_tensor(output["index"]), output))
    return np.asarray(found)


def _lambda(golden: Path, path: Path) -> None:
    """A Keras 3 file whose last layer is a Lambda: code that nobody should run."""
    with zipfile.ZipFile(golden) as kept:
        file = io.BytesIO(kept.read("convolution.keras"))
    with zipfile.ZipFile(file) as read, zipfile.ZipFile(path, "w") as written:
        for name in read.namelist():
            content = read.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][-1]["class_name"] = "Lambda"
                content = json.dumps(config).encode()
            written.writestr(name, content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
