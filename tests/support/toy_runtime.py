"""Register a runtime in one file: models of one float LSTM, computed with NumPy in float32.

On PYTHONPATH, with pytest's `-p toy_runtime`, the suites have a runtime `toy` more. What it answers
is held to the same oracles as the others' answers, so that it shows what a new runtime needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import Adapter, Runtime, register
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.schema import shared
from reference.lstm.weights import LstmWeights

Array = NDArray[np.float32]


class Model:
    """One flatbuffer, driven as `harness.workers.remote.abilities.invoke` wants it."""

    def __init__(
        self, logistic: Callable[[Array], Array], content: bytes, request: dict[str, Any]
    ) -> None:
        found, graph = lstm_operators(content), shared(content).subgraphs[0]
        if len(found) != 1 or len(graph.operators) != 1:
            raise ValueError("the toy runs models of one LSTM and nothing else")
        (self.lstm,) = found
        if not isinstance(self.lstm.parameters, LstmWeights) or self.lstm.kind != "float":
            raise ValueError(f"the toy runs no {self.lstm.kind} LSTM")
        self.logistic, self.weights = logistic, self.lstm.parameters
        (shape,) = request["shapes"] or [self.lstm.input_shape]
        self.batch = shape[0]
        self.reset()

    def reset(self) -> None:
        self.hidden = np.zeros((self.batch, self.weights.outputs), np.float32)
        self.cell = np.zeros((self.batch, self.weights.units), np.float32)

    def set(self, inputs: Sequence[Array]) -> None:
        (self.x,) = inputs

    def invoke(self) -> None:
        """The equations as Keras's documentation has them, a step at a time."""
        clip = self.lstm.options.cell_clip or np.inf
        steps = []
        for x in self.x.swapaxes(0, 1):
            w, r, b = self.weights.input_kernel, self.weights.recurrent_kernel, self.weights.bias
            i, f, c, o = (
                x @ np.asarray(w[k]).T + self.hidden @ np.asarray(r[k]).T + b[k] for k in range(4)
            )
            kept = self.logistic(f) * self.cell + self.logistic(i) * np.tanh(c)
            self.cell = np.clip(kept, -clip, clip).astype(np.float32)
            self.hidden = (self.logistic(o) * np.tanh(self.cell)).astype(np.float32)
            steps.append(self.hidden)
        self.output = np.stack(steps, 1)

    def get(self) -> list[Array]:
        return [self.output]

    def read(self, indices: Sequence[int]) -> list[Array]:
        states = {self.lstm.hidden_state: self.hidden, self.lstm.cell_state: self.cell}
        return [states[index] for index in indices]


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def hard_logistic(x: Array) -> Array:
    """What a hurried port may have instead: cheaper, and another function."""
    return np.clip(0.2 * x + 0.5, 0, 1).astype(np.float32)


TOY = Adapter(
    name="toy",
    place=9,
    distribution="numpy",
    module="numpy",
    driver=f"{__name__}:Model",
    api=(f"{__name__}:logistic",),
    abilities=("invoke", "tensors"),
    profile="TFLite 2.15.1",
    kernels="toy",
    kernel="toy kernel",
)
register(Runtime(TOY, "toy", "a toy in NumPy"))
