"""Hold which laws a user's model is held to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.laws import applicability
from harness.laws.applicability import fixed_by_a_layer
from tests.support.networks import document, lstm_weights, named, node

SEQUENCES = node("a", "LSTM", units=5, return_sequences=True)
FLATTENED = document(SEQUENCES, node("f", "Flatten", "a"), node("d", "Dense", "f", units=1))
EACH_STEP = document(SEQUENCES, node("d", "Dense", "a", units=1))


@pytest.mark.parametrize(("of", "rows", "fixed"), [(FLATTENED, 35, True), (EACH_STEP, 5, False)])
def test_a_dense_behind_a_flatten_fixes_the_number_of_steps(
    of: dict[str, Any], rows: int, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {**named("a", lstm_weights()), **named("d", [np.ones((rows, 1)), np.zeros(1)])}
    monkeypatch.setattr(applicability, "description", lambda model: of)
    model: Any = SimpleNamespace(built=SimpleNamespace(weights=weights))
    assert fixed_by_a_layer(model) is fixed


def test_a_model_without_a_description_fixes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applicability, "description", lambda model: None)
    assert fixed_by_a_layer(SimpleNamespace()) is False  # type: ignore[arg-type]
