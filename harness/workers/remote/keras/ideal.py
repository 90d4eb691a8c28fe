"""Run a Keras model with ideally rounded tensors: the ordinary noise of a quantisation scheme.

Runs in a worker: needs NumPy and TensorFlow only. Nothing here knows a flatbuffer or a kernel:
each layer's output, each hidden and cell state and each kernel is rounded to the nearest step of
the range that it has on these very samples, and everything else is Keras's own float arithmetic.
A conversion that is many times further from Keras than that has more wrong with it than bits.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Elements from which on the converter stores a weight in 8 bits in its dynamic-range scheme.
DYNAMIC_ELEMENTS = 1024
#: How far a range may be stretched, so that draws round differently.
_STRETCH = 0.08
#: What TensorFlow Lite's quantisation specification fixes the range of an activation's answer to.
_FIXED = {"softmax": (0.0, 1.0), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_CURVED = ("softmax", "sigmoid", "tanh", "elu", "swish", "selu", "softplus", "hard_sigmoid")


class Probe:
    """A model whose layers are watched, then rounded.

    scheme: `float` (weights and inputs moved by their last bit), `dynamic` (8-bit weights, the
    inputs of matrix products rounded row by row), `int8`, `int16` (16-bit activations), or
    `float16` (weights rounded to half precision).
    """

    def __init__(self, tf: Any, model: Any, scheme: str) -> None:
        self.tf = tf
        self.model = model
        self.scheme = scheme
        #: Largest absolute cell state of each LSTM by its layer's name.
        self.cells: Dict[str, float] = {}
        self._ranges: Dict[str, List[float]] = {}
        self._mode = "observe"
        self._random = np.random.default_rng(0)
        self._stretch: Dict[str, float] = {}
        self._fixed: Dict[str, Tuple[float, float]] = {}

    def observe(self, inputs: Sequence[Array]) -> List[Array]:
        """Keras's own answer [N, …] for each output; every range is noted on the way."""
        self._mode = "observe"
        self._ranges.clear()
        with self._watched():
            for k, x in enumerate(inputs):
                self._seen(f"input/{k}", x)
            found = self._call(inputs)
        self.cells = {
            name[: -len("/cell")]: max(abs(ends[0]), abs(ends[1]))
            for name, ends in self._ranges.items()
            if name.endswith("/cell")
        }
        # Watching must change nothing: the answer is taken from the model as it is.
        plain = self._call(inputs)
        for a, b in zip(plain, found):
            if not np.allclose(a, b, rtol=1e-3, atol=1e-4 * (1 + np.abs(a).max()), equal_nan=True):
                raise RuntimeError("the watched model answers otherwise than the model")
        return plain

    def rounded(self, inputs: Sequence[Array], seed: Sequence[int]) -> List[Array]:
        """The answer [N, …] for each output with everything rounded, ranges stretched by a draw."""
        self._mode = "round"
        self._random = np.random.default_rng(list(seed))
        self._stretch.clear()
        kept = self.model.get_weights()
        try:
            self.model.set_weights(self._weights())
            with self._watched():
                given = [self._input(k, x) for k, x in enumerate(inputs)]
                return self._call(given)
        finally:
            self.model.set_weights(kept)

    def _call(self, inputs: Sequence[Array]) -> List[Array]:
        tensors = [self.tf.constant(x) for x in inputs]
        packed = tensors[0] if len(tensors) == 1 else tensors
        result = self.model(packed, training=False)
        return [np.asarray(part) for part in self.tf.nest.flatten(result)]

    def _weights(self) -> List[Array]:
        found = []
        for weight in self.model.weights:
            value = np.asarray(weight.numpy())
            if weight.trainable and value.dtype.kind == "f":
                value = self._weight(weight.name, value).astype(value.dtype)
            found.append(value)
        return found

    def _weight(self, name: str, value: Array) -> Any:
        if self.scheme == "float":
            return value * (1 + self._random.choice([-1, 1], value.shape) * 2.0**-24)
        if self.scheme == "float16":
            return value.astype(np.float16)
        if value.ndim < 2 or (self.scheme == "dynamic" and value.size < DYNAMIC_ELEMENTS):
            return value
        recurrent = any(word in name for word in ("lstm", "gru", "rnn", "cell"))
        axes = None if recurrent or value.ndim < 2 else tuple(range(value.ndim - 1))
        step = np.abs(value).max(axis=axes, keepdims=True) / 127
        step = np.where(step == 0, 1.0, step) * (1 + _STRETCH * self._random.random())
        return np.round(value / step) * step

    def _input(self, k: int, x: Array) -> Any:
        if x.dtype.kind != "f" or self.scheme in ("dynamic", "float16"):
            return x
        if self.scheme == "float":
            return (x * (1 + self._random.choice([-1, 1], x.shape) * 2.0**-24)).astype(x.dtype)
        return np.asarray(self._tensor(f"input/{k}", self.tf.constant(x)))

    def _seen(self, name: str, value: Any) -> None:
        array = np.asarray(value)
        if array.dtype.kind != "f" or not array.size:
            return
        low, high = float(array.min()), float(array.max())
        ends = self._ranges.setdefault(name, [0.0, 0.0])
        ends[0], ends[1] = min(ends[0], low), max(ends[1], high)

    def _tensor(self, name: str, value: Any, bits: Optional[int] = None) -> Any:
        """What passes a point of the model: noted, or rounded."""
        if self._mode == "observe":
            self._seen(name, value)
            return value
        if not value.dtype.is_floating or self.scheme in ("float", "float16", "dynamic"):
            return value
        bits = bits or (16 if self.scheme == "int16" else 8)
        low, high = self._fixed.get(name) or self._ranges.get(name) or (0.0, 0.0)
        if high <= low:
            return value
        stretch = 1.0
        if name not in self._fixed:
            stretch = self._stretch.setdefault(name, 1 + _STRETCH * self._random.random())
        step = (high - low) * stretch / (2**bits - 1)
        zero = np.round(-low / step)
        return (
            self.tf.clip_by_value(self.tf.round(value / step) + zero, 0, 2**bits - 1) - zero
        ) * step

    def _row(self, value: Any) -> Any:
        """The input of a hybrid matrix product: 8 bits of each row's own range."""
        if self._mode == "observe" or self.scheme != "dynamic" or not value.dtype.is_floating:
            return value
        step = self.tf.reduce_max(self.tf.abs(value), axis=-1, keepdims=True) / 127
        step = self.tf.where(step == 0, self.tf.ones_like(step), step)
        return self.tf.round(value / step) * step

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Every layer's call, recurrent cell and curved activation goes through this probe."""
        undo: List[Tuple[Any, str, Any]] = []
        try:
            for layer in self.model.layers:
                self._watch(layer, layer.name, undo)
            yield
        finally:
            for thing, name, value in reversed(undo):
                if value is None:
                    thing.__dict__.pop(name, None)
                else:
                    setattr(thing, name, value)

    def _watch(self, layer: Any, name: str, undo: List[Tuple[Any, str, Any]]) -> None:
        keras = self.tf.keras
        if isinstance(layer, keras.layers.InputLayer):
            return
        if isinstance(layer, keras.layers.Bidirectional):
            self._watch(layer.forward_layer, f"{name}/forward", undo)
            self._watch(layer.backward_layer, f"{name}/backward", undo)
        elif isinstance(layer, keras.layers.RNN):
            if hasattr(layer, "_could_use_gpu_kernel"):
                undo.append((layer, "_could_use_gpu_kernel", layer._could_use_gpu_kernel))
                layer._could_use_gpu_kernel = False  # else the cell is never called
            self._watch_cell(layer.cell, name, undo)
            return
        elif isinstance(layer, (keras.layers.Wrapper,)):
            self._watch(layer.layer, f"{name}/inner", undo)
            return
        elif isinstance(layer, keras.Model):
            for inner in layer.layers:
                self._watch(inner, f"{name}/{inner.name}", undo)
            return
        activation = getattr(layer, "activation", None)
        curve = getattr(activation, "__name__", "")
        if curve in _FIXED:
            self._fixed[f"{name}/output"] = _FIXED[curve]
        if curve in _CURVED:
            undo.append((layer, "activation", activation))
            layer.activation = self._before(activation, f"{name}/before")
        product = isinstance(layer, keras.layers.Dense)
        self._replace(layer, "call", self._around(layer.call, f"{name}/output", product), undo)

    def _watch_cell(self, cell: Any, name: str, undo: List[Tuple[Any, str, Any]]) -> None:
        inner = getattr(cell, "cells", None)
        if inner is not None:
            for k, each in enumerate(inner):
                self._watch_cell(each, f"{name}/{k}", undo)
            return
        self._replace(cell, "call", self._around_cell(cell.call, name), undo)

    def _replace(self, thing: Any, name: str, value: Any, undo: List[Tuple[Any, str, Any]]) -> None:
        undo.append((thing, name, thing.__dict__.get(name)))
        object.__setattr__(thing, name, value)

    def _before(self, activation: Any, name: str) -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            return activation(self._tensor(name, x))

        return call

    def _around(self, call: Any, name: str, product: bool) -> Callable[..., Any]:
        def rounded(inputs: Any, *rest: Any, **keywords: Any) -> Any:
            if product:
                inputs = self._row(inputs)
            result = call(inputs, *rest, **keywords)
            if isinstance(result, (list, tuple)):
                return [self._tensor(f"{name}/{k}", part) for k, part in enumerate(result)]
            return self._tensor(name, result)

        return rounded

    def _around_cell(self, call: Any, name: str) -> Callable[..., Any]:
        def rounded(inputs: Any, states: Any, *rest: Any, **keywords: Any) -> Any:
            if self.scheme == "dynamic":
                inputs = self._row(inputs)
                states = [self._row(states[0]), *states[1:]]
            output, after = call(inputs, states, *rest, **keywords)
            after = self.tf.nest.flatten(after)
            hidden = self._tensor(f"{name}/hidden", after[0])
            if len(after) == 2:
                return hidden, [hidden, self._tensor(f"{name}/cell", after[1], bits=16)]
            return hidden, [hidden]

        return rounded
