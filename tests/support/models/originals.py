"""Write flatbuffers, and what the models they were converted from answer to samples.

tests/system/test_expected.py uses them. Imports TensorFlow. The answers are Keras's
own, in float32: to the harness they are some framework's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    from harness.workers.remote.keras import recommended

    random = np.random.default_rng(4)
    calibration = random.uniform(-1, 1, (64, 1, 6, 32)).astype(np.float32)
    samples = random.uniform(-0.9, 0.9, (24, 6, 32)).astype(np.float32)
    np.savez(folder / "samples.npz", x=samples)
    for name, make in (("sequence", _sequence), ("scores", _scores), ("two", _two)):
        for seed in (1, 2):
            model = make(tf, seed)
            _widen(model)
            answers = model(samples)
            answers = answers if isinstance(answers, list) else [answers]
            arrays = {f"arr_{k}": np.asarray(answer) for k, answer in enumerate(answers)}
            np.savez(folder / f"{name} {seed}.npz", **arrays)
            if seed == 1:
                converted = {
                    "float32": recommended.convert_float32(model),
                    "dynamic": recommended.convert_dynamic_range(model),
                    "int8": recommended.convert_int8(model, {"x": calibration}),
                }
                for kind, content in converted.items():
                    (folder / f"{name} {kind}.tflite").write_bytes(content)
            if name == "two" and seed == 1:
                np.savez(folder / "swapped.npz", arr_0=arrays["arr_1"], arr_1=arrays["arr_0"])
            if name == "sequence" and seed == 1:
                np.savez(folder / "backwards.npz", arrays["arr_0"][:, ::-1])
                _state_dicts(folder, *model.layers[-1].get_weights())


def _sequence(tf: Any, seed: int) -> Any:
    tf.keras.utils.set_random_seed(seed)
    x = tf.keras.Input((6, 32), name="x")
    return tf.keras.Model(x, tf.keras.layers.LSTM(40, return_sequences=True)(x))


def _scores(tf: Any, seed: int) -> Any:
    tf.keras.utils.set_random_seed(seed)
    x = tf.keras.Input((6, 32), name="x")
    hidden = tf.keras.layers.LSTM(10)(tf.keras.layers.LSTM(12, return_sequences=True)(x))
    dense = tf.keras.layers.Dense(5, activation="softmax", kernel_initializer="random_normal")
    model = tf.keras.Model(x, dense(hidden))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 80, bias])
    return model


def _two(tf: Any, seed: int) -> Any:
    tf.keras.utils.set_random_seed(seed)
    x = tf.keras.Input((6, 32), name="x")
    hidden = tf.keras.layers.LSTM(8)(x)
    dense = tf.keras.layers.Dense
    return tf.keras.Model(x, [dense(3, name="a")(hidden), dense(3, name="b")(hidden)])


def _widen(model: Any) -> None:
    """Forget gates that keep: the cell then passes 1, where its int16 scale is one that TFLite
    computes with."""
    for layer in model.layers:
        if "lstm" in layer.name:
            kernel, recurrent, bias = layer.get_weights()
            units = len(recurrent)
            bias[units : 2 * units] = 2.0
            layer.set_weights([1.5 * kernel, recurrent, bias])


def _state_dicts(folder: Path, kernel: Any, recurrent: Any, bias: Any) -> None:
    """The weights as PyTorch keeps them, and with a bias that the file does not have."""
    import numpy as np

    state = {
        "rnn.weight_ih_l0": kernel.T,
        "rnn.weight_hh_l0": recurrent.T,
        "rnn.bias_ih_l0": bias / 4,
        "rnn.bias_hh_l0": bias - bias / 4,
    }
    np.savez(folder / "state.npz", **state)
    # A converter that took bias_ih alone made the file.
    np.savez(folder / "more bias.npz", **{**state, "rnn.bias_ih_l0": bias})
