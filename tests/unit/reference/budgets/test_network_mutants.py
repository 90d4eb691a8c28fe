"""The network oracle's budgets kill mutants of its weights and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference.budgets.monte_carlo import budgets
from reference.network import evaluate
from tests.support.networks import Array, W, X, document, layer, named, node


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
