"""A device in a worker: its answers are TFLite Micro's, and every fault is an outcome.

The device is a process of its own with TensorFlow Lite Micro behind the agent in Python, on a
pipe or a pseudo-terminal; the faulty ones are those of harness/assurance/boards/faults.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fixtures.outcomes import Outcome, Phase
from fixtures.runtimes import RUNTIMES, Runtime
from harness.execution.interpreters import Interpreters, Run
from harness.session.session import Session
from harness.support.project import ROOT
from harness.workers.devices import devices
from harness.workers.limits import Limits
from tests.support.device_models import inputs, lstm_model
from tests.support.small_models import structure

BOARD = f"{sys.executable} -m harness.assurance.boards.program"
QUICK = Limits(seconds=20.0)


@pytest.fixture(scope="module")
def runner(session: Session) -> Iterator[Interpreters]:
    found = Interpreters(session.heavy, session.light, session.elsewhere)
    yield found
    found.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "my model.tflite"
    path.write_bytes(lstm_model())
    return path


def _device(model: Path, *more: str) -> Runtime:
    (found,) = devices([f"exec:{BOARD} '{model}' {' '.join(more)}"])
    return found


def _run(runner: Interpreters, runtime: Runtime, reset: bool = True, bounds: Limits = QUICK) -> Run:
    content = lstm_model()
    data = np.frombuffer(content, np.uint8)
    return runner.run(runtime, data, structure(content), [inputs()], reset, bounds)


@pytest.mark.parametrize("reset", [True, False])
def test_a_device_answers_as_its_kernels_do(runner: Interpreters, model: Path, reset: bool) -> None:
    host = _run(runner, RUNTIMES["tflm"], reset)
    run = _run(runner, _device(model), reset)
    assert run.result is None
    np.testing.assert_array_equal(run.outputs[0], host.outputs[0])
    assert run.outputs[0].dtype == np.int8
    assert run.told["name"] == "dut-[python]"
    assert run.told["model_bytes"] == len(lstm_model())
    # Its own clock, which knows nothing of pipes and conversations.
    assert 0 < run.invoke_seconds < 0.1


def test_a_cleared_state_shows_in_a_stream_only(runner: Interpreters, model: Path) -> None:
    device = _device(model, "--state", "cleared")
    alone, streamed = (_run(runner, device, reset) for reset in (True, False))
    np.testing.assert_array_equal(alone.outputs[0], _run(runner, RUNTIMES["tflm"]).outputs[0])
    np.testing.assert_array_equal(streamed.outputs[0], alone.outputs[0])
    carried = _run(runner, RUNTIMES["tflm"], reset=False)
    assert not np.array_equal(streamed.outputs[0], carried.outputs[0])


def test_a_command_with_a_place_gets_the_model(runner: Interpreters) -> None:
    (device,) = devices([f"exec:{BOARD} {{model}}"])
    run = _run(runner, device)
    np.testing.assert_array_equal(run.outputs[0], _run(runner, RUNTIMES["tflm"]).outputs[0])


@pytest.mark.parametrize(
    ("fault", "phase", "outcome", "text"),
    [
        ("resets", Phase.INVOKE, Outcome.CRASHED, "reset in the middle"),
        ("hangs", Phase.INVOKE, Outcome.HUNG, ""),
        ("babbles", Phase.INVOKE, Outcome.HUNG, ""),
        ("short-answers", Phase.INVOKE, Outcome.REFUSED, "do not come over whole|have 19 bytes"),
        ("another-model", Phase.LOAD, Outcome.REFUSED, "another model: the device holds one of"),
        ("setup-fails", Phase.LOAD, Outcome.REFUSED, "Setup gave status 1: an arena too small"),
        ("plain", Phase.LOAD, Outcome.REFUSED, "without the extension"),
        ("big-endian", Phase.LOAD, Outcome.REFUSED, "byte order is 01020304"),
        ("warms-up", Phase.INVOKE, Outcome.REFUSED, "did so 11 times"),
    ],
)
def test_a_fault_of_a_device_is_an_outcome(
    runner: Interpreters, model: Path, fault: str, phase: Phase, outcome: Outcome, text: str
) -> None:
    run = _run(runner, _device(model, "--fault", fault), bounds=Limits(seconds=6.0))
    assert run.result is not None
    assert (run.result.phase, run.result.outcome) == (phase, outcome), run.result

    assert re.search(text, run.result.message), run.result.message
    healthy = _run(runner, _device(model))
    assert healthy.result is None


@pytest.mark.parametrize("fault", ["drops-bytes", "logs-between"])
def test_what_a_cable_does_is_healed(runner: Interpreters, model: Path, fault: str) -> None:
    run = _run(runner, _device(model, "--fault", fault))
    assert run.result is None
    np.testing.assert_array_equal(run.outputs[0], _run(runner, RUNTIMES["tflm"]).outputs[0])


@pytest.mark.parametrize(
    ("command", "outcome", "text"),
    [
        ("/nowhere/agent", Outcome.REFUSED, "does not start"),
        (f"{sys.executable} -c pass", Outcome.CRASHED, "ended: exit status 0"),
        (
            f"{sys.executable} -c 'import os; os.kill(os.getpid(), 11)'",
            Outcome.CRASHED,
            "ended: SIGSEGV",
        ),
    ],
)
def test_a_program_that_is_no_device_is_an_outcome(
    runner: Interpreters, command: str, outcome: Outcome, text: str
) -> None:
    (device,) = devices([f"exec:{command}"])
    run = _run(runner, device)
    assert run.result is not None
    assert (run.result.phase, run.result.outcome) == (Phase.LOAD, outcome)
    assert text in run.result.message


def test_a_port_is_a_device(runner: Interpreters, model: Path) -> None:
    command = [sys.executable, "-m", "harness.assurance.boards.program", str(model), "--pty"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as board:
        try:
            assert board.stdout is not None
            path = board.stdout.readline().strip()
            (device,) = devices([f"serial:{path}@115200"])
            run = _run(runner, device)
            assert run.result is None, run.result
            host = _run(runner, RUNTIMES["tflm"])
            np.testing.assert_array_equal(run.outputs[0], host.outputs[0])
            again = _run(runner, device, reset=False)
            streamed = _run(runner, RUNTIMES["tflm"], reset=False)
            np.testing.assert_array_equal(again.outputs[0], streamed.outputs[0])
        finally:
            board.kill()
    gone = _run(runner, device)
    assert gone.result is not None
    assert gone.result.outcome in (Outcome.CRASHED, Outcome.HUNG, Outcome.REFUSED)


def test_a_port_that_is_none_is_refused(runner: Interpreters) -> None:
    (device,) = devices(["/dev/nothing-here"])
    run = _run(runner, device)
    assert run.result is not None
    assert (run.result.phase, run.result.outcome) == (Phase.LOAD, Outcome.REFUSED)
    assert "cannot be opened" in run.result.message
