"""Run a model in one request and show its state tensors, as single operators and arenas need."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Tuple

from harness.workers.remote.abilities.invoke import Arrays, Operation, Request, run_samples


def run(
    model: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """Load array `tflite`, run samples `input/K` [N, …], return `output/K` and, for each tensor
    index of `states`, its content after each sample, `state/K`.

    carry: keep the state from one sample to the next. Arrays `initial/K` [N, …] are written
    into the state tensors before each sample. record: print what the arena's allocator recorded.
    Answers with the phase it reached as `phase` and, where that failed, `error`.
    """
    phase = "load"
    try:
        # Without states all tensors need not be kept, and an arena can be smaller.
        opened = model(arrays["tflite"].tobytes(), {**request, "preserve": bool(request["states"])})
        phase = "invoke"
        if request["carry"]:
            opened.reset()
        seconds, results = run_samples(opened, arrays, not request["carry"], request["states"])
    except Exception as error:
        return {"phase": phase, "error": f"{type(error).__name__}: {error}"}, {}
    if request.get("record"):
        opened.print_allocations()
    return {"phase": "compare", "seconds": seconds}, results


def operations(model: Any) -> Dict[str, Operation]:
    return {"run": partial(run, model)}
