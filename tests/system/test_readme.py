"""The README is true: its commands run, its table is what the registry says, its paths exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.limitations import cases
from harness.report import support_matrix
from harness.support.project import ROOT

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_first_commands_are_the_two_of_make() -> None:
    assert _commands()[:2] == ["make conformance", "make test"]


@pytest.mark.parametrize("command", [c for c in _commands() if c.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    """They are not carried out here: this test is part of one of them."""
    words = shlex.split(command)
    done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "-m pytest" in done.stdout or "-m harness" in done.stdout


@pytest.mark.parametrize("command", [c for c in _commands() if not c.startswith("make ")])
def test_every_other_command_runs(command: str, models: Path, tmp_path: Path) -> None:
    files = {
        "my.keras": models / "small model.keras",
        "my.tflite": models / "fused.tflite",
        "samples.npz": models / "inputs.npz",
        "calibration.npz": models / "inputs.npz",
        "predictions.npy": models / "predictions.npy",
    }
    words = [str(files.get(word, word)) for word in shlex.split(command)]
    assert words[0].startswith(".venv/bin/")
    words[0] = str(BIN / Path(words[0]).name)
    if "suites/" in words:
        words += ["--report", str(tmp_path / "report")]
    else:
        words += ["--out", str(tmp_path / "out")]
    env = {**os.environ, "PYTEST_ADDOPTS": f"--cache={tmp_path / 'cache'}"}  # an example's gate too
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed, 0 untested" in done.stdout.replace("\n", " ")


def test_the_support_matrix_is_not_stale() -> None:
    expected = support_matrix.markdown(support_matrix.expected_outcomes(cases.load()))
    assert support_matrix.in_readme(README) == expected, "run `make matrix`"


def test_the_paths_that_are_named_exist() -> None:
    named = re.findall(r"`((?:fixtures|suites|reference|examples|tests)/[\w./]*)`", README)
    assert len(named) >= 3
    for path in named:
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_options_of_the_readme_exist() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    for option in set(re.findall(r"`(--[a-z-]+)", README)) - {"--mnist"}:
        assert option in done.stdout, option
