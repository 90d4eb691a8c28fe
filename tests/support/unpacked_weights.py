"""A layer whose weights are float16 or int8 constants behind DEQUANTIZE, as converters write it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import schema

#: The tensors that operators compute: the weights, the addend, their product and the sum.
WEIGHTS, ADDEND, PRODUCT, SUM = 3, 4, 5, 6
SIZE = 4


def layer(dtype: str, weight: float = 0.5, activation: str = "NONE") -> bytes:
    """x [1, 4] times weights plus an addend, both DEQUANTIZE of constants. dtype: float16 or int8.
    weight: the first of the weights. activation: of the sum."""
    random = np.random.default_rng(0)
    graph = GraphBuilder()
    x = graph.tensor("x", [1, SIZE], "float32")
    values = random.uniform(-1, 1, (SIZE, SIZE))
    values[0, 0] = weight
    constants = [_constant(graph, "weights", dtype, values)]
    constants.append(_constant(graph, "addend", dtype, random.uniform(-1, 1, (1, SIZE))))
    weights = graph.tensor("weights, unpacked", [SIZE, SIZE], "float32")
    addend = graph.tensor("addend, unpacked", [1, SIZE], "float32")
    product = graph.tensor("product", [1, SIZE], "float32")
    total = graph.tensor("sum", [1, SIZE], "float32")
    for given, made in zip(constants, (weights, addend), strict=True):
        graph.operator("DEQUANTIZE", [given], [made], options=schema().DequantizeOptionsT())
    options = schema().FullyConnectedOptionsT()
    graph.operator("FULLY_CONNECTED", [x, weights, -1], [product], options=options)
    added: Any = schema().AddOptionsT()
    added.fusedActivationFunction = getattr(schema().ActivationFunctionType, activation)
    graph.operator("ADD", [product, addend], [total], options=added)
    return graph.pack([x], [total])


def samples(count: int = 5) -> NDArray[np.float32]:
    """[N, 1, 4]."""
    drawn = np.random.default_rng(1).uniform(-1, 1, (count, 1, SIZE))
    return drawn.astype(np.float32)


def _constant(graph: GraphBuilder, name: str, dtype: str, values: NDArray[np.float64]) -> int:
    if dtype == "float16":
        return graph.tensor(name, values.shape, dtype, data=values.astype(np.float16))
    codes = np.clip(np.round(values * 100), -127, 127)
    return graph.tensor(name, values.shape, dtype, 0.01, data=codes.astype(np.int8))
