"""Draw models of one operator that multiplies matrices or slides a window over an image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.operators.activation_fuzz import Drawn
from harness.operators.operator_draw import Make, Maker, strategy_of
from reference.operators.description import ABSENT, Graph, Operator

Array = NDArray[Any]


# Matrix products ---------------------------------------------------------------------------


def _fully_connected(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
    depth, units = m["depth"], m["units"]
    lead = (m["batch"],) if not m["keep_num_dims"] else (m["batch"], 2)
    shape = (*lead, depth)
    result = (*lead, units) if m["keep_num_dims"] else (int(np.prod(lead)), units)
    scale = m.scale()
    scales = [m.scale(-10, -3) for _ in range(units if m["per_channel"] else 1)]
    natural = [scale * one for one in scales]
    x = m.tensor("x", shape, scale, m.zero())
    w = m.weights("weights", (units, depth), 0, scales)
    b = m.bias("bias", natural, units)
    spread = 40.0 * 127 * np.sqrt(depth) if m.kind == "int8" else 4e5 * np.sqrt(depth)
    y = m.tensor("y", result, m.output_scale(max(natural), spread), m.zero())
    options = {
        "fused_activation_function": m["activation"],
        "keep_num_dims": m["keep_num_dims"],
    }
    if m.kind == "int16" and m["declared_bias"]:  # LiteRT asks for it where there is no bias
        options["quantized_bias_type"] = "INT64"
    versions = {"float32": 5, "int8": 12 if m["per_channel"] else 5, "int16": 7}
    inputs = (0, 1, 2 if m["with_bias"] else ABSENT)
    operator = Operator("FULLY_CONNECTED", versions[m.kind], inputs, (3,), options)
    return Graph((x, w, b, y), (operator,), (0,), (3,)), (m.samples(shape, int(np.prod(result))),)


def _hybrid(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
    graph, samples = _fully_connected(m)
    x, _, b, y = graph.tensors
    scale = [m.scale(-10, -3)]
    quantised = replace(m, kind="int8").weights("weights", (m["units"], m["depth"]), 0, scale)
    options = dict(graph.operators[0].options, asymmetric_quantize_inputs=m["asymmetric"])
    operator = replace(graph.operators[0], version=9, options=options)
    return replace(graph, tensors=(x, quantised, b, y), operators=(operator,)), samples


def _batch_matmul(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
    rows, depth, columns = m["rows"], m["depth"], m["units"]
    left = (depth, rows) if m["adj_x"] else (rows, depth)
    right = (columns, depth) if m["adj_y"] else (depth, columns)
    lead, other = tuple(m["lead"]), tuple(m["lead"])
    if m["broadcast"] and lead and not m["adj_x"]:
        other = (1, *lead[1:])
    scales = [m.scale(), m.scale()]
    natural = scales[0] * scales[1]
    a = m.tensor("a", (*lead, *left), scales[0], m.zero())
    b = m.tensor("b", (*other, *right), scales[1], m.zero())
    most = 5000.0 if m.kind == "int8" else 3e8
    result = (*lead, rows, columns)
    y = m.tensor("y", result, m.output_scale(natural, most * np.sqrt(depth)), m.zero())
    options = {"adj_x": m["adj_x"], "adj_y": m["adj_y"]}
    version = {"float32": 1, "int8": 2, "int16": 3}[m.kind]
    operator = Operator("BATCH_MATMUL", version, (0, 1), (2,), options)
    count = int(np.prod(result))
    first, second = m.samples(a.shape, count), m.samples(b.shape, count)
    least = min(len(first), len(second))
    return Graph((a, b, y), (operator,), (0, 1), (2,)), (first[:least], second[:least])


def hybrid(kind: str) -> st.SearchStrategy[Drawn]:
    """FULLY_CONNECTED of float32 rows and int8 weights."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "batch": st.sampled_from([1, 1, 2, 5]),
        "depth": st.integers(1, 64),
        "units": st.integers(1, 40),
        "keep_num_dims": st.booleans(),
        "per_channel": st.just(False),
        "asymmetric": st.booleans(),
    }
    return strategy_of(kind, _hybrid, fields)


def batch_matmul(kind: str) -> st.SearchStrategy[Drawn]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "rows": st.integers(1, 9),
        "depth": st.integers(1, 40),
        "units": st.integers(1, 20),
        "lead": st.lists(st.integers(1, 3), max_size=2),
        "broadcast": st.booleans(),
        "adj_x": st.booleans(),
        "adj_y": st.booleans(),
    }
    return strategy_of(kind, _batch_matmul, fields)


