"""What each layer shows to the hooks: every sum and tensor, by the name that ranges are kept by.

The schemes of `reference.network_noise` disturb what they are shown, so a result that a layer
keeps to itself, a number of terms or a magnitude that is wrong, makes a budget wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import evaluate, run
from reference.network_hooks import ACTIVATIONS, Hooks, Lazy, WeightKind
from reference.network_layers import Run
from tests.reference.networks import Array, document, named, node

#: [samples, batch, time, features]: two steps, so that what is shown for each step is seen twice.
STEPS, FEATURES, UNITS = 2, 4, 3
X = np.random.default_rng(4).uniform(0.1, 1, (1, 3, STEPS, FEATURES))


class Seen(Hooks):
    """Exact in trial 0. Writes down each call, and each sum with the magnitude that is told.

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
    "total a/mean 4",
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
_LSTM = {"units": UNITS}
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
            ("softsign", ""),
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
            "weight a/kernel kernel",
            "operand a/kernel 2",
            "weight a/bias bias",
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
    ("LSTM", _LSTM, cell_weights(4), lstm("a")),
    ("LSTM", {**_LSTM, "unroll": True}, cell_weights(4), lstm("a", tensors="")),
    (
        "GRU",
        _LSTM,
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
        {**_LSTM, "reset_after": False},
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
        _LSTM,
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
        {"layer": wrapped("LSTM", **_LSTM)},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "tensor a"],
    ),
    (
        "Bidirectional",
        {"layer": wrapped("LSTM", **_LSTM), "merge_mode": "mul"},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "tensor a"],
    ),
    (
        "Bidirectional",
        {"layer": wrapped("LSTM", **_LSTM), "merge_mode": "sum"},
        _BOTH,
        [*lstm("a/forward"), *lstm("a/backward"), "total a/total 2", "tensor a"],
    ),
]


def shown(kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]], trials: int) -> Seen:
    hooks = Seen(trials)
    model = document(node("a", kind, **config), x=[STEPS, FEATURES])
    evaluate(model, positive(*shapes), {"x": X}, hooks)
    return hooks


@pytest.mark.parametrize(
    ("kind", "config", "shapes", "expected"), SHOWN, ids=[entry[0] for entry in SHOWN]
)
def test_every_sum_and_tensor_is_shown_by_its_name(
    kind: str, config: dict[str, Any], shapes: list[tuple[int, ...]], expected: list[str]
) -> None:
    hooks = shown(kind, config, shapes, 1)
    assert hooks.calls == ["tensor x", *expected]
    both = shown(kind, config, shapes, 2)
    assert both.calls == hooks.calls
    for (name, value, magnitude), (_, _, of_trial_0) in zip(hooks.sums, both.sums, strict=True):
        assert (magnitude >= np.abs(value) - 1e-12).all(), name  # the triangle inequality
        if name.endswith("/cell"):
            of_trial_0 = of_trial_0[:1]  # a cell's magnitude is each trial's own
        assert of_trial_0.shape == magnitude.shape
        assert np.allclose(of_trial_0, magnitude, rtol=1e-12), name
        # Of positive terms alone it is the sum itself.
        if not name.endswith("/difference") and kind != "BatchNormalization":
            assert np.allclose(magnitude, value, rtol=1e-12), name


def test_the_cells_of_a_stack_have_names_of_their_own() -> None:
    hooks = Seen()
    cells = [wrapped("LSTMCell", **_LSTM), wrapped("LSTMCell", **_LSTM)]
    model = document(
        node("a", "RNN", cell=wrapped("StackedRNNCells", cells=cells)), x=[STEPS, FEATURES]
    )
    weights = positive(*cell_weights(4), *cell_weights(4, UNITS))
    evaluate(model, weights, {"x": X}, hooks)
    first, second = lstm("a/0", tensors=""), lstm("a/1", UNITS, "")
    assert sorted(hooks.calls) == sorted(
        # The second cell's products with its input come step by step.
        ["tensor x", *first, *second, f"gate a/1/input {UNITS + 1}", "operand a/1/kernel 1"]
    )


