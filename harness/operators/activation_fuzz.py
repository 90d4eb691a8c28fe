"""Draw models of one operator that rescales or computes a function, with Hypothesis.

Requantisation, activations and softmax: scales, zero points, options, ties, extremes. An example
holds what decides it in its description; its values come of its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from reference.operators.description import Graph, Operator, Tensor

Array = NDArray[Any]
Samples = tuple[Array, ...]
Fields = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A model of one operator and its inputs, [N, …] each. description: all that decides them."""

    graph: Graph
    samples: Samples
    description: Fields

    def __repr__(self) -> str:
        return f"Drawn({self.description})"


@dataclass(frozen=True)
class Draw:
    """What an example is made of. kind: the type of the values."""

    kind: str
    fields: Fields
    random: np.random.Generator

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.fields["shape"])

    @property
    def quantised(self) -> bool:
        return self.kind in ("int8", "int16")

    def scale(self, which: int, kind: str | None = None) -> float:
        """The scale of one of an example's tensors, which may be a power of two."""
        power = self.fields["powers"][which] - (7.0 if (kind or self.kind) == "int16" else 0.0)
        return float(np.float32(2.0 ** (round(power) if self.fields["even"] else power)))

    def zero(self, which: int, kind: str | None = None) -> int:
        return int(self.fields["zeros"][which]) if (kind or self.kind) == "int8" else 0

    def tensor(self, name: str, shape: tuple[int, ...] | None = None, which: int = 0) -> Tensor:
        """An activation with the scale and zero point that are drawn under a number."""
        return self.of(name, self.kind, shape, which)

    def of(self, name: str, kind: str, shape: tuple[int, ...] | None, which: int) -> Tensor:
        shape = self.shape if shape is None else shape
        if kind not in ("int8", "int16"):
            return Tensor(name, kind, shape)
        return Tensor(name, kind, shape, (self.scale(which, kind),), (self.zero(which, kind),))

    def values(self, shape: tuple[int, ...] | None = None, kind: str | None = None) -> Array:
        """[N, …] values of a type, so many that an example has some thousands."""
        shape, kind = self.shape if shape is None else shape, kind or self.kind
        count = max(2, min(64, 8192 // max(1, int(np.prod(shape)))))
        full = (count, *shape)
        if kind == "float32":
            spread = 2.0 ** self.random.uniform(-4, 4)
            return np.asarray(spread * self.random.normal(0, 1, full), np.float32)
        if kind == "bool":
            return self.random.random(full) < 0.5
        info = np.iinfo(kind)
        if self.fields["values"] == "extreme":
            return np.asarray(self.random.choice([info.min, info.max], full), kind)
        if self.fields["values"] == "narrow":
            middle = self.random.integers(info.min // 2, info.max // 2)
            return (middle + self.random.integers(-9, 10, full)).astype(kind)
        return self.random.integers(info.min, info.max, full, endpoint=True).astype(kind)


Make = Callable[[Draw], tuple[Graph, Samples]]

COMMON: dict[str, st.SearchStrategy[Any]] = {
    "seed": st.integers(0, 2**32 - 1),
    "shape": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    "powers": st.tuples(*[st.floats(-9.0, -0.51)] * 3),
    "even": st.booleans(),
    "zeros": st.tuples(*[st.integers(-128, 127)] * 3),
    "values": st.sampled_from(["uniform", "uniform", "narrow", "extreme"]),
    "number": st.floats(-1.0, 2.0, width=32),
    "flags": st.tuples(st.booleans(), st.booleans()),
}


def strategy(name: str, kind: str, make: Make) -> st.SearchStrategy[Drawn]:
    """Examples of one family of a type."""

    def made(fields: Fields) -> Drawn:
        graph, samples = make(Draw(kind, fields, np.random.default_rng(fields["seed"])))
        return Drawn(graph, samples, {"family": name, "kind": kind, **fields})

    return st.fixed_dictionaries(COMMON).map(made)


def graph_of(
    name: str,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    options: Fields | None = None,
    version: int = 1,
) -> Graph:
    """A graph of one operator; inputs with data are constants."""
    count = len(inputs)
    operator = Operator(
        name,
        version,
        tuple(range(count)),
        tuple(range(count, count + len(outputs))),
        options or {},
    )
    fed = tuple(k for k, tensor in enumerate(inputs) if tensor.data is None)
    return Graph(inputs + outputs, (operator,), fed, operator.outputs)


def _function(name: str, output: tuple[float, int] | None = None) -> Make:
    """output: the scale and zero point that the kernel wants of integers, if any."""

    def make(draw: Draw) -> tuple[Graph, Samples]:
        target = draw.tensor("y", which=1)
        if draw.quantised and output is not None:
            scale, zero = output if draw.kind == "int8" else (2.0**-15, 0)
            target = Tensor("y", draw.kind, draw.shape, (scale,), (zero,))
        if name == "HARD_SWISH" and draw.quantised:  # the kernel takes no finer output
            finest = float(np.float32(draw.tensor("x").step / 127))
            target = replace(target, scale=(max(target.step, finest),))
        options: Fields = {}
        if name == "LEAKY_RELU":
            options = {"alpha": draw.fields["number"]}
        elif name == "GELU":
            options = {"approximate": draw.fields["flags"][0]}
        elif name == "SOFTMAX":
            options = {"beta": 1.0 if draw.fields["flags"][0] else 0.75}
        return graph_of(name, (draw.tensor("x"),), (target,), options), (draw.values(),)

    return make


def _prelu(draw: Draw) -> tuple[Graph, Samples]:
    shape = (*draw.shape[-3:], 5)  # kernels that broadcast take four axes
    slopes = shape[-2:] if draw.fields["flags"][0] else shape[-1:]
    x, alpha = draw.tensor("x", shape), draw.tensor("alpha", slopes, 1)
    y = draw.tensor("y", shape, 2)
    first, second = draw.values(shape), draw.values(slopes)
    least = min(len(first), len(second))
    return graph_of("PRELU", (x, alpha), (y,)), (first[:least], second[:least])


def _quantize(source: str) -> Make:
    """To int8 or int16; from floats, many of which are ties."""

    def make(draw: Draw) -> tuple[Graph, Samples]:
        x, y = draw.of("x", source, None, 0), draw.tensor("y", which=1)
        samples = draw.values(kind=source)
        if source == "float32":
            info = np.iinfo(draw.kind)
            codes = draw.random.integers(info.min - 9, info.max + 9, samples.shape)
            halves = draw.random.choice([0.0, 0.5, 0.49999997], samples.shape)
            samples = ((codes - y.zero + halves) * y.step).astype(np.float32)
        return graph_of("QUANTIZE", (x,), (y,)), (samples,)

    return make


def _dequantize(draw: Draw) -> tuple[Graph, Samples]:
    y = Tensor("y", "float32", draw.shape)
    return graph_of("DEQUANTIZE", (draw.tensor("x"),), (y,), version=2), (draw.values(),)


FAMILIES: dict[str, Make] = {
    name: _function(name)
    for name in ("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "ELU", "EXP", "LOG", "GELU")
}
FAMILIES |= {
    "LOGISTIC": _function("LOGISTIC", (2.0**-8, -128)),
    "TANH": _function("TANH", (2.0**-7, 0)),
    "SOFTMAX": _function("SOFTMAX", (2.0**-8, -128)),
    "LOG_SOFTMAX": _function("LOG_SOFTMAX", (2.0**-4, 127)),
    "HARD_SWISH": _function("HARD_SWISH"),
    "PRELU": _prelu,
    "QUANTIZE from float32": _quantize("float32"),
    "QUANTIZE from int8": _quantize("int8"),
    "QUANTIZE from int16": _quantize("int16"),
    "DEQUANTIZE": _dequantize,
}

KINDS = {
    **dict.fromkeys(FAMILIES, ("int8", "int16", "float32")),
    **dict.fromkeys(
        ("ELU", "LOG", "GELU", "LOG_SOFTMAX", "HARD_SWISH", "PRELU"), ("int8", "float32")
    ),
    "RELU_N1_TO_1": ("int8", "float32"),
    **{name: ("int8", "int16") for name in FAMILIES if "QUANTIZE" in name},
}

_TFLITE = ("tflite", "tflite-no-xnnpack", "tflite-reference")
#: Families, types and runtimes that have no kernel for them.
REFUSED = frozenset(
    [
        ("ELU", "int8", "tflite-reference"),
        ("ELU", "float32", "tflite-reference"),
        *((name, kind, "tflm") for name in ("RELU_N1_TO_1", "GELU") for kind in KINDS[name]),
        ("EXP", "int8", "tflm"),
        ("EXP", "int16", "tflm"),
        ("LOG", "int8", "tflm"),
        *(("QUANTIZE from int8", "int16", runtime) for runtime in _TFLITE),
    ]
)
