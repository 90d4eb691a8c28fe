"""Hold unit tests to what they are: no process is started, and no runtime is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
#: Audit events of the interpreter that begin another process.
PROCESSES = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec")
#: What the standard library and NumPy ask of this machine: platform, numpy.testing, find_library.
PROBES = ("uname", "lscpu", "ldconfig")
RUNTIMES = ("tensorflow", "keras", "tf_keras", "ai_edge_litert", "tflite_runtime")

#: The unit test of this moment, or nothing.
_running: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _running:
        return
    program = Path(os.fsdecode(arguments[0])).name if event in PROCESSES and arguments else ""
    if event in PROCESSES and program not in PROBES:
        pytest.fail(f"a unit test starts a process ({event}): move it to tests/integration")
    if event == "import" and str(arguments[0]).partition(".")[0] in RUNTIMES:
        pytest.fail(f"a unit test imports {arguments[0]}: move it to tests/integration")


# A hook stays for the life of the process: it looks at nothing while no unit test runs.
sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """From the setup of its fixtures to their end. Pytest asks this hook for all tests."""
    if not item.path.is_relative_to(HERE):
        return (yield)
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.pop()
