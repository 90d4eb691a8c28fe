"""Build flatbuffers of one LSTM for tests of devices, without a converter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.networks import document, node
from tests.support.small_models import Form, converted, sampled, weights_of


@lru_cache
def lstm_model(steps: int = 5, form: Form = "int8") -> bytes:
    """An LSTM of 4 units over steps of 3 features, with every output."""
    described = document(node("lstm", "LSTM", units=4, return_sequences=True), x=[steps, 3])
    samples = sampled(described, batch=1)
    return converted(described, weights_of(described), samples, form)


def inputs(steps: int = 5, count: int = 3) -> NDArray[Any]:
    """Samples [count, 1, steps, 3] of the int8 model's input."""
    return np.random.default_rng(5).integers(-128, 128, (count, 1, steps, 3), np.int8)
