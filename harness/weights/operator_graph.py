"""Read the operators and constants of a flatbuffer's main graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.schema import builtin_name, dtype_name, shared, stored

Array = NDArray[Any]
_NUMBERS = ("float32", "float16", "int8", "int16", "int32", "int64")


@dataclass(frozen=True, eq=False)
class Constant:
    """A weight tensor of the flatbuffer as real numbers. step: its scale (of each value), 0 for
    float; dtype: as stored."""

    name: str
    values: Array
    step: Array | float
    dtype: str


class OperatorGraph:
    """Read access to the main graph of a flatbuffer."""

    def __init__(self, content: bytes) -> None:
        self.model = shared(content)
        self.main = self.model.subgraphs[0]
        self.operators = self.main.operators
        self.tensors = self.main.tensors
        self.names = [builtin_name(self.model, operator) for operator in self.operators]
        self.readers: dict[int, list[int]] = {}
        for position, operator in enumerate(self.operators):
            for index in {int(k) for k in operator.inputs if k >= 0}:
                self.readers.setdefault(index, []).append(position)

    def tensor_name(self, index: int) -> str:
        name = self.tensors[index].name
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)

    def constant(self, index: int) -> Constant | None:
        """A constant as real numbers; None for a tensor that is computed or has no numbers."""
        if index < 0:
            return None
        tensor = self.tensors[index]
        dtype = dtype_name(tensor)
        values = stored(self.model, tensor) if dtype in _NUMBERS else None
        if values is None:
            return None
        parameters = tensor.quantization
        if dtype in ("float32", "float16"):
            return Constant(self.tensor_name(index), values.astype(np.float64), 0.0, dtype)
        if parameters is None or parameters.scale is None or len(parameters.scale) == 0:
            return None
        scale: Array | float = np.asarray(parameters.scale, np.float64)
        if np.size(scale) > 1:
            shape = [1] * values.ndim
            shape[parameters.quantizedDimension] = -1
            scale = np.reshape(scale, shape)
        zero = parameters.zeroPoint
        zero_point = 0 if zero is None or len(zero) == 0 else int(zero[0])
        real = (values.astype(np.float64) - zero_point) * scale
        step = np.broadcast_to(scale, real.shape)
        return Constant(self.tensor_name(index), real, step, dtype)


def constant_of(graph: OperatorGraph, index: int) -> Constant | None:
    """A constant, through the DEQUANTIZE that a float16 conversion puts before it."""
    found = graph.constant(index)
    if found is not None:
        return found
    for operator, name in zip(graph.operators, graph.names, strict=True):
        if name == "DEQUANTIZE" and int(operator.outputs[0]) == index:
            return graph.constant(int(operator.inputs[0]))
    return None
