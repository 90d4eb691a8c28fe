"""Time a scenario of a model."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Tuple

import numpy as np
from numpy.typing import NDArray

from harness.workers.remote import paired_timing, scenarios
from harness.workers.remote.abilities.invoke import Arrays, Operation, Request, inputs_of


class Driver:
    """One model, driven as the scenarios need it."""

    def __init__(self, model: Any, content: bytes, request: Request, arrays: Arrays) -> None:
        self.open = partial(model, content, request)
        self.inputs = [np.ascontiguousarray(value) for value in inputs_of(arrays)]
        self.load()

    def load(self) -> None:
        self.model = self.open()

    def reset(self) -> None:
        self.model.reset()

    def set(self) -> None:
        self.model.set(self.inputs)

    def invoke(self) -> None:
        self.model.invoke()

    def get(self) -> List[NDArray[Any]]:
        return self.model.get()  # type: ignore[no-any-return]

    def resize(self, steps: int) -> None:
        shapes = [[value.shape[0], steps, *value.shape[2:]] for value in self.inputs]
        self.model.resize(shapes, False)


def measure(
    model: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """Time array `tflite` on inputs `input/K`."""
    driver = Driver(model, arrays["tflite"].tobytes(), request, arrays)
    return scenarios.timed(driver, request)


def compare(
    model: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """Time one invoke of each array `tflite/M` on inputs `M/input/K`, in turns.

    models: of each the rest of what `Model` reads of a request. The inputs of TFLite Micro do not
    survive an invoke, and what is left there may be no token: integers are set before each one.
    """
    works = []
    for index, told in enumerate(request["models"]):
        own = {n[len(f"{index}/") :]: v for n, v in arrays.items() if n.startswith(f"{index}/")}
        driver = Driver(model, arrays[f"tflite/{index}"].tobytes(), told, own)
        works.append((driver.invoke, partial(_ready, driver)))
    once = any("/input/" in name and value.dtype.kind in "iu" for name, value in arrays.items())
    confirmed, seconds = paired_timing.alternated(works, request["most_seconds"], once)
    return {"confirmed": confirmed, "seconds": seconds}, {}


def _ready(driver: Driver) -> None:
    driver.reset()
    driver.set()


def machine(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """The peaks of one core."""
    return {"machine": paired_timing.machine()}, {}


def operations(model: Any) -> Dict[str, Operation]:
    measured = {"measure": partial(measure, model), "compare": partial(compare, model)}
    return {**measured, "machine": machine}
