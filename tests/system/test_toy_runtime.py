"""A runtime is one file, found by name and not known to the project: it runs, and is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.support.project import ROOT

SUPPORT = ROOT / "tests" / "support"
#: The toy again, with an activation function that is another one.
BROKEN = """
from dataclasses import replace
from fixtures.runtimes import Runtime, register
from toy_runtime import TOY

broken = replace(TOY, name="broken-toy", api=("toy_runtime:hard_logistic",))
register(Runtime(broken, "broken-toy", "a toy with another activation function"))
"""


def _run(
    folder: Path, cache: Path, plugin: str, runtime: str, *more: str
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    paths = os.pathsep.join([str(SUPPORT), str(folder)])
    command = [sys.executable, "-m", "pytest", "suites/test_parity.py", "-q", "-p", plugin]
    command += ["--runtime", runtime, "--report", str(folder)]
    command += ["--cache", str(cache), *more]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    report = folder / "conformance.json"
    cases = json.loads(report.read_text())["cases"] if report.exists() else []
    return done, cases


def _cases(cases: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{case['subject']}/{case['recipe']}/{case['runtime']}": case for case in cases}


def test_a_runtime_of_one_file_is_run_in_a_worker_and_held_to_an_oracle(
    tmp_path: Path, cache: Path
) -> None:
    done, cases = _run(
        tmp_path, cache, "toy_runtime", "toy", "-k", "sequences/float32 or sequences/int8"
    )
    found = _cases(cases)
    case = found["sequences/float32/toy"]
    assert (case["verdict"], case["outcome"]) == ("agreed", "agreed"), done.stdout
    (operator,) = case["operators"]
    assert operator["rule"].startswith("float64 oracle")
    assert operator["values"] > 0
    assert operator["mismatches"] == 0
    assert 0 < operator["budget_used"] <= 1
    assert " -p toy_runtime " in case["rerun"]
    # It says that it has no integers, which nobody has registered as a limitation of it.
    refused = found["sequences/int8/toy"]
    assert (refused["verdict"], refused["outcome"], refused["phase"]) == (
        *("failed", "refused"),
        "load",
    )
    assert "the toy runs no int8 LSTM" in refused["message"]
    assert "litert, tflm, toy: · agreed, r refused" in " ".join(done.stdout.split())
    row = next(line for line in done.stdout.splitlines() if line.startswith("sequences "))
    assert row.split()[1:3] == ["·", "R"], row


def test_a_broken_runtime_is_caught_and_blamed(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "broken_toy.py").write_text(BROKEN)
    done, cases = _run(tmp_path, cache, "broken_toy", "broken-toy", "-k", "sequences/float32")
    case = _cases(cases)["sequences/float32/broken-toy"]
    assert (case["outcome"], case["phase"]) == ("diverged", "compare"), done.stdout
    assert done.returncode == 1
    assert case["blame"]["leg"] == "toy kernel"
    assert case["operators"][0]["mismatches"] > 0


@pytest.mark.parametrize("plugin", ["toy_runtime", "no:toy_runtime"])
def test_the_names_of_runtimes_are_those_that_are_registered(
    tmp_path: Path, plugin: str, cache: Path
) -> None:
    done, _ = _run(tmp_path, cache, plugin, "nothing", "--collect-only")
    known = "keras, tflite, tflite-reference, tflite-no-xnnpack, litert, tflm"
    toy = ", toy" if plugin == "toy_runtime" else ""
    assert f"--runtime nothing: unknown; known are {known}{toy}\n" in done.stdout + done.stderr
