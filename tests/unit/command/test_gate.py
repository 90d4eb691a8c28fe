"""A gate is pytest on the harness's own suites, with the models that are named or set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from harness.command import certify, gate, suites
from harness.command.entry import COMMANDS, main
from harness.support.project import ROOT


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate sets a variable for Hypothesis: not in the process of the tests."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", "elsewhere")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What pytest is asked, in an empty folder; it answers that a test failed."""
    found: list[list[str]] = []

    def main(words: list[str]) -> int:
        found.append(words)
        return 1

    monkeypatch.setattr(pytest, "main", main)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["a.tflite"], ["--tflite=a.tflite"]),
        (["a.keras", "--recipe", "int8"], ["--model=a.keras", "--recipe", "int8"]),
        (["--recipe", "int8", "b c.h5"], ["--recipe", "int8", "--model=b c.h5"]),
        (["--tflite", "a.tflite"], ["--tflite", "a.tflite"]),
        (["-k", "a.tflite", "a.keras"], ["-k", "a.tflite", "--model=a.keras"]),
        (["--inputs", "x.npz"], ["--inputs", "x.npz"]),
    ],
)
def test_a_model_that_stands_alone_gets_its_option(words: list[str], wanted: list[str]) -> None:
    assert gate.with_models(words) == wanted


def test_the_folder_of_a_saved_model_is_one(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert gate.with_models([str(tmp_path)]) == [f"--model={tmp_path}"]


def test_the_suites_and_settings_are_the_harness_s_own(asked: list[list[str]]) -> None:
    assert gate.main(["a.tflite"]) == 1
    (words,) = asked
    assert words[:4] == ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    assert str(ROOT / "suites/") in words
    assert "--tflite=a.tflite" in words
    assert "-q" in words


def test_one_test_of_the_suites_can_be_named(asked: list[list[str]]) -> None:
    """As the line that runs a case again names it."""
    node = "suites/test_parity.py::test_parity[a.tflite/as-converted/tflm]"
    gate.main([node, "--tflite", "a.tflite", "-v"])
    (words,) = asked
    assert str(ROOT / node) in words
    assert str(ROOT / "suites/") not in words
    assert "-q" not in words


def test_nothing_to_gate_is_usage(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main(["--recipe", "int8"]) == 2
    assert not asked
    assert "nothing to gate" in capsys.readouterr().err


def test_the_settings_of_the_project_are_enough(asked: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.lstm-conformance]\ntflite = ["a b.tflite"]\nstreaming = true\narena_limit = 9\n'
    )
    assert gate.main([]) == 1
    (words,) = asked
    assert f"lstm_tflite='{tmp_path / 'a b.tflite'}'" in words
    assert "lstm_streaming=true" in words
    assert "lstm_arena_limit=9" in words


def test_a_setting_that_nobody_knows_is_usage(
    asked: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.lstm-conformance]\nmodel = ["a.keras"]\n')
    assert gate.main(["a.tflite"]) == 2
    assert not asked
    told = capsys.readouterr().err
    assert "model: unknown" in told
    assert "models" in told


@pytest.mark.parametrize(
    ("pytests", "ours"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (99, 1)]
)
def test_the_exit_status_is_agreed_failed_or_usage(
    monkeypatch: pytest.MonkeyPatch, pytests: int, ours: int
) -> None:
    monkeypatch.setattr(pytest, "main", lambda words: pytests)
    assert suites.run([]) == ours


def test_certifying_takes_no_model(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert certify.main(["--tflite=a.tflite"]) == 2
    assert "lstm-conformance gate" in capsys.readouterr().err
    assert certify.main(["-k", "last/"]) == 1
    assert str(ROOT / "suites/") in asked[0]


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([name, "--help"])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 0
    assert name in capsys.readouterr().out


def test_all_words_behind_the_command_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def recorded(words: Any) -> int:
        given.append(words)
        return 1

    monkeypatch.setattr(gate, "main", recorded)
    assert main(["gate", "--version", "gate", "-x"]) == 1
    assert given == [["--version", "gate", "-x"]]


@pytest.mark.parametrize("line", [[], ["unknown"], ["--unknown"]])
def test_another_command_is_usage(line: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("", ["--cache=kept", "a.tflite"]),
        ("", ["a.tflite", "--cache", "kept"]),
        ("-x --cache=kept", ["a.tflite"]),
        ("--cache=other", ["a.tflite", "--cache=kept"]),
    ],
)
def test_nothing_is_remembered_outside_of_the_cache(
    asked: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
    words: list[str],
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", before)
    monkeypatch.delenv("HYPOTHESIS_STORAGE_DIRECTORY")
    gate.main(words)
    assert f"--benchmark-storage=file://{tmp_path / 'kept' / 'benchmarks'}" in asked[0]
    assert os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] == str(tmp_path / "kept" / "hypothesis")
    assert asked[0][asked[0].index("no:cacheprovider") - 1] == "-p"
