"""A unit test that starts a process or imports a runtime fails."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

FORBIDDEN: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "fork": lambda: os.fork() or os._exit(0),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "system": lambda: os.system("true"),
}


@pytest.mark.parametrize("way", FORBIDDEN)
def test_a_process_is_not_started_whatever_is_caught(way: str) -> None:
    def careless() -> None:
        with contextlib.suppress(Exception):  # as a test may, or what it tests
            FORBIDDEN[way]()

    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        careless()


@pytest.mark.parametrize("name", ["tensorflow", "ai_edge_litert.interpreter"])
def test_a_runtime_is_not_imported(name: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"imports {name.partition('.')[0]}"):
        importlib.import_module(name)
    with pytest.raises(pytest.fail.Exception, match=f"imports {name.partition('.')[0]}"):
        exec(f"import {name}")
    assert "tensorflow" not in sys.modules


def test_other_imports_are_free() -> None:
    sys.modules.pop("this_is_not_there", None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("this_is_not_there")
