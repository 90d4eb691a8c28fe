"""Measure how far a float flatbuffer's own answer moves when its weights are disturbed by rounding.

A flatbuffer that comes without its Keras model has no oracle, and how far two sound runtimes may
part on it is the model's own affair: a long recurrence with large weights carries a rounding much
further than a short one. So its weights are disturbed by what a float32 sum of their products may
be off, a relative sqrt(n) 2^-24 for n terms (reference/budgets/precision_schemes.py has the
source), and TensorFlow Lite runs it as often as the Monte-Carlo budgets ask for
(reference/budgets/monte_carlo.py): 16 draws, of which the largest is taken 4 times, 1.3e-6 false
alarms a comparison.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.schema import dtype_name, pack, shared

Array = NDArray[Any]
TRIALS, SAFETY = 16, 4.0
UNIT_ROUNDOFF = 2.0**-24


def disturbed(content: bytes, seed: int) -> bytes:
    """The model with every float32 weight off by a random relative amount of rounding's size."""
    random = np.random.default_rng(seed)
    model = copy.copy(shared(content))
    model.buffers = list(model.buffers)
    done = set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            buffer = model.buffers[tensor.buffer]
            size = 0 if buffer.data is None else len(buffer.data)
            if tensor.buffer in done or size < 4 or dtype_name(tensor) != "float32":
                continue
            done.add(tensor.buffer)
            values = np.frombuffer(bytes(bytearray(buffer.data)), np.float32)
            shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
            terms = shape[-1] if len(shape) > 1 else 1
            most = UNIT_ROUNDOFF * math.sqrt(max(terms, 1))
            drawn = values * (1 + most * random.standard_normal(values.shape))
            changed = copy.copy(buffer)
            changed.data = np.frombuffer(drawn.astype(np.float32).tobytes(), np.uint8)
            model.buffers[tensor.buffer] = changed
    return pack(model)


def response(
    content: bytes,
    answer: Sequence[Array],
    run: Callable[[bytes], Sequence[Array] | None],
) -> tuple[float, ...]:
    """How far rounding alone may move each output, in its unit; empty where nothing can say.

    answer: the undisturbed outputs. run: the outputs of other bytes on the same samples, None
    where they do not run.
    """
    most = np.zeros(len(answer))
    for trial in range(TRIALS):
        outputs = run(disturbed(content, trial))
        if outputs is None or len(outputs) != len(answer):
            return ()
        for k, (moved, plain) in enumerate(zip(outputs, answer, strict=True)):
            if moved.shape != plain.shape or not np.isfinite(moved).all():
                return ()
            difference = np.abs(moved.astype(np.float64) - plain)
            most[k] = max(most[k], float(difference.max(initial=0.0)))
    return tuple(SAFETY * most)
