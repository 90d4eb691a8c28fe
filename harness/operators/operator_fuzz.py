"""Draw models of one operator with arithmetic: shapes, scales, zero points, options, extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.operators.activation_fuzz import Drawn
from reference.operators.description import ABSENT, Graph, Operator, Tensor

Array = NDArray[Any]
#: Numbers of one example: so many samples are drawn that outputs come to about this.
VALUES = 16_384
MOST_SAMPLES = 48
_ALL_KINDS = ("int8", "int16", "float32", "int32")
ACTIVATIONS = ["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]


@dataclass(frozen=True)
class Maker:
    """Builds what a dictionary of drawn numbers describes. kind: int8, int16, float32, or int32,
    which is not quantised."""

    kind: str
    values: dict[str, Any]
    random: np.random.Generator

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def scale(self, low: float = -8.0, high: float = -1.0) -> float:
        """A scale: a power of two, whose products have many ties, or any number."""
        power = self.random.uniform(low, high)
        return _float32(2.0 ** (np.round(power) if self["powers"] else power))

    def zero(self) -> int:
        return 0 if self.kind == "int16" else int(self.random.integers(-128, 128))

    def tensor(
        self, name: str, shape: tuple[int, ...], scale: float = 0.0, zero: int = 0
    ) -> Tensor:
        """An activation."""
        if self.kind in ("float32", "int32"):
            return Tensor(name, self.kind, shape)
        return Tensor(name, self.kind, shape, (scale,), (zero,))

    def weights(self, name: str, shape: tuple[int, ...], axis: int, scales: list[float]) -> Tensor:
        """Constant weights, int8 unless the activations are floats."""
        drawn = self.random.normal(0, 1, shape)
        if self.kind == "float32":
            return Tensor(name, "float32", shape, data=drawn.astype(np.float32))
        codes = {
            "uniform": self.random.integers(-127, 128, shape),
            "small": np.rint(3 * drawn),
            "extreme": self.random.choice([-127, 127], shape),
            "one sign": np.full(shape, 127),
        }[self["weights"]]
        several = len(scales) > 1
        data = np.clip(codes, -127, 127).astype(np.int8)
        zeros = (0,) * len(scales)
        return Tensor(name, "int8", shape, tuple(scales), zeros, axis if several else None, data)

    def bias(self, name: str, scales: list[float], units: int) -> Tensor:
        if self.kind == "float32":
            data = self.random.normal(0, 1, units).astype(np.float32)
            return Tensor(name, "float32", (units,), data=data)
        dtype = "int32" if self.kind == "int8" else "int64"
        codes = self.random.integers(-self["bias"], self["bias"] + 1, units).astype(dtype)
        zeros = (0,) * len(scales)
        axis = 0 if len(scales) > 1 else None
        return Tensor(name, dtype, (units,), tuple(scales), zeros, axis, codes)

    def samples(self, shape: tuple[int, ...], outputs: int) -> NDArray[Any]:
        """Values of an input, so many that all outputs come to about VALUES."""
        count = max(2, min(MOST_SAMPLES, VALUES // max(outputs, int(np.prod(shape)), 1)))
        shape = (count, *shape)
        if self.kind == "float32":
            spread = 2.0 ** self.random.uniform(-4, 4)
            return np.asarray(spread * self.random.normal(0, 1, shape), np.float32)
        info = np.iinfo(self.kind)
        if self["inputs"] == "extreme":
            drawn = self.random.choice([info.min, info.max], shape)
        elif self["inputs"] == "constant":
            drawn = np.full(shape, self.random.integers(info.min, info.max + 1))
        else:
            drawn = self.random.integers(info.min, info.max + 1, shape)
        return np.asarray(drawn, self.kind)

    def output_scale(self, natural: float, spread: float) -> float:
        """A scale for results of about `spread` steps of `natural`: some saturate, some are tiny.

        Half of them are the natural step times a power of two, or a scale at which RELU6's end is a
        tie."""
        choice = self["output"]
        most = 127 if self.kind == "int8" else 32767
        fitting = natural * max(spread, 1.0) / most
        if choice == "power":
            power = np.round(np.log2(max(fitting / natural, 2.0**-8)) + self.random.integers(-1, 2))
            return _float32(natural * 2.0**power)
        if choice == "tie":
            return _float32(12.0 / (2 * self.random.integers(2, 130) + 1))
        return _float32(fitting * 2.0 ** self.random.uniform(-2, 2))


def _float32(value: float) -> float:
    return float(np.float32(value))


def _common() -> dict[str, st.SearchStrategy[Any]]:
    return {
        "seed": st.integers(0, 2**32 - 1),
        "powers": st.booleans(),
        "weights": st.sampled_from(["uniform", "small", "extreme", "one sign"]),
        "inputs": st.sampled_from(["uniform", "uniform", "extreme", "constant"]),
        "bias": st.sampled_from([0, 1000, 60_000, 2**31 - 1]),
        "with_bias": st.booleans(),
        "output": st.sampled_from(["power", "any", "any", "tie"]),
        "activation": st.sampled_from(ACTIVATIONS),
    }


Make = Callable[[Maker], tuple[Graph, tuple[Array, ...]]]


def _strategy(
    kind: str, make: Make, fields: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Drawn]:
    def made(values: dict[str, Any]) -> Drawn:
        maker = Maker(kind, values, np.random.default_rng(values["seed"]))
        graph, samples = make(maker)
        return Drawn(graph, samples, {"kind": kind, **values})

    return st.fixed_dictionaries(_common() | fields).map(made)


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
    return _strategy(kind, _hybrid, fields)


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
    return _strategy(kind, _batch_matmul, fields)


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
    }
    return _strategy(kind, _fully_connected, fields)


def convolution(kind: str) -> st.SearchStrategy[Drawn]:
    return _strategy(kind, _convolution, _WINDOW | {"units": st.integers(1, 20)})


def depthwise_convolution(kind: str) -> st.SearchStrategy[Drawn]:
    return _strategy(kind, _depthwise, _WINDOW | {"multiplier": st.sampled_from([1, 1, 2, 3])})


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
    return _strategy(kind, _pool(name), _WINDOW | {"dilation": st.just((1, 1))})


# Value by value ----------------------------------------------------------------------------


def _binary(name: str) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        full = tuple(m["shape"])
        shapes = [
            {
                "same": full,
                "ones": tuple(1 if k % 2 == side else n for k, n in enumerate(full)),
                "fewer": full[side:],
                "scalar": (full if side == m["side"] else (1,) * len(full)),
            }[m["broadcast"]]
            for side in (0, 1)
        ]
        if m["broadcast"] == "fewer" and m["side"]:
            shapes.reverse()
        result = np.broadcast_shapes(*shapes)
        scales = [m.scale(), m.scale()]
        zeros = [m.zero(), m.zero(), m.zero()]
        natural, spread = max(scales), 2.0
        if name == "MUL":
            natural, spread = scales[0] * scales[1], 128.0
        if name == "SQUARED_DIFFERENCE":
            natural, spread = max(scales) ** 2, 128.0
        most = 128.0 if m.kind == "int8" else 32768.0
        out = m.output_scale(natural, spread * most)
        if m.kind == "int16" and name in ("ADD", "SUB"):
            out = max(out, _float32(natural * 2.0**-13))  # the kernels abort at a factor of 2
            powers = [*scales, out] if m["pot_scale"] else [0.3]
            if all(np.frexp(scale)[0] == 0.5 for scale in powers):  # only one may be shifted
                scales = [out, out * 2.0 ** -m.random.integers(0, 5)]
        if name in ("MAXIMUM", "MINIMUM"):
            scales, out, zeros = [scales[0]] * 2, scales[0], [zeros[0]] * 3
        tensors = (
            m.tensor("a", shapes[0], scales[0], zeros[0]),
            m.tensor("b", shapes[1], scales[1], zeros[1]),
            m.tensor("y", result, out, zeros[2]),
        )
        options: dict[str, Any] = {}
        if name in ("ADD", "SUB", "MUL", "DIV"):
            options["fused_activation_function"] = m["activation"]
        if name in ("ADD", "SUB"):
            options["pot_scale_int16"] = m["pot_scale"]
        version = 2 if m.kind == "int8" else 1
        if m.kind == "int16":
            version = {"ADD": 4, "SUB": 5, "MUL": 4}.get(name, 4)
        operator = Operator(name, version, (0, 1), (2,), options)
        count = int(np.prod(result))
        first, second = m.samples(shapes[0], count), m.samples(shapes[1], count)
        least = min(len(first), len(second))
        return Graph(tensors, (operator,), (0, 1), (2,)), (first[:least], second[:least])

    return make


def binary(kind: str, name: str) -> st.SearchStrategy[Drawn]:
    """Operators of two tensors that are broadcast: ADD, SUB, MUL, DIV, …"""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.lists(st.integers(1, 9), min_size=1, max_size=4),
        "broadcast": st.sampled_from(["same", "same", "ones", "fewer", "scalar"]),
        "side": st.integers(0, 1),
        "pot_scale": st.booleans(),
    }
    return _strategy(kind, _binary(name), fields)


def _unary(name: str) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        shape = tuple(m["shape"])
        x, y = m.tensor("x", shape, m.scale(), m.zero()), m.tensor("y", shape)
        samples = m.samples(shape, int(np.prod(shape)))
        if m.kind in ("int8", "int16"):
            x = m.tensor("x", shape, x.step, -128 if name == "RSQRT" else m.zero())
            y = m.tensor("y", shape, m.scale(-6, 2), m.zero())
        elif name in ("SQRT", "RSQRT"):
            samples = np.abs(samples)
        operator = Operator(name, 2 if name == "RSQRT" else 1, (0,), (1,))
        return Graph((x, y), (operator,), (0,), (1,)), (samples,)

    return make


def unary(kind: str, name: str) -> st.SearchStrategy[Drawn]:
    """Operators of one tensor: NEG, ABS, SQUARE, SQRT, RSQRT."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    }
    return _strategy(kind, _unary(name), fields)


