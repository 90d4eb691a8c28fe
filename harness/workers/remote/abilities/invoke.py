"""Load a flatbuffer, run it on a batch of samples, let it go.

Every ability takes the class that drives a package and gives `operations`, what its worker can do
by name. `Model(*api, content, request)` loads a flatbuffer: api are the package's objects that its
adapter names (fixtures/runtimes/adapter.py), content the file's bytes. Of the request it may read
`resolver`, `threads`, `shapes` of the inputs (in the file's order, where they are not its own;
`strict`: only in sizes that the file leaves open), `arena_bytes`, `outputs`, how many there are,
and `preserve`: keep every tensor for `read`. It has

- `reset()`, `set(inputs)`, `invoke()`, `get()`: the package's way back to the initial state, and
  arrays of the inputs and outputs in the file's order;
- `read(indices)` and, where the package can, `write(indices, values)`: tensors by their index;
- `resize(shapes, strict)` and `allocate()`, where the package can;
- `took()`, where the host's clock says nothing of it: seconds of the last invoke by the runtime's
  own; `told()`: what a device says of itself;
- `direct()`: reset and invoke as native calls, and the memory of the inputs and outputs, for
  streams of sequences; `print_allocations()`: what an arena's allocator recorded, on stderr.
"""

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
    told = state[handle].told() if hasattr(state[handle], "told") else {}
    return {"handle": handle, "told": told}, {}


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
        passed = time.perf_counter() - began
        seconds += model.took() if hasattr(model, "took") else passed
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
