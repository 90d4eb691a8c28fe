"""Load a flatbuffer, run it on a batch of samples, let it go."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

Request = Dict[str, Any]
Arrays = Dict[str, NDArray[Any]]
Operation = Callable[..., Tuple[Request, Arrays]]


def load(
    model: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """Load array `tflite` as a driver's `Model` does with this request."""
    handle = len(state)
    state[handle] = model(arrays["tflite"].tobytes(), request)
    return {"handle": handle}, {}


def invoke(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """Run samples `input/K` [N, …] one after the other; K counts the model's inputs.

    reset: restore the initial state before each sample.
    """
    seconds, results = run_samples(state[request["handle"]], arrays, request["reset"])
    return {"seconds": seconds}, results


def unload(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    state[request["handle"]] = None
    return {}, {}


def run_samples(
    model: Any, arrays: Arrays, reset: bool, states: Sequence[int] = ()
) -> Tuple[float, Arrays]:
    """Seconds spent in invoke alone, and `output/K` [N, …] of samples `input/K` [N, …].

    states: tensors whose content after each sample is given as `state/K`. What `initial/K`
    [N, …] has is written into them before.
    """
    inputs = inputs_of(arrays)
    count = len(inputs[0])
    results: Arrays = {}
    seconds = 0.0
    for sample in range(count):
        if reset:
            model.reset()
        for k, index in enumerate(states):
            if f"initial/{k}" in arrays:
                model.write([index], [arrays[f"initial/{k}"][sample]])
        model.set([values[sample] for values in inputs])
        began = time.perf_counter()
        model.invoke()
        seconds += time.perf_counter() - began
        found = {f"output/{k}": value for k, value in enumerate(model.get())}
        found.update({f"state/{k}": value for k, value in enumerate(model.read(states))})
        for name, value in found.items():
            if sample == 0:
                results[name] = np.empty((count, *value.shape), value.dtype)
            results[name][sample] = value
    return seconds, results


def inputs_of(arrays: Arrays) -> List[NDArray[Any]]:
    """The arrays `input/0`, `input/1`, … of a request."""
    count = sum(name.startswith("input/") for name in arrays)
    return [arrays[f"input/{k}"] for k in range(count)]


def operations(model: Any) -> Dict[str, Operation]:
    return {"load": partial(load, model), "invoke": invoke, "unload": unload}
