"""The gate, as a user meets it in whole runs, exits as healthy and hostile models deserve.

Every hostile run must exit with a status that is not 0, say what was expected, complete its
other cases and write its report.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.support.project import ROOT
from tests.support.interrupting import hear_ctrl_c
from tests.support.runs import Run, command, run_suites


class Gate(Run):
    """How a run of the gate ended."""

    def case(self, ending: str) -> dict[str, Any]:
        suites = ("test_conversion", "test_parity")
        cases = [case for case in self.cases.values() if case["suite"] in suites]
        (found,) = [case for case in cases if case["id"].endswith(ending + "]")]
        return dict(found)


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[..., Gate]:
    def run(*arguments: str | Path) -> Gate:
        found = run_suites(*arguments, report=tmp_path_factory.mktemp("report"), cache=cache)
        return Gate(found.status, found.text, found.folder)

    return run


def test_a_healthy_model_passes_with_everything_executed(
    gate: Callable[..., Gate], models: Path
) -> None:
    found = gate(
        *("--model", models / "small model.keras", "--inputs", models / "inputs.npz"),
        *("--recipe", "float32", "--recipe", "int8"),
    )
    assert found.status == 0, found.text
    totals = found.report["totals"]
    assert totals["expected"] == totals["executed"] == totals["agreed"] == 35
    assert len(found.report["inapplicable"]) == 14
    for case in found.report["cases"]:
        if case["suite"] == "test_parity":
            assert case["values"] == 6 * 2
            assert 0 <= case["budget_used"] <= 1


@pytest.mark.parametrize("name", ["small.h5", "saved", "exported", "unknown.keras", "words.keras"])
def test_every_file_form_is_gated(gate: Callable[..., Gate], models: Path, name: str) -> None:
    found = gate("--model", models / name, "--recipe", "float32")
    assert found.status == 0, found.text
    assert found.case("/float32/tflm")["outcome"] == "agreed"


def test_the_layers_around_an_lstm_are_held_to_the_oracle(
    gate: Callable[..., Gate], models: Path
) -> None:
    """Pooling, merging and normalising layers: Keras itself and TFLite agree with the float64
    value (formulas by hand: tests/unit/reference/network/test_network_pooling.py)."""
    found = gate(
        *("--model", models / "many layers.keras", "--recipe", "float32"),
        *("--runtime", "keras", "--runtime", "tflite", "--runtime", "tflite-no-xnnpack"),
    )
    assert found.status == 0, found.text
    for runtime in ("keras", "tflite", "tflite-no-xnnpack"):
        case = found.case(f"/float32/{runtime}")
        assert case["outcome"] == "agreed"
        assert case["budget"] < 1e-5


def test_a_known_limitation_is_named_and_fails_only_where_it_was_asked_for(
    gate: Callable[..., Gate], models: Path
) -> None:
    """The int8 conversion of a WHILE model kills its worker; float32 goes on."""
    asked = gate("--model", models / "gru.keras", "--recipe", "int8", "--recipe", "float32")
    assert asked.status == 1
    case = asked.case("gru.keras/int8/tflite")
    assert (case["phase"], case["outcome"]) == ("convert", "crashed")
    assert case["verdict"] == "failed"
    assert case["limitation"] is not None
    assert f"known limitation {case['limitation']}" in asked.text
    assert asked.case("gru.keras/float32/tflite")["outcome"] == "agreed"
    default = gate("--model", models / "gru.keras", "--runtime", "tflite")
    assert default.case("gru.keras/int8/tflite")["verdict"] == "limitation"
    assert default.status == 0, default.text


def test_a_conversion_that_would_eat_all_memory_is_named(
    gate: Callable[..., Gate], models: Path
) -> None:
    found = gate("--model", models / "small.h5", "--recipe", "float16", "--recipe", "float32")
    assert found.status == 1
    case = found.case("small.h5/float16/tflm")
    assert (case["outcome"], case["limitation"]) == ("out of memory", "float16-fused-memory")
    assert case["guarded"]
    assert "not attempted" in found.text
    assert found.case("small.h5/float32/tflm")["outcome"] == "agreed"


def test_a_runtime_that_hangs_is_stopped_and_named(gate: Callable[..., Gate], models: Path) -> None:
    """TFLite Micro never ends, or answers wrongly, on a loop with every output."""
    found = gate("--tflite", models / "while.tflite", "--deadline", "1")
    assert found.status == 1
    assert found.case("/tflm")["outcome"] in ("hung", "diverged")
    assert found.case("/tflite-reference")["outcome"] == "agreed"


def test_a_flatbuffer_alone_and_with_its_model(gate: Callable[..., Gate], models: Path) -> None:
    alone = gate("--tflite", models / "fused.tflite")
    assert alone.status == 0, alone.text
    assert alone.case("/tflm")["outcome"] == "agreed"
    both = gate(
        *("--tflite", models / "fused.tflite", "--model", models / "small.h5"),
        *("--recipe", "float32"),
    )
    assert both.status == 0, both.text
    assert "float64 oracle" in both.case("as-converted/tflm")["budget_rule"]


def test_a_flatbuffer_of_another_model_diverges(
    gate: Callable[..., Gate], models: Path, tmp_path: Path
) -> None:
    """One weight in the middle of the file is another: no runtime may pass."""
    import numpy as np

    data = bytearray((models / "fused.tflite").read_bytes())
    words = np.frombuffer(bytes(data), "<f4")
    weights = np.flatnonzero((np.abs(words) > 0.3) & (np.abs(words) < 0.9))
    place = int(weights[len(weights) // 2]) * 4
    data[place : place + 4] = np.float32(words[place // 4] * 1.01).tobytes()
    changed = tmp_path / "changed.tflite"
    changed.write_bytes(bytes(data))
    found = gate("--tflite", changed, "--model", models / "small.h5", "--recipe", "float32")
    assert found.status == 1
    assert found.case("as-converted/tflite")["outcome"] == "diverged"
    assert found.case("as-converted/tflm")["outcome"] == "diverged"
    assert found.case("small.h5/float32/tflm")["outcome"] == "agreed"


@pytest.mark.parametrize("size", [0, 7, 100, 2000])
def test_a_truncated_flatbuffer_is_named(
    gate: Callable[..., Gate], models: Path, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((models / "fused.tflite").read_bytes()[:size])
    found = gate("--tflite", path, "--model", models / "small.h5", "--recipe", "float32")
    assert found.status == 1
    case = found.case("cut.tflite/as-converted")
    assert case["outcome"] in ("refused", "crashed", "hung", "out of memory")
    assert "TFLite flatbuffer" in case["message"] or case["outcome"] != "refused"
    assert found.case("small.h5/float32/tflm")["outcome"] == "agreed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "missing.keras"), "missing.keras: no such file; expected a .keras or .h5"),
        (("--tflite", "missing.tflite"), "no such file; expected a .tflite file"),
        (("--recipe", "int4"), "--recipe int4: unknown; known are float32, dynamic-range"),
        (("--runtime", "onnx"), "--runtime onnx: unknown; known are keras, tflite"),
        (("--inputs", "missing.npz", "--tflite", "x"), "no such file"),
        (("--jobs", "0"), "--jobs 0: expected at least 1"),
        (("--no-such-option",), "unrecognized arguments"),
        (("--model", "README.md"), "expected .keras, .h5 or a SavedModel folder"),
        (("--model", "suites"), "a folder without saved_model.pb is no SavedModel"),
        (("--labels", "README.md"), "--labels is for your own model: add --model or --tflite"),
    ],
)
def test_a_wrong_option_names_what_was_expected(
    gate: Callable[..., Gate], arguments: tuple[str, ...], message: str
) -> None:
    found = gate(*arguments)
    assert found.status == 4
    assert message in found.text
    assert "Traceback" not in found.text


def test_inputs_of_a_wrong_shape_are_named_and_reported(
    gate: Callable[..., Gate], models: Path
) -> None:
    found = gate(
        *("--model", models / "small.h5", "--inputs", models / "wrong.npz"),
        *("--recipe", "float32"),
    )
    assert found.status == 1
    assert "input 'sensor' expects samples of shape [N, 5, 3]; found [6, 4, 3]" in found.text
    assert found.report["totals"]["failed"] == found.report["totals"]["expected"]


def test_a_model_that_carries_code_is_refused_unless_trusted(
    gate: Callable[..., Gate], models: Path
) -> None:
    refused = gate("--model", models / "code.keras", "--recipe", "float32")
    assert refused.status == 1
    assert refused.case("code.keras/float32")["outcome"] == "refused"
    assert "--trusted" in refused.text
    trusted = gate("--model", models / "code.keras", "--recipe", "float32", "--trusted")
    assert trusted.case("code.keras/float32/tflite")["outcome"] == "agreed"


def test_a_file_that_is_no_keras_model_is_refused(
    gate: Callable[..., Gate], models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fake.keras"
    path.write_text("not a model")
    found = gate("--model", path, "--model", models / "small.h5", "--recipe", "float32")
    assert found.status == 1
    assert found.case("fake.keras/float32")["outcome"] == "refused"
    assert found.case("small.h5/float32/tflm")["outcome"] == "agreed"


def _start(models: Path, out: Path) -> subprocess.Popen[str]:
    two = ("--model", models / "small.h5", "--model", models / "gru.keras")
    return subprocess.Popen(
        command(*two, "--recipe", "float32", "--jobs", "1", report=out, cache=None),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def _workers(process: subprocess.Popen[str], kind: str) -> list[psutil.Process]:
    """Forks of the server for `kind` that are at work. A package that is imported runs programs
    of its own (uname, lscpu), forks of the server too until they begin: only a worker has
    lowered its address space."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may end while we look
            server = psutil.Process(child.ppid())
            memory = [one.rlimit(psutil.RLIMIT_AS) for one in (child, server)]
            if kind in " ".join(child.cmdline()) and memory[0] != memory[1]:
                found.append(child)
    return found


