"""The network oracle's budgets kill mutants of its weights and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference.network import evaluate
from reference.noise import budgets

Array = np.ndarray[Any, Any]
X = np.random.default_rng(0).uniform(-1, 1, (2, 3, 7, 4))  # [samples, batch, time, features]


def draw(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng([seed, *shape]).normal(0, 0.5, shape)


def node(
    name: str, kind: str, inputs: str = "x", states: str = "", **config: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "class": kind,
        "config": config,
        "inputs": inputs.split(),
        "initial_state": states.split(),
    }


def document(*nodes: dict[str, Any], outputs: str = "", **inputs: Any) -> dict[str, Any]:
    shapes = inputs or {"x": [7, 4]}
    return {
        "inputs": [{"name": n, "shape": s, "dtype": "float32"} for n, s in shapes.items()],
        "nodes": list(nodes),
        "outputs": outputs.split() or [nodes[-1]["name"]],
    }


def layer(kind: str, weights: list[Array], x: Array = X, **config: Any) -> list[Array]:
    """The outputs of a model of one layer."""
    single = document(node("a", kind, **config), x=list(x.shape[2:]))
    if config.get("return_state"):
        single["outputs"] = [f"a:{k}" for k in range(3 if "LSTM" in kind else 2)]
    return evaluate(single, named("a", weights), {"x": x})


def named(name: str, weights: list[Array]) -> dict[str, Array]:
    return {f"{name}/{index}": value for index, value in enumerate(weights)}


def lstm_weights(units: int = 5, features: int = 4, seed: int = 1) -> list[Array]:
    return [
        draw(features, 4 * units, seed=seed),
        draw(units, 4 * units, seed=seed + 50),
        draw(4 * units, seed=seed + 99),
    ]


W = lstm_weights()


def close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() < 1e-12)


def wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


# Values computed by hand --------------------------------------------------------------------


def _swapped(a: int, b: int) -> Callable[[list[Array]], list[Array]]:
    order = list(range(4))
    order[a], order[b] = b, a

    def mutate(weights: list[Array]) -> list[Array]:
        return [np.concatenate([np.split(w, 4, -1)[k] for k in order], -1) for w in weights]

    return mutate


MUTANTS: dict[str, Callable[[list[Array]], list[Array]]] = {
    "gates i and f swapped": _swapped(0, 1),
    "gates c and o swapped": _swapped(2, 3),
    "gates f and c swapped": _swapped(1, 2),
    "no bias": lambda w: [w[0], w[1], 0 * w[2]],
    "bias of one gate lost": lambda w: [w[0], w[1], w[2] * (np.arange(20) >= 5)],
    "no recurrence": lambda w: [w[0], 0 * w[1], w[2]],
    "recurrent kernel transposed in each gate": lambda w: [
        w[0],
        np.concatenate([part.T for part in np.split(w[1], 4, 1)], 1),
        w[2],
    ],
    "one percent on a kernel": lambda w: [w[0] * 1.01, w[1], w[2]],
    "a hundredth of a percent on the recurrent kernel": lambda w: [w[0], w[1] * 1.0001, w[2]],
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_wrong_weights_pass_no_float32_budget(mutant: str) -> None:
    model = document(node("a", "LSTM", units=5, return_sequences=True))
    (exact,) = evaluate(model, named("a", W), {"x": X})
    (wrong,) = evaluate(model, named("a", MUTANTS[mutant](W)), {"x": X})
    (budget,) = budgets(model, named("a", W), {"x": X}, "float32")
    assert np.abs(wrong - exact).max() > 2 * budget.value


@pytest.mark.parametrize("change", [{"go_backwards": True}, {"activation": "relu"}])
def test_a_wrong_option_passes_no_budget(change: dict[str, Any]) -> None:
    right = layer("LSTM", W, units=5)[0]
    assert np.abs(layer("LSTM", W, units=5, **change)[0] - right).max() > 1e-2
