"""The lines that a failure ends with show it in plain TensorFlow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runs import run_suites


def test_the_lines_print_the_error_of_the_report(
    structure_models: Path, tmp_path: Path, cache: Path
) -> None:
    found = run_suites(
        *("--model", structure_models / "clipped.keras", "--recipe", "float32"),
        *("--runtime", "tflite"),
        report=tmp_path,
        cache=cache,
        suites=("suites/test_parity.py",),
    )
    assert found.status == 1
    (case,) = [c for c in found.cases.values() if c["verdict"] == "failed"]
    code = "\n".join(re.findall(r"^    (.*)$", case["message"], re.MULTILINE))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    printed = float(done.stdout.split()[-1])
    told = re.search(r"differs by (?:a root mean square of )?([\d.e+-]+), budget", case["message"])
    assert told is not None
    if "root mean square" in told[0]:
        assert printed >= float(told[1])
    else:
        assert printed == pytest.approx(float(told[1]), rel=0.01)
