"""Run a board that is none: the agent's protocol with TensorFlow Lite Micro behind it.

    python -m harness.assurance.boards.program MODEL [--state cleared] [--fault NAME] [--pty]

It speaks on standard input and output, or on a pseudo-terminal whose path it prints. `--state
cleared` makes it forget its state at every invoke, as the kernels of CMSIS-NN do.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tty
from pathlib import Path
from typing import Any

import numpy as np

from harness.assurance.boards.agent import Agent
from harness.assurance.boards.faults import FAULTS

_ARENA = 8 << 20


class Micro:
    """TFLite Micro's interpreter as an agent's hooks: bytes in, bytes out."""

    arena = _ARENA

    def __init__(self, model: bytes, cleared: bool) -> None:
        self.model, self._cleared = model, cleared
        self._interpreter: Any = self._opened()
        self._inputs = _all(self._interpreter.get_input_details)
        outputs = _all(self._interpreter.get_output_details)
        self._count = len(outputs)
        self.inputs = sum(_size(entry) for entry in self._inputs)
        self.outputs = sum(_size(entry) for entry in outputs)
        self.arena_used = 0  # the package does not say

    def setup(self) -> int:
        self._interpreter = self._opened()
        return 0

    def _opened(self) -> Any:
        from tflite_micro import runtime

        return runtime.Interpreter.from_bytes(self.model, arena_size=_ARENA)

    def reset(self) -> int:
        self._interpreter.reset()
        return 0

    def invoke(self, data: bytes) -> int:
        if self._cleared:
            self._interpreter.reset()
        at = 0
        for k, entry in enumerate(self._inputs):
            size = _size(entry)
            value = np.frombuffer(data[at : at + size], entry["dtype"]).reshape(entry["shape"])
            self._interpreter.set_input(value, k)
            at += size
        self._interpreter.invoke()
        return 0

    def output(self) -> bytes:
        found = [self._interpreter.get_output(k) for k in range(self._count)]
        return b"".join(np.ascontiguousarray(value).tobytes() for value in found)

    def micros(self) -> int:
        return time.monotonic_ns() // 1000


def _all(details: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        try:
            entry = details(len(found))
        except (IndexError, RuntimeError, ValueError):
            return found
        if entry is None:
            return found
        found.append(entry)


def _size(entry: dict[str, Any]) -> int:
    return int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize


def main() -> None:
    parser = argparse.ArgumentParser(prog="harness.assurance.boards.program")
    parser.add_argument("model", type=Path)
    parser.add_argument("--state", choices=("carried", "cleared"), default="carried")
    parser.add_argument("--fault", choices=tuple(FAULTS))
    parser.add_argument("--pty", action="store_true")
    options = parser.parse_args()
    hooks = Micro(options.model.read_bytes(), options.state == "cleared")
    reads, writes = sys.stdin.fileno(), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the package prints is no answer
    if options.pty:
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.write(writes, os.ttyname(theirs).encode() + b"\n")
        reads = writes = ours
    make = FAULTS[options.fault] if options.fault else Agent
    agent = make(hooks, lambda data: _write(writes, data))
    agent.start()
    while data := os.read(reads, 4096):
        agent.take(data)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


if __name__ == "__main__":
    main()
