"""A gate through a wire: the kernels and their state are named, and faulty boards fail it.

The boards are processes with TensorFlow Lite Micro behind the agent in Python, and the C agent
with recorded answers, on the host and on an emulated Cortex-M.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.support.project import ROOT
from harness.workers.remote.board.log import Log
from tests.support import agent_table
from tests.support.device_models import lstm_model
from tests.support.runs import Run, run_suites

PROGRAM = (sys.executable, "-m", "harness.assurance.boards.program")
SUITES = ("suites/test_device.py", "suites/test_state.py", "suites/test_resources.py")
Gate = Callable[..., Run]


@pytest.fixture
def gate(tmp_path: Path, cache: Path) -> Gate:
    def run(steps: int, *boards: str, form: Any = "int8", suites: Any = SUITES) -> Run:
        model = tmp_path / "my model.tflite"
        model.write_bytes(lstm_model(steps, form))
        words = [f"--device={board}" for board in boards]
        return run_suites(
            f"--tflite={model}",
            "--runtime=tflm",
            *words,
            report=tmp_path / "report",
            cache=cache,
            suites=suites,
        )

    return run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Path]:
    """The commands for a log that a run without a device writes, and its model."""
    folder = tmp_path_factory.mktemp("recorded")
    model = folder / "my model.tflite"
    model.write_bytes(lstm_model())
    run = run_suites(
        f"--tflite={model}",
        "--runtime=tflm",
        report=folder / "report",
        cache=cache,
        suites=("suites/test_resources.py",),
    )
    assert run.status == 0, run.text
    assert "boards: UNTESTED, none was given" in _flat(run)
    (commands,) = run.folder.glob("device/*/*/agent/commands.txt")
    return commands, model


def _board(tmp_path: Path, *more: str) -> str:
    model = tmp_path / "my model.tflite"
    return f"exec:{' '.join(PROGRAM)} '{model}' {' '.join(more)}"


def _flat(run: Run) -> str:
    """What was printed, without the terminal's line breaks."""
    return " ".join(run.text.split())


def _of(run: Run, suite: str, device: str = "device") -> dict[str, Any]:
    found = [
        case for case in run.cases.values() if (case["suite"], case["runtime"]) == (suite, device)
    ]
    assert found, run.text
    return found[0]


def test_a_healthy_board_agrees_and_its_kernels_and_state_are_named(
    tmp_path: Path, gate: Gate
) -> None:
    run = gate(5, f"left={_board(tmp_path)}", f"right={_board(tmp_path, '--state cleared')}")
    assert run.status == 0, run.text
    left, right = (_of(run, "test_device", f"device@{side}") for side in ("left", "right"))
    assert "tflm-reference" in left["board"]["kernels"]
    assert "cmsis-nn" in right["board"]["kernels"]
    assert (left["board"]["state"], right["board"]["state"]) == ("carried", "cleared")
    assert "these 400 outputs are those of cmsis-nn" in _flat(run)
    # 4 samples and a stream of 16, of 5 steps and 4 units each, by the board's own clock.
    assert left["values"] == 20 * 5 * 4
    assert left["board"]["invokes"] == 20
    assert 0 < left["board"]["microseconds"] < 1e5
    assert _of(run, "test_state", "device@left")["verdict"] == "agreed"
    assert (run.folder / "exhibits" / "boards.json").exists()
    assert "boards: UNTESTED" not in run.text


def test_a_model_that_streams_fails_on_a_board_that_clears_its_state(
    tmp_path: Path, gate: Gate
) -> None:
    assert gate(1, _board(tmp_path)).status == 0
    run = gate(1, _board(tmp_path, "--state cleared"))
    case = _of(run, "test_device")
    assert (run.status, case["outcome"], case["phase"]) == (1, "diverged", "compare")
    assert "it takes one step at a time" in case["message"]
    assert "of a stream's outputs are wrong. Cure:" in case["message"]
    assert "cmsis-nn" in case["message"]


@pytest.mark.parametrize(
    ("fault", "outcome", "text"),
    [
        ("flips-a-bit", "diverged", "nobody's kernels: "),
    ],
)
def test_a_faulty_board_fails_the_gate(
    tmp_path: Path, gate: Gate, fault: str, outcome: str, text: str
) -> None:
    board = _board(tmp_path, "--fault", fault)
    run = gate(5, board, suites=("suites/test_device.py",))
    case = _of(run, "test_device")
    assert (run.status, case["outcome"]) == (1, outcome), run.text
    assert text in case["message"]


def test_a_captured_log_is_judged_as_the_board_is(
    tmp_path: Path, gate: Gate, recorded: tuple[Path, Path]
) -> None:
    commands, _ = recorded
    capture = tmp_path / "capture.txt"
    with capture.open("wb") as out, commands.open("rb") as given:
        words = [*PROGRAM, str(recorded[1])]
        subprocess.run(words, cwd=ROOT, stdin=given, stdout=out, check=True, timeout=60)
    run = gate(5, f"log:{capture}", suites=SUITES[:2])
    assert run.status == 0, run.text
    board = _of(run, "test_device")["board"]
    assert (board["state"], board["transport"]) == ("carried", "log")
    assert {case["runtime"] for case in run.cases.values() if case.get("law")} == {"tflm"}
    assert "the laws of state are UNTESTED on it" in _flat(run)
    capture.write_bytes(capture.read_bytes()[:2000])
    cut = gate(5, f"log:{capture}", suites=SUITES[:1])
    assert (cut.status, _of(cut, "test_device")["outcome"]) == (1, "refused")
    assert "no whole answer to the input" in _of(cut, "test_device")["message"]


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_the_agent_for_firmware_passes_the_gate(
    tmp_path: Path, gate: Gate, recorded: tuple[Path, Path], target: str
) -> None:
    """Its hooks hand out what a board answered to the commands of a log."""
    if without := agent_table.missing(target):
        pytest.skip(f"the agent on {target} is untested: {without}")
    commands, model = recorded
    capture = tmp_path / "capture.txt"
    with capture.open("wb") as out, commands.open("rb") as given:
        words = [*PROGRAM, str(model), "--state", "cleared"]
        subprocess.run(words, cwd=ROOT, stdin=given, stdout=out, check=True, timeout=60)
    table = agent_table.table_text(Log(str(capture)), model.read_bytes(), 20)
    run = gate(5, f"exec:{agent_table.build(tmp_path, table, 15, 20, target)}", suites=SUITES[:1])
    assert run.status == 0, run.text
    case = _of(run, "test_device")
    assert (case["board"]["state"], case["board"]["arena_used_bytes"]) == ("cleared", 1111)
    assert case["board"]["name"] == f"dut-[table_on_{target}]"
    # The host's build has a clock; semihosting has none, and the harness's is not taken for it.
    assert (case["board"]["microseconds"] is None) == (target != "host")
