"""`doctor` tells what works, what is missing and how to get it, and fails for what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.runtimes import RUNTIMES, Runtime
from harness.command import doctor
from harness.workers import kinds


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started here."""
    found = doctor.Finding("ok", "C++ compiler", "some")
    monkeypatch.setattr(doctor, "_compiler", lambda: found)


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is started: every runtime answers rightly."""
    monkeypatch.setattr(doctor, "_runs", lambda runtime: "")
    monkeypatch.setattr(doctor, "_converts", lambda: "")


@pytest.mark.usefixtures("healthy")
def test_a_healthy_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--cache", str(tmp_path / "cache")]) == 0
    told = capsys.readouterr().out
    assert "NO " not in told
    for name in RUNTIMES:
        assert f"ok   {name}: " in told


@pytest.mark.usefixtures("healthy")
def test_what_is_not_installed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kinds, "_found", lambda module: module != "tensorflow")
    assert doctor.main(["--cache", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "--   keras: not installed\n     → pip install 'lstm-conformance[keras]'" in told
    assert "ok   litert: " in told


def test_a_runtime_that_answers_wrongly_or_dies_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def runs(runtime: Runtime) -> str:
        if runtime.name == "tflm":
            raise OSError("libfoo.so: cannot open")
        return "its answer is off by 0.5" if runtime.name == "litert" else ""

    monkeypatch.setattr(doctor, "_runs", runs)
    monkeypatch.setattr(doctor, "_converts", lambda: "")
    assert doctor.main(["--cache", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "NO   litert: its answer is off by 0.5\n     → pip install" in told
    assert "NO   tflm: OSError: libfoo.so: cannot open\n     → pip install" in told
    assert "ok   tflite: " in told


@pytest.mark.usefixtures("healthy")
def test_a_cache_that_cannot_be_written_costs_speed_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert doctor.main(["--cache", str(tmp_path / "file")]) == 0
    assert "--   kept results: " in capsys.readouterr().out
