"""Make small networks and weights for the tests of the network oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.network import evaluate

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
