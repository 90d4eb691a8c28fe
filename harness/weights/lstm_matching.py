"""Match the fused LSTMs of a flatbuffer to the layers that they were made from, by weights.

Names do not decide: the converter renames what it fuses, and somebody else's file may have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.weights import Gates, LstmWeights

Array = NDArray[Any]
Layer = tuple[str, str, tuple[Array, ...]]


@dataclass(frozen=True, eq=False)
class Match:
    """One fused LSTM and the layer it was made from: the nearest of the same shapes that no
    operator before it has taken, or, where there are more operators of these shapes than layers,
    one of a layer that is called again. layer: its name in the oracle's ranges, such as `lstm_1` or
    `bidirectional_1/forward`, and its weights; empty and None where no layer has the shapes."""

    lstm: FoundLstm
    layer: str = ""
    weights: LstmWeights | None = None


def matches(content: bytes, weights: Mapping[str, Array]) -> list[Match]:
    """The fused LSTMs of a flatbuffer that can be read, in all of its graphs, each with its layer.

    weights: Keras's, by `layer/index`; there need not be a description of the model.
    """
    layers = list(_lstm_layers(weights))
    shapes_of = {id(layer): _shapes(_split(layer[2])) for layer in layers}
    read = [lstm for lstm in lstm_operators(content) if lstm.parameters is not None]
    wanted = [_shapes(lstm.parameters) for lstm in read if lstm.parameters is not None]
    taken, found = Taken(), []
    for lstm, shapes in zip(read, wanted, strict=True):
        assert lstm.parameters is not None
        fitting = [layer for layer in layers if shapes_of[id(layer)] == shapes]
        again = wanted.count(shapes) - len(fitting)
        layer = taken.nearest(flat(lstm.parameters), fitting, again)
        layer_weights = None if layer is None else _split(layer[2])
        found.append(Match(lstm, layer[0] if layer else "", layer_weights))
    return found


class Taken:
    """The layers that have their operators.

    A layer that is called twice has two operators: a layer is given out again where it lies nearer
    than any that is left, but no more often than there are more operators than layers. So an
    operator with another layer's weights in the place of its own is still held to its own.
    """

    def __init__(self) -> None:
        self._taken: list[Layer] = []

    def nearest(self, own: Array, fitting: Sequence[Layer], again: int) -> Layer | None:
        """The layer of an operator; fitting: those of its shapes, again: how many operators there
        are more than these."""
        repeated = sum(count - 1 for layer in fitting if (count := self._count(layer)) > 1)
        left = [layer for layer in fitting if not self._count(layer)]
        free = [*left, *(x for x in fitting if self._count(x))] if repeated < again else left
        layer = _nearest(own, free)
        if layer is not None:
            self._taken.append(layer)
        return layer

    def _count(self, layer: Layer) -> int:
        return sum(one is layer for one in self._taken)


def _split(weights: Sequence[Array]) -> LstmWeights:
    return LstmWeights.from_keras(*weights)


def _lstm_layers(weights: Mapping[str, Array]) -> Iterator[Layer]:
    """Every kernel, recurrent kernel and bias that follow each other and fit together. Two of
    them in one layer are the directions of a Bidirectional."""
    by_layer: dict[str, dict[int, Array]] = {}
    for key, array in weights.items():
        name, _, index = key.rpartition("/")
        by_layer.setdefault(name, {})[int(index)] = np.asarray(array)
    for name, arrays in by_layer.items():
        runs = [[arrays.get(k) for k in range(first, first + 3)] for first in sorted(arrays)]
        found = [tuple(three) for three in runs if _is_lstm(*three)]
        names = [f"{name}/forward", f"{name}/backward"] if len(found) == 2 else [name] * len(found)
        for own_name, own in zip(names, found, strict=True):
            yield own_name, "LSTM", own  # type: ignore[misc]


def _is_lstm(kernel: Array | None, recurrent: Array | None, bias: Array | None) -> bool:
    if kernel is None or recurrent is None or bias is None:
        return False
    if not (kernel.ndim == recurrent.ndim == 2 and bias.ndim == 1):
        return False
    return bool(recurrent.shape[1] == 4 * recurrent.shape[0] == kernel.shape[1] == bias.size)


def _shapes(weights: LstmWeights | IntegerLstm) -> tuple[Any, ...]:
    groups = (weights.input_kernel, weights.recurrent_kernel, weights.bias)
    return tuple(None if gate is None else gate.shape for group in groups for gate in group)


def _nearest(own: Array, layers: Sequence[Layer]) -> Layer | None:
    """The layer whose kernel has the shape and lies nearest, the first of several."""
    best: tuple[float, Layer] | None = None
    for layer in layers:
        kernel = kernel_of(layer)
        if kernel.shape != own.shape:
            continue
        distance = float(np.abs(kernel - own).mean())
        if best is None or distance < best[0]:
            best = distance, layer
    return best[1] if best else None


def kernel_of(layer: Layer) -> Array:
    return layer[2][0] if layer[1] == "Dense" else _stacked(layer[2])


def _stacked(weights: Sequence[Array]) -> Array:
    """Kernel and recurrent kernel of an LSTM layer in one array."""
    return np.concatenate([weights[0], weights[1]])


def flat(parameters: LstmWeights | IntegerLstm) -> Array:
    """The same of an operator, as real numbers in Keras's layout; empty with a coupled gate."""
    gates = real_kernels(parameters)
    if any(gate is None for group in gates for gate in group):
        return np.zeros((0, 0))
    return np.concatenate([np.concatenate([gate.T for gate in g], axis=1) for g in gates])  # type: ignore[union-attr]


def real_kernels(parameters: LstmWeights | IntegerLstm) -> tuple[Gates, Gates]:
    """Input and recurrent kernels as real numbers, float64."""
    if isinstance(parameters, LstmWeights):
        return (
            parameters.input_kernel.as_type(np.float64),
            parameters.recurrent_kernel.as_type(np.float64),
        )

    def real(gates: Gates, scales: Sequence[float | None]) -> Gates:
        values = [
            None if gate is None or scale is None else gate.astype(np.float64) * scale
            for gate, scale in zip(gates, scales, strict=True)
        ]
        return Gates(*values)  # type: ignore[arg-type]

    return (
        real(parameters.input_kernel, parameters.input_kernel_scale),
        real(parameters.recurrent_kernel, parameters.recurrent_kernel_scale),
    )