def test_windows_of_a_convolution_are_rows_of_two_axes() -> None:
    hooks = Seen()
    config = {"filters": 3, "kernel_size": 2, "recurrent_activation": "sigmoid"}
    model = document(node("a", "ConvLSTM1D", **config), x=[STEPS, 5, FEATURES])
    weights = positive((2, FEATURES, 12), (2, 3, 12), (12,))
    evaluate(model, weights, {"x": np.ones((1, 1, STEPS, 5, FEATURES))}, hooks)
    assert "operand a/kernel 2" in hooks.calls
    assert hooks.calls.count("operand a/recurrent 2") == STEPS
    assert f"gate a/input {2 * FEATURES + 1}" in hooks.calls
    assert "gate a/gates 7" in hooks.calls


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Add", ["total a/total 3", "tensor a"]),
        ("Average", ["total a/sum/total 3", "tensor a/sum", "tensor a"]),
        (
            "Multiply",
            ["function a/0 multiply", "tensor a/0", "function a multiply", "tensor a"],
        ),
        ("Maximum", ["tensor a"]),
        ("Minimum", ["tensor a"]),
        ("Concatenate", ["tensor a"]),
    ],
)
def test_what_merging_shows(kind: str, expected: list[str]) -> None:
    hooks = Seen()
    x = {name: np.full((1, 1, 2), value) for name, value in (("x", 1.0), ("y", -2.0), ("z", 4.0))}
    evaluate(document(node("a", kind, "x y z"), x=[2], y=[2], z=[2]), {}, x, hooks)
    assert hooks.calls == ["tensor x", "tensor y", "tensor z", *expected]
    for _, value, magnitude in hooks.sums:
        assert (value == 3).all()
        assert (magnitude == 7).all()
        assert magnitude.shape == value.shape


def test_a_difference_is_a_sum_of_two() -> None:
    hooks = Seen()
    x = {"x": np.array([[[5.0]]]), "y": np.array([[[3.0]]])}
    (found,) = evaluate(document(node("a", "Subtract", "x y"), x=[1], y=[1]), {}, x, hooks)
    assert found.ravel() == [2]
    assert hooks.calls == ["tensor x", "tensor y", "total a/total 2", "tensor a"]
    assert hooks.sums[0][2].ravel() == [8]


def test_magnitudes_of_mixed_signs_are_sums_of_absolute_values() -> None:
    """By hand: a product of a matrix, a mean, the parts of a normalisation."""
    x = np.array([[[[1.0, -3.0], [-2.0, 2.0]]]])
    hooks = Seen()
    kernel, bias = np.array([[2.0], [1.0]]), np.array([-0.5])
    model = document(node("a", "Dense", units=1), x=[2, 2])
    evaluate(model, named("a", [kernel, bias]), {"x": x}, hooks)
    assert hooks.sums[0][2].ravel().tolist() == [2 + 3 + 0.5, 4 + 2 + 0.5]

    for kind, config, want in (
        ("GlobalAveragePooling1D", {}, [1.5, 2.5]),
        ("GlobalAveragePooling1D", {"keepdims": True}, [1.5, 2.5]),
        ("AveragePooling1D", {}, [1.5, 2.5]),
    ):
        hooks = Seen()
        evaluate(document(node("a", kind, **config), x=[2, 2]), {}, {"x": x}, hooks)
        (_, value, magnitude) = hooks.sums[0]
        assert magnitude.ravel().tolist() == want
        assert magnitude.shape == value.shape

    hooks = Seen()
    config = {"scale": False, "center": False, "epsilon": 0.0}
    model = document(node("a", "LayerNormalization", **config), x=[2, 2])
    evaluate(model, {}, {"x": x}, hooks)
    mean, variance, difference = (magnitude.ravel() for _, _, magnitude in hooks.sums)
    assert mean.tolist() == [2, 2]
    assert variance.tolist() == [4, 4]
    # Row 0: mean -1, deviation 2: |1| / 2 + |-1| / 2 and |-3| / 2 + |-1| / 2.
    assert difference.tolist() == [1, 2, 1, 1]

    hooks = Seen()
    model = document(node("a", "BatchNormalization", epsilon=0.0), x=[2, 2])
    learned = [np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.array([1.0, -1.0]), np.ones(2)]
    evaluate(model, named("a", learned), {"x": x}, hooks)
    # Factors 2 and 3, shifts 1 - 2 and 1 + 3.
    assert hooks.sums[0][2].ravel().tolist() == [2 + 1, 9 + 4, 4 + 1, 6 + 4]


