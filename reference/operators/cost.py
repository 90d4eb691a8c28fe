"""Measure what the rounding of each tensor of a quantised graph costs at its outputs.

The graph is run in real numbers, its constants dequantised: that is its float interpretation, in
which nothing but the constants is rounded. Then one tensor at a time is moved to the grid of its
scale and zero point, and saturated at its ends, and what that moves the outputs by is its cost. An
LSTM's hidden and cell state are moved to their grids at every step, as part of its output's cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.budgets.float_lstm import Grid, Noise, noisy_runs
from reference.operators.description import ABSENT, Graph, Model, Operator, Tensor, scales_along
from reference.operators.folds import Value
from reference.operators.kernel import Call, NoOracle
from reference.operators.profiles import TFLITE_REFERENCE, OperatorProfile
from reference.operators.run import call_without_values
from reference.operators.samples import compute_all
from reference.operators.sequence_lstm import (
    CELL_STATE,
    OUTPUT_STATE,
    float_weights,
    options_of,
)

Array = NDArray[Any]

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
#: What only changes the type of a value, which has none in real numbers.
_TYPES = ("QUANTIZE", "DEQUANTIZE")
_INTEGERS = ("int8", "uint8", "int16")
#: The grids' kernels do not matter: values are computed in float64.
_PROFILE: OperatorProfile = TFLITE_REFERENCE


@dataclass(frozen=True)
class Cost:
    """What the rounding of one tensor costs.

    index, tensor, operator: which, and what computes it (input where the user does). mean_square:
    of the change of the outputs, each in units of its own root mean square. share: of the sum over
    all tensors. saturated: the share of its values beyond the ends of its range.
    """

    index: int
    tensor: str
    operator: str
    mean_square: float
    share: float = 0.0
    saturated: float = 0.0


@dataclass(frozen=True, eq=False)
class Costs:
    """All tensors, the dearest first, and the outputs of the float interpretation [N, …].
    together: mean_square of the outputs with every tensor rounded."""

    tensors: tuple[Cost, ...]
    outputs: tuple[Array, ...]
    together: float


def costs(model: Model, inputs: Sequence[Array]) -> Costs:
    """The cost of every quantised tensor of the first graph.

    inputs: [N, …] in real numbers. Raises NoOracle for a graph with an operator that has no float
    oracle, or that runs other graphs.
    """
    graph = model.graphs[0]
    real = _in_real_numbers(graph)
    exact = _run(graph, real, inputs, frozenset())
    sizes = [max(float(np.square(exact[k]).mean()), np.finfo(float).tiny) for k in graph.outputs]

    def moved(tensors: frozenset[int]) -> float:
        found = _run(graph, real, inputs, tensors)
        return float(
            np.mean(
                [
                    np.square(found[k] - exact[k]).mean() / size
                    for k, size in zip(graph.outputs, sizes, strict=True)
                ]
            )
        )

    rounded = _rounded_tensors(graph, exact)
    makers = {k: operator.name for operator in graph.operators for k in operator.outputs}
    found = [
        Cost(
            k,
            graph.tensors[k].name,
            makers.get(k, "input"),
            moved(frozenset([k])),
            saturated=_saturated(graph.tensors[k], exact[k]),
        )
        for k in rounded
    ]
    total = sum(cost.mean_square for cost in found)
    if total > 0:
        found = [replace(cost, share=cost.mean_square / total) for cost in found]
    found.sort(key=lambda cost: -cost.mean_square)
    outputs = tuple(exact[k] for k in graph.outputs)
    return Costs(tuple(found), outputs, moved(frozenset(rounded)))


def _rounded_tensors(graph: Graph, values: Mapping[int, Array]) -> list[int]:
    """The tensors whose values are rounded to a scale of their own: where an operator leaves its
    values as they are, its output has them on the same grid already."""
    sources: dict[int, Tensor] = {}
    for operator in graph.operators:
        for k in operator.outputs:
            if operator.inputs and operator.inputs[0] != ABSENT and operator.name in _MOVING:
                sources[k] = graph.tensors[operator.inputs[0]]
    found = []
    for k in values:
        tensor = graph.tensors[k]
        if tensor.dtype not in _INTEGERS or len(tensor.scale) != 1 or tensor.data is not None:
            continue
        source = sources.get(k)
        if source is None or (source.scale, source.zero_point) != (tensor.scale, tensor.zero_point):
            found.append(k)
    return found


_MOVING = (
    *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "SLICE", "TRANSPOSE", "REVERSE_V2"),
    *("SPLIT", "SPLIT_V", "UNPACK", "PACK", "CONCATENATION", "GATHER", "PAD", "MAX_POOL_2D"),
)


def _in_real_numbers(graph: Graph) -> Graph:
    """The graph with float32 in the place of every quantised tensor, and dequantised constants."""
    return replace(graph, tensors=tuple(_real_tensor(tensor) for tensor in graph.tensors))


def _real_tensor(tensor: Tensor) -> Tensor:
    if not tensor.scale or np.dtype(tensor.dtype).kind not in "iu":
        return tensor
    data = None if tensor.data is None else _real(tensor, tensor.data)
    return replace(tensor, dtype="float32", scale=(), zero_point=(), axis=None, data=data)


def _real(tensor: Tensor, stored: Array) -> Array:
    """Dequantised constants, per tensor or per channel."""
    scale = scales_along(tensor, stored.ndim)
    zero = np.asarray(tensor.zero_point or (0,), np.float64)
    zero = zero.reshape(scale.shape) if zero.size == scale.size else zero.reshape(-1)[0]
    return np.asarray((stored.astype(np.float64) - zero) * scale, np.float32)


def _run(
    graph: Graph, real: Graph, inputs: Sequence[Array], rounded: frozenset[int]
) -> dict[int, Array]:
    """All computed tensors, [N, …] float64, with some of them moved to their grids."""
    count = len(inputs[0])
    values: dict[int, Value] = {}

    def put(index: int, value: Value) -> None:
        if index in rounded:
            value = Value(_on_grid(graph.tensors[index], value.array), value.shared)
        values[index] = value

    for index, array in zip(graph.inputs, inputs, strict=True):
        put(index, Value(np.asarray(array, np.float64)))
    for before, operator in zip(graph.operators, real.operators, strict=True):
        held = [_given(real, index, values) for index in operator.inputs]
        if operator.name in _TYPES and held[0] is not None:
            put(operator.outputs[0], held[0])
            continue
        if operator.name == LSTM:
            keep = operator.outputs[0] in rounded
            put(operator.outputs[0], _lstm(graph, before, real, operator, held, keep))
            continue
        found = compute_all(call_without_values(real, operator), held, _PROFILE, count)
        for index, value in zip(operator.outputs, found.values, strict=True):
            put(index, value)
    return {
        k: np.asarray(value.spread(count), np.float64)
        for k, value in values.items()
        if value.array.dtype.kind in "fiu"
    }


def _given(graph: Graph, index: int, values: Mapping[int, Value]) -> Value | None:
    if index == ABSENT:
        return None
    tensor = graph.tensors[index]
    found = values.get(index)
    if found is None:
        found = None if tensor.data is None or tensor.variable else Value(tensor.data, True)
    if found is None and not tensor.variable:
        raise NoOracle(f"{tensor.name!r} is not known")
    if found is not None and found.array.dtype == np.float64 and tensor.dtype == "float32":
        return Value(found.array.astype(np.float32), found.shared)
    return found


def _lstm(
    graph: Graph,
    quantised: Operator,
    real: Graph,
    operator: Operator,
    held: Sequence[Value | None],
    rounded: bool,
) -> Value:
    """The LSTM in float64 from rest; rounded: its states are moved to their grids."""
    first = held[0]
    assert first is not None
    if any(held[k] is not None for k in (OUTPUT_STATE, CELL_STATE)):
        raise NoOracle(f"{LSTM} from a given state")
    call: Call = call_without_values(real, operator)
    weights, options = float_weights(call), options_of(call)
    grids: dict[str, Grid | None] = {}
    if rounded:
        tensors = [graph.tensors[quantised.inputs[k]] for k in (OUTPUT_STATE, CELL_STATE)]
        grids = {
            "hidden_grid": None if not tensors[0].scale else _grid(tensors[0]),
            "cell_grid": None if not tensors[1].scale else _grid(tensors[1]),
        }
    x = first.array if not first.shared else first.array[None]
    wide = np.moveaxis(x, 0, 1) if options.time_major else x
    shape = wide.shape
    axis = 1 if options.time_major else 0
    merged = wide.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    (outputs,), _ = noisy_runs(weights, merged, options, None, Noise(), samples=1, **grids)  # type: ignore[arg-type]
    if options.time_major:
        outputs = outputs.swapaxes(0, 1)  # [time, N · batch, units]
        apart = outputs.reshape(len(outputs), len(x), -1, outputs.shape[-1])
        return Value(np.moveaxis(apart, 1, 0), False)
    return Value(outputs.reshape(len(x), -1, *outputs.shape[1:]), False)


def _grid(tensor: Tensor) -> Grid:
    info = np.iinfo(tensor.dtype)
    return Grid(tensor.step, float(info.min - tensor.zero), float(info.max - tensor.zero))


def _on_grid(tensor: Tensor, values: Array) -> Array:
    return _grid(tensor).nearest(np.asarray(values, np.float64))


def _saturated(tensor: Tensor, values: Array) -> float:
    grid = _grid(tensor)
    steps = values / grid.scale
    return float(np.mean((steps < grid.low - 0.5) | (steps > grid.high + 0.5)))
