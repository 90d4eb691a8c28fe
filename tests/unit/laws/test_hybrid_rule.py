"""The laws hold a hybrid LSTM to its own rounding: wider than float32's, narrower than a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.laws.law import LawBroken, Specimen
from harness.laws.oracles import WholeModel
from reference.budgets.hybrid_lstm import hybrid_budget
from reference.lstm.weights import LstmWeights
from tests.support import faulty_models as faulty
from tests.support.networks import document, lstm_weights, named, node
from tests.support.small_models import gate, swapped

Array = NDArray[Any]
UNITS, FEATURES, STEPS = 64, 20, 6
MODEL = document(node("lstm", "LSTM", units=UNITS, return_sequences=True), x=[None, FEATURES])
KERAS = [np.asarray(w, np.float32) for w in lstm_weights(UNITS, FEATURES)]
X = np.random.default_rng(4).uniform(-1, 1, (1, STEPS, FEATURES)).astype(np.float32)


def _eight_bits(kernel: Array) -> Array:
    """Each gate with a scale of its own, as the converter writes them."""
    found = kernel.copy()
    for which in "ifco":
        part = gate(kernel, which)
        step = np.abs(kernel[part]).max() / 127
        found[part] = np.rint(kernel[part] / step) * step
    return found


def _answer(*changed: Array) -> Array:
    """What a hybrid kernel gives for these arrays of Keras's."""
    kernel, recurrent, bias = changed or KERAS
    weights = LstmWeights.from_keras(_eight_bits(kernel), _eight_bits(recurrent), bias)
    return np.asarray(hybrid_budget(weights, X)[0].outputs, np.float32)


def _holds(answer: Array, scheme: Any) -> None:
    """Raises LawBroken."""
    specimen = Specimen(faulty.Lstm(), None)
    oracle = WholeModel(MODEL, named("lstm", KERAS), False, scheme=scheme)
    specimen.agrees("the answer", answer, oracle.predict(X))


def test_a_hybrid_kernels_answer_is_within_its_own_budget_and_not_within_float32s() -> None:
    _holds(_answer(), "dynamic-range")
    with pytest.raises(LawBroken, match="not the oracle's value"):
        _holds(_answer(), "float32")


@pytest.mark.parametrize(
    "fault",
    ["gates swapped", "no bias", "a step late", "kernel × 1.25"],
)
def test_a_fault_is_beyond_the_budget_of_a_hybrid_kernel(fault: str) -> None:
    kernel, recurrent, bias = KERAS
    faults = {
        "gates swapped": lambda: _answer(
            swapped(kernel, "f", "c"), swapped(recurrent, "f", "c"), swapped(bias, "f", "c")
        ),
        "no bias": lambda: _answer(kernel, recurrent, 0 * bias),
        "a step late": lambda: np.roll(_answer(), 1, axis=1),
        "kernel × 1.25": lambda: _answer(kernel * np.float32(1.25), recurrent, bias),
    }
    with pytest.raises(LawBroken, match="not the oracle's value"):
        _holds(faults[fault](), "dynamic-range")