def test_of_several_trials_the_first_gives_the_magnitude() -> None:
    """Where an array has trials before the sum, and not only in the weights."""

    class Drawn(Seen):
        def tensor(
            self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
        ) -> Array:
            super().tensor(name, value, fixed_range)
            return np.concatenate([value, 10 * value]) if name == "x" else value

    for kind, config in (
        ("GlobalAveragePooling1D", {}),
        ("AveragePooling1D", {"pool_size": 2, "strides": 1}),
        ("LayerNormalization", {"scale": False, "center": False}),
        ("Dense", {"units": 2, "use_bias": False}),
    ):
        alone, hooks = Seen(), Drawn(2)
        model = document(node("a", kind, **config), x=[STEPS, FEATURES])
        weights = positive((FEATURES, 2)) if kind == "Dense" else {}
        evaluate(model, weights, {"x": X}, alone)
        evaluate(model, weights, {"x": X}, hooks)
        for (_, _, want), (_, value, magnitude) in zip(alone.sums, hooks.sums, strict=True):
            assert len(value) == 2
            assert magnitude.shape == want.shape
            assert np.allclose(magnitude, want)


def test_tokens_are_no_tensor_and_their_table_is_a_weight() -> None:
    hooks = Seen(2)
    model = document(node("a", "Embedding", "t", input_dim=3, output_dim=2), t=[4])
    model["inputs"][0]["dtype"] = "int32"
    table = np.arange(6.0).reshape(3, 2)
    (found,) = evaluate(model, {"a/0": table}, {"t": np.array([[[0, 2, 2, 1]]])}, hooks)
    assert hooks.calls == ["weight a/table embedding"]
    assert np.array_equal(found[0, 0, 0], table[[0, 2, 2, 1]])
    assert np.array_equal(found[1], 2 * found[0])


@pytest.mark.parametrize("tokens", [[1], [0, 2]])
def test_tokens_up_to_the_last_row(tokens: list[int]) -> None:
    model = document(node("a", "Embedding", "t", input_dim=3, output_dim=2), t=[len(tokens)])
    model["inputs"][0]["dtype"] = "int32"
    table, given = np.arange(6.0).reshape(3, 2), np.array([[tokens]])
    (found,) = evaluate(model, {"a/0": table}, {"t": given})
    assert np.array_equal(found[0, 0], table[tokens])
    for wrong in (given - 3, given * 0 + 3, given * 0 - 1):
        with pytest.raises(ValueError, match=r"^layer 'a': a token lies outside of 0 to 2$"):
            evaluate(model, {"a/0": table}, {"t": wrong})


def test_exact_hooks_return_what_they_are_given() -> None:
    hooks, value = Hooks(), np.arange(6.0).reshape(1, 2, 3)
    model = document(node("a", "Dense", units=3), x=[STEPS, FEATURES])
    assert hooks.trials == 1
    assert run(model, positive((4, 3), (3,)), {"x": X}, Run(hooks))[0].shape[0] == 1
    assert np.array_equal(hooks.weight("w", "kernel", value), value[np.newaxis])
    assert hooks.operand("w", value) is value


def test_a_softmax_is_of_each_row_and_knows_no_overflow() -> None:
    softmax = ACTIVATIONS["softmax"]
    rows = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0], [-2000.0, -2000.0 + np.log(4.0)]])
    expected = [[0.25, 0.75], [0.5, 0.5], [0.2, 0.8]]
    np.testing.assert_allclose(softmax(rows), expected, rtol=1e-12)
    np.testing.assert_allclose(softmax(rows.reshape(3, 1, 2)).reshape(3, 2), expected, rtol=1e-12)
