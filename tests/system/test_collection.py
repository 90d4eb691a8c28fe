"""Collecting is quick, and offers the options that it says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.support.project import ROOT


def test_collecting_is_quick_and_imports_no_tensorflow() -> None:
    script = (
        "import sys, pytest\n"
        "status = pytest.main(['suites/', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "heavy = [m for m in ('tensorflow', 'keras', 'tflite_micro') if m in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else int(status))\n"
    )
    seconds = []
    for _ in range(3):
        began = _children_seconds()
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
        )
        seconds.append(_children_seconds() - began)
        assert done.returncode == 0, done.stderr
        assert "tests collected" in done.stdout
        # Processor time, which a busy machine does not stretch much: 1.6 s where this was written.
        if seconds[-1] < 4:
            return
    pytest.fail(f"collecting took {seconds} s of processor time")


@pytest.mark.parametrize("only", [(), ("--benchmark-only",)], ids=["suites", "benchmarks"])
def test_a_runtime_of_another_python_is_known_to_every_suite(only: tuple[str, ...]) -> None:
    """One selection for the session: its cases are collected, and what has none is no error."""
    command = [sys.executable, "-m", "pytest", "suites/", "--collect-only", "-q"]
    command += ["-p", "no:cacheprovider", "--runtime", "tflm@oldest", "--runtime", "tflm"]
    command += ["--runtime-python", f"tflm@oldest={sys.executable}", "-k", "last/ or digits/"]
    command += ["--budget", "last/float32/tflm@oldest=2:the oldest kernels round otherwise"]
    # pytest-benchmark refuses to time anything in what it takes for a process of xdist's.
    alone = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    done = subprocess.run([*command, *only], cwd=ROOT, capture_output=True, text=True, env=alone)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert any("tflm@oldest" in nodeid for nodeid in found)
    if not only:
        assert any("test_resources" in nodeid for nodeid in found)
    assert not any("NOTSET" in nodeid for nodeid in found)


def _children_seconds() -> float:
    used = os.times()
    return used.children_user + used.children_system


def test_our_options_have_a_group_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    _, _, group = done.stdout.partition("LSTM conformance:")
    group = group.partition("\n\n")[0]
    for option in ("--model", "--tflite", "--inputs", "--calibration", "--recipe", "--runtime"):
        assert option in group
