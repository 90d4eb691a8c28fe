"""Press Ctrl-C when a run reaches the phase LSTM_INTERRUPT_IN (a pytest plugin)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks import parity
from harness.report import document
from harness.workers.client import Worker
from harness.workers.server_handle import Server


def hear_ctrl_c() -> None:
    """For a run to be interrupted: tests that a shell has put into the background ignore SIGINT,
    and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _press() -> None:
    """Once; the file that is named by LSTM_INTERRUPTED_AT gets the time."""
    path = Path(os.environ["LSTM_INTERRUPTED_AT"])
    if not path.exists():
        path.write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGINT)


def _pressing(function: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        if when(*arguments):
            _press()
        return function(*arguments, **options)

    return called


def pytest_configure(config: pytest.Config) -> None:
    phase = os.environ["LSTM_INTERRUPT_IN"]
    if phase == "import":
        Server._start = _pressing(Server._start, lambda *_: True)  # type: ignore[method-assign]
    elif phase == "compare":
        parity.compare = _pressing(parity.compare, lambda *_: True)  # type: ignore[attr-defined]
    elif phase == "report":
        document.write = _pressing(document.write, lambda *_: True)
    else:
        call = _pressing(Worker.call, lambda _, op, *rest: op == phase)
        Worker.call = call  # type: ignore[method-assign]
