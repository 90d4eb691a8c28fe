"""Build, train and convert the legacy OpHint models with TensorFlow 1.15, and record answers.

Runs in an environment of its own, on Python 3.7 with the packages of requirements.txt beside
this file; it imports nothing of the harness. `make ophint` creates the environment and calls

    python build_models.py FOLDER [NAME ...]

For each model FOLDER gets NAME.tflite (float), NAME-ptq.tflite (post-training quantised, which
means int8 weights), NAME.npz with the inputs x [samples, 1, time, features] and the session's
outputs y [samples, 1, classes], and an entry in provenance.json.

The model is the one that the OpHint guide documents (tensorflow/lite/experimental/examples/lstm
in 1.14 and 1.15): a transpose to time-major, TFLiteLSTMCell in dynamic_rnn, the last output, a
dense layer with softmax. "documented" has its sizes, two layers of 64 units on 28 × 28; the
variants have one layer, small but with weights of 1024 elements: below that nothing is quantised.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from typing import Any

os.environ["TF_ENABLE_CONTROL_FLOW_V2"] = "1"  # the OpHint guide: before the import
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The converter runs toco_from_protos, which another TensorFlow may have put on the path too.
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]

import numpy as np
import tensorflow as tf
from tensorflow.lite.experimental.examples.lstm.rnn import bidirectional_dynamic_rnn

SEED = 20191
SAMPLES = 8
STEPS_OF_TRAINING = 30
CLASSES = 10

#: The arguments of the cell, and what else makes a model: layers, time, features, wrapper.
MODELS: dict[str, dict[str, Any]] = {
    "documented": {"layers": 2, "units": 64, "time": 28, "features": 28},
    "forget-bias": {"cell": {"forget_bias": 1.0}},
    "peephole": {"cell": {"use_peepholes": True}},
    "projection": {"units": 40, "cell": {"num_proj": 32}},
    "peephole-projection": {"units": 40, "cell": {"num_proj": 32, "use_peepholes": True}},
    "bidirectional": {"wrapper": "bidirectional"},
    "rnn": {"wrapper": "rnn"},
    "cell-clip": {"cell": {"cell_clip": 0.3}},
    "proj-clip": {"units": 40, "cell": {"num_proj": 32, "proj_clip": 0.1}},
    "relu": {"cell": {"activation": tf.nn.relu}},
    "static-rnn": {"wrapper": "static"},
}


def recurrent(x: Any, spec: dict[str, Any]) -> Any:
    """The recurrent part: [batch, time, features] to the last output [batch, outputs]."""
    nn = tf.lite.experimental.nn
    units, wrapper = spec.get("units", 32), spec.get("wrapper", "dynamic")
    keywords = {"forget_bias": 0.0, **spec.get("cell", {})}

    def cell(name: str) -> Any:
        if wrapper == "rnn":
            return nn.TfLiteRNNCell(units, name=name)
        return nn.TFLiteLSTMCell(units, name=name, **keywords)

    if wrapper == "static":
        steps = tf.unstack(x, axis=1)
        return tf.nn.static_rnn(cell("rnn0"), steps, dtype=tf.float32)[0][-1]
    steps_first = tf.transpose(x, perm=[1, 0, 2])
    if wrapper == "bidirectional":
        (ahead, back), _ = bidirectional_dynamic_rnn(
            cell("forward"), cell("backward"), steps_first, dtype=tf.float32, time_major=True
        )
        return tf.unstack(tf.concat([ahead, back], -1), axis=0)[-1]
    cells = [cell(f"rnn{layer}") for layer in range(spec.get("layers", 1))]
    whole = cells[0] if len(cells) == 1 else tf.keras.layers.StackedRNNCells(cells)
    outputs, _ = nn.dynamic_rnn(whole, steps_first, dtype="float32", time_major=True)
    return tf.unstack(outputs, axis=0)[-1]


def data(random: Any, count: int, spec: dict[str, Any]) -> Any:
    """Sequences whose class is the place and speed of a wave, with noise: learnable, seeded."""
    time, features = spec.get("time", 10), spec.get("features", 32)
    labels = random.randint(0, CLASSES, count)
    t = np.arange(time)[None, :, None] / time
    k = np.arange(features)[None, None, :] / features
    phase = labels[:, None, None] / CLASSES
    wave = np.sin(2 * np.pi * (k + phase + t * (1 + phase)))
    noisy = wave + random.normal(0, 0.3, (count, time, features))
    return noisy.astype(np.float32), labels


def build(name: str, folder: str) -> dict[str, Any]:
    """Train one model and write its files. Returns its entry of provenance.json."""
    spec = MODELS[name]
    random = np.random.RandomState(SEED)
    shape = (spec.get("time", 10), spec.get("features", 32))
    # OpHint traces one call of a cell, so training has a graph of its own with the same weights.
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        tf.compat.v1.set_random_seed(SEED)
        training_x = tf.compat.v1.placeholder(tf.float32, (32, *shape))
        labels = tf.compat.v1.placeholder(tf.int32, (32,))
        logits = dense(recurrent(training_x, spec))
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
        step = tf.compat.v1.train.AdamOptimizer(0.01).minimize(loss)
        session.run(tf.compat.v1.global_variables_initializer())
        losses: list[float] = []
        for _ in range(STEPS_OF_TRAINING):
            batch, classes = data(random, 32, spec)
            fed = {training_x: batch, labels: classes}
            losses.append(float(session.run([loss, step], fed)[0]))
        trained = session.run(tf.compat.v1.trainable_variables())
    inference = tf.compat.v1.Session(graph=tf.Graph())
    with inference.graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (1, *shape), name="input")
        y = tf.nn.softmax(dense(recurrent(x, spec)), name="output")
        inference.run(tf.compat.v1.global_variables_initializer())
        for variable, value in zip(tf.compat.v1.trainable_variables(), trained):
            variable.load(value, inference)
        samples = data(random, SAMPLES, spec)[0][:, None]
        answers = np.stack([inference.run(y, {x: sample}) for sample in samples])
        files = {}
        for suffix in ("", "-ptq"):
            converter = tf.lite.TFLiteConverter.from_session(inference, [x], [y])
            if suffix:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            content = converter.convert()
            files[name + suffix + ".tflite"] = content
    np.savez_compressed(os.path.join(folder, name + ".npz"), x=samples, y=answers)
    for file, content in files.items():
        with open(os.path.join(folder, file), "wb") as opened:
            opened.write(content)
    cell = {k: getattr(v, "__name__", v) for k, v in spec.get("cell", {}).items()}
    return {
        **{k: v for k, v in spec.items() if k != "cell"},
        "cell": cell,
        "loss": [round(losses[0], 4), round(losses[-1], 4)],
        "variables": [list(value.shape) for value in trained],
        "sha256": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }


def dense(hidden: Any) -> Any:
    return tf.compat.v1.layers.dense(hidden, CLASSES, name="logits")


def main(folder: str, names: list[str]) -> None:
    path = os.path.join(folder, "provenance.json")
    document: dict[str, Any] = {"models": {}}
    if os.path.exists(path):
        with open(path) as file:
            document = json.load(file)
    for name in names or list(MODELS):
        print("building", name, flush=True)
        document["models"][name] = build(name, folder)
    document["made_by"] = {
        "script": "tools/ophint/build_models.py",
        "seed": SEED,
        "steps_of_training": STEPS_OF_TRAINING,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
    with open(path, "w") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
