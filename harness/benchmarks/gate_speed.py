"""Time a whole gate of one flatbuffer beside a session that only imports and collects."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.benchmarks.benchmarks import Figure, Timed
from harness.support.project import ROOT


@dataclass(frozen=True)
class GateSpeed:
    """Least seconds of a gate with a warm cache, and of the same session that only collects, of
    all turns; processor seconds of all processes, and wall seconds."""

    model: str
    gate: float
    collecting: float
    gate_wall: float
    collecting_wall: float

    @property
    def ratio(self) -> float:
        return self.gate / self.collecting

    @property
    def ratio_wall(self) -> float:
        return self.gate_wall / self.collecting_wall


def gate_speed(name: str, content: bytes, folder: Path, turns: int = 5) -> tuple[GateSpeed, Timed]:
    """Gate a flatbuffer once to warm the cache, then in turns with collecting alone.

    Raises RuntimeError, with what it printed, for a gate that fails: its speed means nothing.
    """
    path = folder / "model.tflite"
    path.write_bytes(content)
    command = [
        *(sys.executable, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider"),
        *(f"--tflite={path}", f"--report={folder / 'report'}", f"--cache={folder / 'cache'}"),
    ]
    collecting = [*command, "--collect-only"]
    for each in (command, collecting):
        _timed(each)
    found = np.array([[_timed(command), _timed(collecting)] for _ in range(turns)])
    (gate, gate_wall), (collected, collected_wall) = found.min(axis=0)
    speed = GateSpeed(name, float(gate), float(collected), float(gate_wall), float(collected_wall))
    figure = Figure(f"{name}/gate", speed.gate, speed.collecting, True, turns)
    return speed, Timed(figure, found[:, 0, 0], found[:, 1, 0])


def _timed(command: list[str]) -> tuple[float, float]:
    """Processor seconds of a command and all its processes, and wall seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}\n{done.stdout}{done.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, wall
