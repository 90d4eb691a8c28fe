"""Draw the parts of models of one operator with arithmetic: tensors, scales, values, extremes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.operators.activation_fuzz import Drawn
from reference.operators.description import Graph, Tensor

Array = NDArray[Any]
#: Numbers of one example: so many samples are drawn that outputs come to about this.
VALUES = 16_384
MOST_SAMPLES = 48
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
        return float32(2.0 ** (np.round(power) if self["powers"] else power))

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
            return float32(natural * 2.0**power)
        if choice == "tie":
            return float32(12.0 / (2 * self.random.integers(2, 130) + 1))
        return float32(fitting * 2.0 ** self.random.uniform(-2, 2))


def float32(value: float) -> float:
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


def strategy_of(
    kind: str, make: Make, fields: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Drawn]:
    def made(values: dict[str, Any]) -> Drawn:
        maker = Maker(kind, values, np.random.default_rng(values["seed"]))
        graph, samples = make(maker)
        return Drawn(graph, samples, {"kind": kind, **values})

    return st.fixed_dictionaries(_common() | fields).map(made)