def _sizes(size: int, window: int, stride: int, dilation: int, padding: str) -> int:
    if padding == "SAME":
        return -(-size // stride)
    return -(-(size - (window - 1) * dilation) // stride)


def _image(m: Maker, channels: int) -> tuple[tuple[int, ...], tuple[int, int]]:
    """An input's shape and what the windows make of its sides; VALID windows always fit."""
    least = [(m["window"][k] - 1) * m["dilation"][k] + 1 for k in (0, 1)]
    sides = [max(m["sides"][k], least[k]) for k in (0, 1)]
    results = [
        _sizes(sides[k], m["window"][k], m["stride"][k], m["dilation"][k], m["padding"])
        for k in (0, 1)
    ]
    return (m["batch"], *sides, channels), (results[0], results[1])


def _strides(m: Maker) -> dict[str, Any]:
    return {
        "padding": m["padding"],
        "stride_h": m["stride"][0],
        "stride_w": m["stride"][1],
        "fused_activation_function": m["activation"],
    }


def _dilations(m: Maker) -> dict[str, Any]:
    return {"dilation_h_factor": m["dilation"][0], "dilation_w_factor": m["dilation"][1]}


def _convolution(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
    shape, results = _image(m, m["channels"])
    kernel = (m["units"], *m["window"], m["channels"])
    return _windowed(m, "CONV_2D", shape, results, kernel, 0, m["units"], {})


def _depthwise(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
    shape, results = _image(m, m["channels"])
    units = m["channels"] * m["multiplier"]
    kernel = (1, *m["window"], units)
    more = {"depth_multiplier": m["multiplier"]}
    return _windowed(m, "DEPTHWISE_CONV_2D", shape, results, kernel, 3, units, more)


def _windowed(
    m: Maker,
    name: str,
    shape: tuple[int, ...],
    results: tuple[int, int],
    kernel: tuple[int, ...],
    axis: int,
    units: int,
    more: dict[str, Any],
) -> tuple[Graph, tuple[Array, ...]]:
    scale = m.scale()
    scales = [m.scale(-10, -3) for _ in range(units)] if m["per_channel"] else [m.scale(-10, -3)]
    if len(scales) == 1 and m.kind != "float32" and units > 1:
        scales = scales * units  # the kernels want one for each channel
    natural = [scale * one for one in scales]
    x = m.tensor("x", shape, scale, m.zero())
    w = m.weights("weights", kernel, axis, scales)
    b = m.bias("bias", natural, units)
    taps = np.prod(kernel) / units
    spread = (40.0 * 127 if m.kind == "int8" else 4e5) * np.sqrt(taps)
    result = (shape[0], *results, units)
    y = m.tensor("y", result, m.output_scale(max(natural), spread), m.zero())
    options = {**_strides(m), **_dilations(m), **more}
    versions = {"float32": 2, "int8": 3, "int16": 4 if name == "CONV_2D" else 5}
    operator = Operator(name, versions[m.kind], (0, 1, 2), (3,), options)
    return Graph((x, w, b, y), (operator,), (0,), (3,)), (m.samples(shape, int(np.prod(result))),)


def _pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


_WINDOW: dict[str, st.SearchStrategy[Any]] = {
    "batch": st.sampled_from([1, 1, 2, 3]),
    "sides": _pair(1, 10),
    "window": _pair(1, 4),
    "stride": _pair(1, 3),
    "dilation": st.one_of(st.just((1, 1)), _pair(1, 3)),
    "padding": st.sampled_from(["SAME", "VALID"]),
    "channels": st.integers(1, 9),
    "per_channel": st.booleans(),
}


def fully_connected(kind: str, per_channel: bool = True) -> st.SearchStrategy[Drawn]:
    """per_channel: whether the runtime knows one scale for each unit."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "batch": st.sampled_from([1, 1, 2, 5]),
        "depth": st.integers(1, 64),
        "units": st.integers(1, 40),
        "keep_num_dims": st.booleans(),
        "per_channel": st.booleans() if per_channel else st.just(False),
        "declared_bias": st.booleans(),
    }
    return strategy_of(kind, _fully_connected, fields)


def convolution(kind: str) -> st.SearchStrategy[Drawn]:
    return strategy_of(kind, _convolution, _WINDOW | {"units": st.integers(1, 20)})


def depthwise_convolution(kind: str) -> st.SearchStrategy[Drawn]:
    return strategy_of(kind, _depthwise, _WINDOW | {"multiplier": st.sampled_from([1, 1, 2, 3])})


# Pooling -----------------------------------------------------------------------------------


def _pool(name: str) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        shape, results = _image(m, m["channels"])
        scale, zero = m.scale(), m.zero()
        result = (shape[0], *results, m["channels"])
        x, y = m.tensor("x", shape, scale, zero), m.tensor("y", result, scale, zero)
        window = {"filter_height": m["window"][0], "filter_width": m["window"][1]}
        versions = {"float32": 1, "int8": 2, "int16": 3}
        operator = Operator(name, versions[m.kind], (0,), (1,), {**_strides(m), **window})
        return Graph((x, y), (operator,), (0,), (1,)), (m.samples(shape, int(np.prod(result))),)

    return make


def pooling(kind: str, name: str) -> st.SearchStrategy[Drawn]:
    """name: AVERAGE_POOL_2D or MAX_POOL_2D."""
    return strategy_of(kind, _pool(name), _WINDOW | {"dilation": st.just((1, 1))})