def _wait_for_worker(process: subprocess.Popen[str]) -> psutil.Process:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := _workers(process, "keras"):
            return found[0]
        time.sleep(0.02)
    raise AssertionError("no worker was started")


def test_a_worker_killed_from_outside_loses_one_conversion_at_most(
    models: Path, tmp_path: Path
) -> None:
    process = _start(models, tmp_path / "report")
    _wait_for_worker(process).kill()
    text = process.communicate(timeout=200)[0]
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert process.returncode == 1, text
    assert report["totals"]["untested"] == 0
    killed = {case["subject"] for case in report["cases"] if "killed" in case["message"]}
    assert killed == {"small.h5"}, text
    assert "killed from outside" in text


def test_ctrl_c_leaves_a_report_and_no_processes(models: Path, tmp_path: Path) -> None:
    process = _start(models, tmp_path / "report")
    _wait_for_worker(process)
    started = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 2, text
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert report["interrupted"] is True
    assert report["totals"]["untested"] > 0
    assert "untested" in text
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive


def test_parallel_processes_give_the_same_report(gate: Callable[..., Gate], models: Path) -> None:
    arguments = ("--model", models / "small.h5", "--recipe", "float32", "--recipe", "int8")
    alone, together = gate(*arguments), gate(*arguments, "-n", "2")
    assert alone.status == together.status == 0, together.text
    assert alone.report["totals"] == together.report["totals"]
    for one, other in zip(alone.report["cases"], together.report["cases"], strict=True):
        same = ("id", "phase", "outcome", "verdict", "error", "budget", "values")
        assert {key: one[key] for key in same} == {key: other[key] for key in same}
    assert alone.report["flatbuffers"] == together.report["flatbuffers"]
    assert alone.report["flatbuffers"]
    count = alone.report["totals"]["expected"]
    assert f"executed {count} of {count} cases" in together.text.replace("\n", " ")
