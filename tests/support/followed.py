"""Follow small models with faults to their first divergence, for its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.diagnosis.first_divergence import Divergence, Followed, follow
from harness.flatbuffer.tensor_codec import to_runtime
from harness.workers.limits import Limits
from tests.support.networks import document, node
from tests.support.small_models import (
    FEATURES,
    STEPS,
    UNITS,
    Form,
    Weights,
    converted,
    gate,
    ranges_of,
    sampled,
    structure,
    swapped,
    weights_of,
)
from tests.support.small_runtimes import Runtimes

Array = NDArray[Any]
Document = Mapping[str, Any]
SHAPE = [STEPS, FEATURES]
FORMS = pytest.mark.parametrize("form", ["float32", "int8", "int8-float-io"])
NATIVE = pytest.mark.parametrize("runtime", ["tflite", "tflm"])


def lstm_node(name: str, inputs: str = "x", **config: Any) -> dict[str, Any]:
    return node(name, "LSTM", inputs, units=UNITS, **{"return_sequences": True, **config})


ONE = document(lstm_node("lstm"), x=SHAPE)
STACK = document(
    node("before", "Dense", units=FEATURES, activation="tanh"),
    lstm_node("first", "before"),
    lstm_node("second", "first", return_sequences=False),
    node("head", "Dense", "second", units=3),
    node("end", "Activation", "head", activation="sigmoid"),
    x=SHAPE,
)


def two_ways(**config: Any) -> dict[str, Any]:
    inner = {"class": "LSTM", "config": {"units": UNITS, "return_sequences": True, **config}}
    return node("both", "Bidirectional", layer=inner)


BOTH = document(two_ways(), node("head", "Dense", "both", units=3), x=SHAPE)


def followed(
    of: Document,
    broken: Callable[[Weights], Weights] = lambda weights: weights,
    form: Form = "float32",
    runtime: str = "tflite",
    runtimes: Runtimes | None = None,
    content: Callable[[bytes], bytes] = lambda content: content,
    samples: Mapping[str, Array] | None = None,
    weights: Weights | None = None,
    calibrated: Mapping[str, Array] | None = None,
    **more: Any,
) -> Divergence:
    """Follow a model whose flatbuffer was made from broken weights, or calibrated with other
    samples, or broken itself."""
    weights = weights or weights_of(of)
    stimulus = dict(samples or sampled(of))
    made = content(converted(of, broken(dict(weights)), calibrated or stimulus, form))
    scheme: Any = "float32" if form == "float32" else "int8"
    of_model = structure(made)
    what = Followed(
        made,
        of_model,
        of,
        weights,
        stimulus,
        to_runtime(of_model, list(stimulus), stimulus),
        (),
        scheme,
        None if form == "float32" else ranges_of(of, weights, stimulus),
        0,
        RUNTIMES[runtime],
        True,
    )
    fake: Any = runtimes or Runtimes()
    return follow(replace(what, **more), fake, Limits())


def changed(name: str, change: Callable[[Array], Any]) -> Callable[[Weights], Weights]:
    """One of Keras's arrays, changed in the flatbuffer."""

    def broken(weights: Weights) -> Weights:
        array = weights[name].copy()
        result = change(array)
        return {**weights, name: array if result is None else result}

    return broken


def added(place: Any, by: float) -> Callable[[Array], None]:
    def change(array: Array) -> None:
        array[place] += by

    return change


def put_in(array: Array, which: str, values: Any) -> None:
    array[gate(array, which)] = values


FAULTS: dict[str, tuple[Callable[[Weights], Weights], int, str, int | None]] = {
    "a bias is dropped": (
        changed("lstm/2", lambda a: put_in(a, "o", 0.0)),
        *(0, "output gate", None),
    ),
    "one bias": (changed("lstm/2", added(3, 0.01)), 0, "input gate", 3),
    "one weight of the forget gate": (
        changed("lstm/0", added((2, 4 + 1), 0.3)),
        *(0, "forget gate", 1),
    ),
    "one weight of the candidate": (changed("lstm/0", added((0, 8), 0.3)), 0, "candidate", 0),
    "one recurrent weight": (changed("lstm/1", added((1, 12 + 2), 0.3)), 1, "output gate", 2),
    "gates are swapped": (
        changed("lstm/0", lambda a: swapped(a, "i", "f")),
        *(0, "input gate", None),
    ),
    "recurrent gates are swapped": (
        changed("lstm/1", lambda a: swapped(a, "c", "o")),
        *(1, "candidate", None),
    ),
    "a recurrent kernel is transposed": (
        changed("lstm/1", lambda a: put_in(a, "f", a[gate(a, "f")].T)),
        *(1, "forget gate", None),
    ),
    "a scale is doubled": (
        changed("lstm/0", lambda a: put_in(a, "c", 2 * a[gate(a, "c")])),
        *(0, "candidate", None),
    ),
}
