"""The wheel, installed at both ends of its ranges, gates a flatbuffer without TensorFlow."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.support.project import ROOT
from tests.support.light import small_flatbuffer

UV: list[str | Path] = [sys.executable, "-m", "uv"]
TOP_LEVEL = {"lstm_conformance"}


def _run(
    words: Sequence[str | Path], folder: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("LSTM_", "PYTEST", "PYTHON"))}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**own, **more},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make wheel` does, with the pinned builder."""
    out = tmp_path_factory.mktemp("dist")
    pinned: list[str | Path] = [
        "--require-hashes",
        "--build-constraint",
        ROOT / "requirements" / "build.txt",
    ]
    done = _run([*UV, "build", "--quiet", "--wheel", *pinned, "--out-dir", out, ROOT], out)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module", params=["lowest-direct", "highest"])
def installed(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the programs of an environment, at one end of the ranges."""
    folder = tmp_path_factory.mktemp(request.param)
    made = _run([*UV, "venv", "--quiet", "--python", sys.executable, folder / "env"], folder)
    assert made.returncode == 0, made.stderr
    python = folder / "env" / "bin" / "python"
    to_install: list[str | Path] = [*UV, "pip", "install", "--quiet", "--python", python]
    done = _run([*to_install, "--resolution", request.param, wheel], folder)
    assert done.returncode == 0, done.stderr
    return python.parent


def test_a_flatbuffer_is_gated_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "my model.tflite").write_bytes(small_flatbuffer())
    home = tmp_path.with_name(f"{tmp_path.name} home")
    done = _run(
        [installed / "lstm-conformance", "gate", "my model.tflite"],
        tmp_path,
        XDG_CACHE_HOME=str(home),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert "not installed, and not run: tflite, tflite-reference, tflite-no-xnnpack" in told
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert {case["verdict"] for case in report["cases"]} == {"agreed"}
    assert {case["runtime"] for case in report["cases"]} >= {"litert", "tflm"}
    commands = {(c["suite"], c["runtime"]): shlex.split(c["rerun"]) for c in report["cases"]}
    assert {tuple(words[:2]) for words in commands.values()} == {("lstm-conformance", "gate")}
    one = commands["test_parity", "tflm"]
    done = _run([installed / one[0], *one[1:]], tmp_path, XDG_CACHE_HOME=str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my model.tflite", "report"]
    assert list(home.glob("lstm-conformance/*/*.npz")), "its results are kept for the user"


def test_nothing_of_a_general_name_is_installed(installed: Path) -> None:
    program = (
        "import importlib.metadata as m\n"
        "files = m.files('lstm-conformance')\n"
        "print(*sorted({file.parts[0] for file in files}))\n"
    )
    done = _run([installed / "python", "-c", program], installed)
    found = {name for name in done.stdout.split() if not name.endswith(".dist-info")}
    assert found - {".."} == TOP_LEVEL, done.stderr


def test_a_failed_gate_and_bad_usage_differ(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    command = installed / "lstm-conformance"
    cache = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    failed = _run([command, "gate", "broken.tflite"], tmp_path, **cache)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "not a TFLite flatbuffer" in failed.stdout
    for words in (["gate"], ["gate", "missing.tflite"], ["unknown"]):
        done = _run([command, *words], tmp_path, **cache)
        assert done.returncode == 2, done.stdout + done.stderr


def test_what_needs_tensorflow_says_how_to_get_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.keras").touch()
    (tmp_path / "a.tflite").write_bytes(small_flatbuffer())
    command = installed / "lstm-conformance"
    for words in (
        ["gate", "a.keras"],
        ["certify"],
        ["gate", "a.tflite", "--runtime", "tflite"],
    ):
        done = _run([command, *words], tmp_path, XDG_CACHE_HOME=str(tmp_path / "home"))
        assert done.returncode == 2, done.stdout
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("ERROR: ")
        assert "pip install 'lstm-conformance[keras]'" in line


def test_the_doctor_finds_it_healthy(installed: Path, tmp_path: Path) -> None:
    done = _run([installed / "lstm-conformance", "doctor"], tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   litert: runs an LSTM" in done.stdout
    assert "ok   tflm: runs an LSTM" in done.stdout
    assert "--   keras: not installed" in done.stdout
