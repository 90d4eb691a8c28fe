"""Make ordinary Keras models as files, and say what they answer with ideal quantisation.

Runs in a worker: needs NumPy and TensorFlow only. It serves `harness.assurance.world`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from harness.workers.remote.keras import building, compatibility, ideal

Request = Dict[str, Any]
Arrays = Dict[str, NDArray[Any]]

#: Steps of training: enough to move every weight, too few for anything to be learned by heart.
TRAINING_STEPS = 12


def versions() -> Dict[str, str]:
    return compatibility.versions(tf)


def make(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """Build `description` with `weights` of one kind, or those of the file `weights_of`, and write
    it to `path`. Arrays `input/NAME` [N, …] are what a trained model is trained on.
    """
    state.clear()
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(request["seed"])
    model = building.build(tf, request["description"], seeded=request["weights"] == "seeded")
    names = compatibility.input_names(model)
    if request["weights_of"]:
        given = tf.keras.models.load_model(request["weights_of"], compile=False)
        model.set_weights(given.get_weights())
    elif request["weights"] == "trained":
        _train(model, [arrays[f"input/{name}"] for name in names], request["seed"])
    else:
        _change(model, request["weights"], request["seed"])
    model.save(request["path"])
    state["model"], state["path"] = model, request["path"]
    return {"inputs": _interface(model.inputs, names), "outputs": len(model.outputs)}, {}


def answers(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """What the model of `path` answers to the arrays `input/NAME` [N, …], and what it would with
    its activations and weights rounded ideally by `scheme`, in several ways.

    Gives `output/K`, `ideal/DRAW/K`, and the largest cell state of each LSTM.
    """
    if state.get("path") != request["path"]:
        state.clear()
        tf.keras.backend.clear_session()
        state["model"] = tf.keras.models.load_model(request["path"], compile=False)
        state["path"] = request["path"]
    model = state["model"]
    inputs = [arrays[f"input/{name}"] for name in compatibility.input_names(model)]
    probe = ideal.Probe(tf, model, request["scheme"])
    exact = probe.observe(inputs)
    found = {f"output/{k}": value for k, value in enumerate(exact)}
    for draw in range(request["draws"]):
        rounded = probe.rounded(inputs, [request["seed"], draw])
        found.update({f"ideal/{draw}/{k}": value for k, value in enumerate(rounded)})
    return {"cells": probe.cells}, found


def _train(model: Any, inputs: List[NDArray[Any]], seed: int) -> None:
    """A few steps towards a smooth function of the inputs, by Adam, as a user's script would."""
    random = np.random.default_rng(seed)
    count = len(inputs[0])
    summary = np.stack([np.tanh(_standard(x.reshape(count, -1)).mean(axis=1)) for x in inputs])
    targets = []
    for output in tf.nest.flatten(model(_packed(inputs), training=False)):
        directions = random.normal(0, 1, (len(inputs), *output.shape[1:]))
        target = np.tensordot(summary.T, directions, axes=1)
        targets.append(tf.constant(target.astype(np.float32)))
    optimizer = tf.keras.optimizers.Adam(0.02)

    @tf.function  # type: ignore[untyped-decorator]
    def step() -> None:
        with tf.GradientTape() as tape:
            given = tf.nest.flatten(model(_packed(inputs), training=True))
            loss = tf.add_n([tf.reduce_mean((a - b) ** 2) for a, b in zip(given, targets)])
        gradients = tape.gradient(loss, model.trainable_variables)
        pairs = [p for p in zip(gradients, model.trainable_variables) if p[0] is not None]
        optimizer.apply_gradients(pairs)

    for _ in range(TRAINING_STEPS):
        step()


def _packed(inputs: List[NDArray[Any]]) -> Any:
    tensors = [tf.constant(x) for x in inputs]
    return tensors[0] if len(tensors) == 1 else tensors


def _standard(x: NDArray[Any]) -> Any:
    return (x - x.mean()) / (x.std() + 1e-6)


_FACTORS = {"large": 2.5, "small": 0.1}


def _change(model: Any, weights: str, seed: int) -> None:
    """Kernels scaled or thinned out; biases and statistics stay."""
    if weights in ("seeded", "initial"):
        return
    random = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        value = weight.numpy()
        if weight.trainable and value.ndim >= 2 and value.dtype.kind == "f":
            if weights == "sparse":
                value = value * (random.random(value.shape) < 0.25)
            else:
                value = value * _FACTORS[weights]
        values.append(value.astype(weight.dtype.as_numpy_dtype))
    model.set_weights(values)


def _interface(tensors: List[Any], names: List[str]) -> List[Request]:
    return [
        {"name": name, "shape": list(tensor.shape), "dtype": tf.as_dtype(tensor.dtype).name}
        for tensor, name in zip(tensors, names)
    ]


OPERATIONS = {"make": make, "answers": answers}
