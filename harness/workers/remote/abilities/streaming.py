"""Time streams of sequences of varying length: isolated, bare, and as published."""

from __future__ import annotations

import mmap
import os
import time
from typing import Any, Dict, Tuple

import numpy as np
from numpy.typing import NDArray

from harness.workers.remote import scripts

Request = Dict[str, Any]
Arrays = Dict[str, NDArray[Any]]

#: Interpreters kept for one model; a small LSTM of 200 steps takes some 100 KiB.
MOST_WARM = 256


def stream(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """Run many sequences of one input from a shared file, each from the initial state.

    path: a file that both sides map: sequences of `lengths` (an integer array) × `features` one
    after the other at 0, and room for their outputs, `lengths` × `units`, at `outputs_at`.
    Runs them by length, so that each interpreter's memory stays in the processor's cache.
    """
    driver = state[request["key"]]
    lengths = arrays["lengths"]
    flat, outputs = _mapped(state, request, int(lengths.sum()))
    ends = np.cumsum(lengths).tolist()
    order = np.argsort(lengths, kind="stable").tolist()
    lengths = lengths.tolist()
    last = 0
    for k in order:
        length = lengths[k]
        if length != last:
            reset, run, given, answer = driver.direct([[1, length, request["features"]]])
            given, answer = given[0], answer[0]
            last = length
        end = ends[k]
        reset()
        given[:] = flat[end - length : end]
        run()
        outputs[end - length : end] = answer
    return {"cpu": time.process_time()}, {}


def _mapped(
    state: Dict[Any, Any], request: Request, steps: int
) -> Tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The two halves of the shared file: inputs [steps, features] and outputs [steps, units]."""
    key = ("shared", request["path"])
    if key not in state:
        with open(request["path"], "r+b") as file:
            state[key] = mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size)
    features, units = request["features"], request["units"]
    flat = np.frombuffer(state[key], np.float32, steps * features)
    outputs = np.frombuffer(state[key], np.float32, steps * units, request["outputs_at"])
    return flat.reshape(steps, features), outputs.reshape(steps, units)


def clock(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """Processor seconds of this worker until now."""
    return {"cpu": time.process_time()}, {}


def bare(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """The time of invoke alone on warm interpreters, for sequences [sum of lengths, features].

    seconds: wall time, cpu: processor seconds, each of a pass of its own in the order given.
    """
    driver = state[request["key"]]
    found = {}
    for name, now in (("seconds", time.perf_counter), ("cpu", time.process_time)):
        total = 0.0
        for x in scripts.cut(arrays["flat"], request["lengths"]):
            driver.fresh([x.shape])
            driver.set([x])
            invoke = driver.current.invoke
            began = now()
            invoke()
            total += now() - began
        found[name] = total
    return found, {}


def published(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """The loop that guides publish: resize, allocate, set, invoke, get, for every sequence.

    It never resets, so that neighbours of equal length share a state.
    """
    driver = state[request["key"]]
    sequences = scripts.cut(arrays["flat"], request["lengths"])
    model = driver.make([])
    (input_index,), (output_index,) = model.inputs, model.outputs
    interpreter = model.interpreter
    found = []
    began, cpu = time.perf_counter(), time.process_time()
    for x in sequences:
        interpreter.resize_tensor_input(input_index, x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(input_index, x)
        interpreter.invoke()
        found.append(interpreter.get_tensor(output_index))
    seconds = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return seconds, {"outputs": np.concatenate([y[0] for y in found])}
