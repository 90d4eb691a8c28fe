"""Try a model in every arena size, in child processes, to hold the search to.

`python brute_force_arena.py FILE.npz FIRST LAST STEP` prints the sizes that run, separated by
blanks. The file has the array `tflite`, `input/K` and `output/K` of one sample. It shares no code
with the harness.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from tflite_micro import runtime

_CPU_SECONDS = 60


def running(model: Any, sizes: Iterable[int]) -> Iterator[int]:
    """The sizes in which the model gives its outputs. A child tries one after the other until
    one of them ends it; the next child goes on behind that."""
    left = list(sizes)
    while left:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            _try_all(model, left, write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            results = pipe.read()
        os.waitpid(child, 0)
        for size, ran in zip(left, results, strict=False):
            if ran:
                yield size
        left = left[len(results) + 1 :]


def _try_all(model: Any, sizes: list[int], pipe: int) -> None:
    """In a child: a byte for each size, 1 for one that runs. Never returns."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for size in sizes:
        try:
            _run(model, size)
        except Exception:
            os.write(pipe, b"\0")
        else:
            os.write(pipe, b"\1")
    os._exit(0)


def _run(model: Any, size: int) -> None:
    interpreter = runtime.Interpreter.from_bytes(model["tflite"].tobytes(), arena_size=size)
    for k in range(sum(name.startswith("input/") for name in model)):
        interpreter.set_input(model[f"input/{k}"], k)
    interpreter.invoke()
    for k in range(sum(name.startswith("output/") for name in model)):
        found = interpreter.get_output(k)
        assert found.tobytes() == model[f"output/{k}"].tobytes()


def main() -> None:
    path, *numbers = sys.argv[1:]
    with np.load(path) as archive:
        model = {name: archive[name] for name in archive.files}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(*running(model, range(*map(int, numbers))))


if __name__ == "__main__":
    main()
