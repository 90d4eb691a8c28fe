"""Recover TensorFlow Lite Micro's interpolated int16 table from what the runtime answers.

    python tools/recover_lut.py [--write]

The int16 TANH kernel answers table[k] - 2**15 exactly where its argument is a multiple of
256 (no interpolation there). With input scale 2 / (3 * 2**12) the argument is 2 x, so
x = 128 k reads entry k, all 255 entries the kernel can reach; entry 255 is the right end of the
last interval and is read from inside it. The stored table is compared entry by entry, or written
with --write; the exit status is 1 when an entry differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.flatbuffer.graph_builder import elementwise_model
from reference.arithmetic.activations import TABLE_FILE, sigmoid_table

ARGUMENT_STEP = 2
INPUT_SCALE = ARGUMENT_STEP / (3 * 2**12)


def run_tanh(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The runtime's int16 TANH of x at INPUT_SCALE, in steps of 2**-15."""
    from tflite_micro import runtime

    model = elementwise_model("TANH", len(x), "int16", INPUT_SCALE, 2.0**-15)
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=2_000_000)
    interpreter.set_input(x.astype(np.int16)[None], 0)
    interpreter.invoke()
    return np.asarray(interpreter.get_output(0)[0], np.int64)


def recover() -> np.ndarray[Any, Any]:
    """The 256 entries."""
    starts = np.arange(255) * 256 // ARGUMENT_STEP
    entries = run_tanh(starts) + 2**15
    inside = np.arange(254 * 256, 255 * 256, ARGUMENT_STEP)
    answers = run_tanh(inside // ARGUMENT_STEP) + 2**15
    candidates = np.arange(entries[254], 2**16)
    fraction = inside - 254 * 256
    predicted = ((entries[254] << 8) + fraction * (candidates[:, None] - entries[254]) + 128) >> 8
    fits = candidates[(predicted == answers).all(axis=1)]
    if len(fits) != 1:
        raise RuntimeError(f"entry 255 is not determined: {fits}")
    return np.append(entries, fits[0])


if __name__ == "__main__":
    recovered = recover()
    if "--write" in sys.argv[1:]:
        np.save(TABLE_FILE, recovered.astype(np.uint16))
    stored = sigmoid_table()
    different = np.flatnonzero(recovered != stored)
    print(f"{len(recovered)} entries recovered, {len(different)} unlike the stored table")
    for k in different:
        print(f"  entry {k}: runtime {recovered[k]}, stored {stored[k]}")
    sys.exit(bool(len(different)))