# Reductions --------------------------------------------------------------------------------


def _reduction(name: str, one_scale: bool = False) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        shape = tuple(m["shape"])
        rank = len(shape)
        axes = [1, 2] if m["image"] and rank == 4 else sorted({k % rank for k in m["axes"]})
        kept = m["keep_dims"]
        result = tuple(1 if k in axes else n for k, n in enumerate(shape) if kept or k not in axes)
        scale, zero = m.scale(), m.zero()
        out, out_zero = m.output_scale(scale, 80.0), m.zero()
        if m["same_scale"] or one_scale:
            out, out_zero = scale, zero
        written = [k - rank if m["negative_axes"] else k for k in axes]
        x, y = m.tensor("x", shape, scale, zero), m.tensor("y", result, out, out_zero)
        axis = Tensor("axes", "int32", (len(axes),), data=np.array(written, np.int32))
        version = {"float32": 1, "int8": 2, "int16": 2 if name == "SUM" else 3}[m.kind]
        operator = Operator(name, version, (0, 1), (2,), {"keep_dims": kept})
        samples = m.samples(shape, int(np.prod(result)))
        return Graph((x, axis, y), (operator,), (0,), (2,)), (samples,)

    return make


def reduction(kind: str, name: str, one_scale: bool = False) -> st.SearchStrategy[Drawn]:
    """MEAN, SUM, REDUCE_MAX, REDUCE_MIN over one or several axes.

    one_scale: the output has the input's scale and zero point.
    """
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.one_of(
            st.lists(st.integers(1, 12), min_size=1, max_size=4),
            st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40)),
        ),
        "axes": st.lists(st.integers(0, 3), min_size=1, max_size=3),
        "image": st.booleans(),
        "keep_dims": st.booleans(),
        "negative_axes": st.booleans(),
        "same_scale": st.booleans(),
    }
    return _strategy(kind, _reduction(name, one_scale), fields)


