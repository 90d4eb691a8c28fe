"""Write down what hooks are shown, and what each layer has to show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.network.hooks import Hooks, Lazy, WeightKind
from tests.support.networks import Array, named

#: [samples, batch, time, features]: two steps, so that what is shown for each step is seen twice.
STEPS, FEATURES, UNITS = 2, 4, 3
X = np.random.default_rng(4).uniform(0.1, 1, (1, 3, STEPS, FEATURES))


class Seen(Hooks):
    """Exact in trial 0. Writes down each call, and each sum with the magnitude that is given.

    In trial 1 all weights are twice as large: what belongs to trial 0 alone shows.
    """

    def __init__(self, trials: int = 1) -> None:
        self.trials = trials
        self.calls: list[str] = []
        self.sums: list[tuple[str, Array, Array]] = []

    def _call(self, *words: Any) -> None:
        self.calls.append(" ".join(str(word) for word in words))

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        self._call("weight", name, kind, *([tensors] if tensors > 1 else []))
        return np.stack([value * (k + 1) for k in range(self.trials)])

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        self._call("tensor", name, *(fixed_range or ()))
        return value

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        self._call("operand", weight, axes)
        return value

    def _sum(self, hook: str, name: str, value: Array, magnitude: Lazy, *terms: int) -> Array:
        self._call(hook, name, *terms)
        self.sums.append((name, value, magnitude()))
        return value

    def total(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self._sum("total", name, value, magnitude, terms)

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self._sum("gate", name, value, magnitude, terms)

    def function(self, name: str, function: str, value: Array) -> Array:
        self._call("function", name, function)
        return value

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        self._call("gate_output", name, function)
        return value

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self._sum("cell", name, value, magnitude)

    def hidden(self, name: str, value: Array) -> Array:
        self._call("hidden", name)
        return value


def positive(*shapes: tuple[int, ...]) -> dict[str, Array]:
    random = np.random.default_rng(len(shapes))
    return named("a", [random.uniform(0.05, 0.5, shape) for shape in shapes])


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


def cell_weights(
    gates: int, features: int = FEATURES, units: int = UNITS, *bias: int
) -> list[tuple[int, ...]]:
    width = gates * units
    return [(features, width), (units, width), (*bias, width)]


def lstm(name: str, features: int = FEATURES, tensors: str = " 4") -> list[str]:
    """What an LSTM shows over two steps. tensors: into how many its weights are cut."""
    step = [
        f"operand {name}/recurrent 1",
        f"gate {name}/gates {UNITS + 1}",
        f"gate_output {name}/if sigmoid",
        f"gate_output {name}/g tanh",
        f"gate_output {name}/o sigmoid",
        f"cell {name}/cell",
        f"gate_output {name}/out tanh",
        f"hidden {name}/hidden",
    ]
    return [
        f"weight {name}/kernel kernel{tensors}",
        f"weight {name}/recurrent recurrent{tensors}",
        f"weight {name}/bias bias{tensors}",
        f"operand {name}/kernel 1",
        f"gate {name}/input {features + 1}",
        *step * STEPS,
    ]


def gru(*candidate: str, terms: int) -> list[str]:
    step = ["operand a/recurrent 1", f"gate a/gates {terms}"]
    step += ["gate a/zr 3", "gate_output a/zr sigmoid", *candidate]
    step += ["gate a/h 3", "gate_output a/g tanh", "hidden a/hidden"]
    return ["operand a/kernel 1", "gate a/input 5", *step * STEPS]


_KERNEL_AND_BIAS = ["weight a/kernel kernel", "operand a/kernel 1", "weight a/bias bias"]
_NORM = [
    "total a/mean/total 4",
    "tensor a/mean",
    "tensor a/squared",
    "total a/variance 4",
    "tensor a/variance",
    "function a/inverse rsqrt",
    "tensor a/inverse",
    "tensor a/scaled",
    "tensor a/shift",
    "total a/difference 3",
]
_GROWN = ["tensor a/normal", "weight a/gamma scale", "tensor a/grown", "weight a/beta bias"]
_BATCH_NORM = [
    "weight a/factor scale",
    "weight a/shift bias",
    "function a/factor rsqrt",
    "function a/shift rsqrt",
    "tensor a/scaled",
    "total a/total 2",
    "tensor a",
]
LSTM = {"units": UNITS}
_BOTH = cell_weights(4) * 2

#: Class, options, shapes of the weights, and what is shown after the input.
SHOWN: list[tuple[str, dict[str, Any], list[tuple[int, ...]], list[str]]] = [
    ("Activation", {"activation": "linear"}, [], ["function a linear", "tensor a"]),
    ("Activation", {"activation": "relu"}, [], ["function a relu", "tensor a"]),
    *(
        (
            "Dense",
            {"units": 3, "activation": function},
            [(4, 3), (3,)],
            [
                *_KERNEL_AND_BIAS,
                "total a/total 5",
                "tensor a/logits",
                f"function a {function}",
                f"tensor a{bounds}",
            ],
        )
        for function, bounds in (
            ("softmax", " 0.0 1.0"),
            ("sigmoid", " 0.0 1.0"),
            ("tanh", " -1.0 1.0"),
            ("elu", ""),
        )
    ),
    (
        "Dense",
        {"units": 3, "use_bias": False},
        [(4, 3)],
        [
            "weight a/kernel kernel",
            "operand a/kernel 1",
            "total a/total 4",
            "function a linear",
            "tensor a",
        ],
    ),
    (
        "Conv1D",
        {"filters": 3, "kernel_size": 2},
        [(2, 4, 3), (3,)],
        [
            "weight a/kernel filters",
            "weight a/bias bias",
            "operand a/kernel 2",
            "total a/total 9",
            "function a linear",
            "tensor a",
        ],
    ),
    (
        "TimeDistributed",
        {"layer": wrapped("Dense", units=3)},
        [(4, 3), (3,)],
        [*_KERNEL_AND_BIAS, "total a/total 5", "function a linear", "tensor a"],
    ),
    ("LayerNormalization", {}, [(4,), (4,)], [*_NORM, *_GROWN, "tensor a"]),
    ("LayerNormalization", {"scale": False, "center": False}, [], [*_NORM, "tensor a"]),
    ("BatchNormalization", {}, [(4,)] * 4, _BATCH_NORM),
    ("GlobalAveragePooling1D", {}, [], ["total a/total 2", "tensor a"]),
    ("GlobalMaxPooling1D", {}, [], []),
    ("AveragePooling1D", {"strides": 1}, [], ["total a/total 2", "tensor a"]),
    ("MaxPooling1D", {}, [], []),
    ("Softmax", {}, [], ["function a softmax", "tensor a 0.0 1.0"]),
    ("ReLU", {}, [], ["tensor a"]),
    ("LeakyReLU", {}, [], ["function a leaky_relu", "tensor a"]),
    ("Flatten", {}, [], []),
    ("LSTM", LSTM, cell_weights(4), lstm("a")),
    ("LSTM", {**LSTM, "unroll": True}, cell_weights(4), lstm("a", tensors="")),
    (
        "GRU",
        LSTM,
        cell_weights(3, FEATURES, UNITS, 2),
        [
            "weight a/kernel kernel",
            "weight a/recurrent recurrent",
            "weight a/bias bias",
            "weight a/recurrent_bias bias",
            *gru(terms=4),
        ],
    ),
    (
        "GRU",
        {**LSTM, "reset_after": False},
        cell_weights(3),
        [
            "weight a/kernel kernel",
            "weight a/recurrent recurrent",
            "weight a/bias bias",
            "weight a/candidate/kernel kernel",
            "weight a/candidate/recurrent recurrent",
            *gru("operand a/candidate/recurrent 1", "gate a/candidate/candidate 3", terms=3),
        ],
    ),
    (
        "SimpleRNN",
        LSTM,
        cell_weights(1),
        [
            "weight a/kernel kernel",
            "weight a/recurrent recurrent",
            "weight a/bias bias",
            "operand a/kernel 1",
            "gate a/input 5",
            *[
                "operand a/recurrent 1",
                "gate a/gates 4",
                "gate_output a/g tanh",
                "hidden a/hidden",
            ]
            * STEPS,
        ],
    ),
    (
        "Bidirectional",
        {"layer": wrapped("LSTM", **LSTM)},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "tensor a"],
    ),
    (
        "Bidirectional",
        {"layer": wrapped("LSTM", **LSTM), "merge_mode": "mul"},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "tensor a"],
    ),
    (
        "Bidirectional",
        {"layer": wrapped("LSTM", **LSTM), "merge_mode": "sum"},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "total a/total 2", "tensor a"],
    ),
]