Strategy = Callable[[str], st.SearchStrategy[Drawn]]

#: By family: the strategy of a type.
FAMILIES: dict[str, Strategy] = {
    "FULLY_CONNECTED": partial(fully_connected, per_channel=False),
    "FULLY_CONNECTED per channel": fully_connected,
    "FULLY_CONNECTED hybrid": hybrid,
    "BATCH_MATMUL": batch_matmul,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise_convolution,
    "SUM of one scale": partial(reduction, name="SUM", one_scale=True),
}
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "DIV")
_UNARY = ("NEG", "ABS", "SQUARE", "SQRT", "RSQRT")
_REDUCTIONS = ("MEAN", "SUM")
_EXTREMES = ("REDUCE_MAX", "REDUCE_MIN")
FAMILIES |= {name: partial(pooling, name=name) for name in _POOLS}
FAMILIES |= {name: partial(binary, name=name) for name in _BINARY}
FAMILIES |= {name: partial(unary, name=name) for name in _UNARY}
FAMILIES |= {name: partial(reduction, name=name) for name in _REDUCTIONS}
FAMILIES |= {name: partial(reduction, name=name, one_scale=True) for name in _EXTREMES}

KINDS = {
    **dict.fromkeys(FAMILIES, ("int8", "int16", "float32")),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"), _ALL_KINDS),
    "FULLY_CONNECTED per channel": ("int8", "int16"),
    "FULLY_CONNECTED hybrid": ("float32",),
    "SQUARED_DIFFERENCE": ("int8", "float32"),
    "RSQRT": ("int8", "float32"),
    **dict.fromkeys(("DIV", "SQUARE", "SQRT"), ("float32",)),
    **dict.fromkeys(("NEG", "ABS"), ("float32", "int32")),
    "SUM of one scale": ("int8", "int16"),
}

_TFLITE = ("tflite", "tflite-no-xnnpack", "tflite-reference")
#: Families, types and runtimes that have no kernel for them.
REFUSED = frozenset(
    [
        *(("FULLY_CONNECTED per channel", kind, name) for kind in _ALL_KINDS for name in _TFLITE),
        ("FULLY_CONNECTED hybrid", "float32", "tflm"),
        *(("SUM", "int16", runtime) for runtime in _TFLITE),
        *((name, "int16", "tflm") for name in _EXTREMES),
        *((name, "int32", "tflm") for name in ("NEG", "ABS")),
    ]
)
