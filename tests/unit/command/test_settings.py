"""A project's settings are read from its pyproject.toml, or refused with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.command import settings


def _read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return settings.read(path)


def test_no_file_and_no_table_say_nothing(tmp_path: Path) -> None:
    assert settings.read(tmp_path / "pyproject.toml") == {}
    assert _read(tmp_path, "[tool.other]\nmodels = 3\n") == {}


def test_the_table_wins_over_the_settings_of_pytest(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        '[tool.pytest.ini_options]\naddopts = "-x"\nlstm_recipes = ["int8"]\n'
        'lstm_tflite = ["a.tflite"]\n[tool.lstm-conformance]\nrecipes = "float32"\n',
    )
    assert found == {"recipes": ["float32"], "tflite": [str(tmp_path / "a.tflite")]}


def test_the_settings_reach_pytest_as_it_reads_them(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        '[tool.lstm-conformance]\nbudgets = ["a/b/c=2:why not", "d/*=3:noise"]\n'
        'runtimes = ["tflm", "litert"]\n',
    )
    assert settings.overrides(found) == [
        "lstm_budgets=a/b/c=2:why not\nd/*=3:noise",
        "lstm_runtimes=tflm litert",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("models = 3", "a list of paths"),
        ("recipes = [1]", "a list of names"),
        ('streaming = "yes"', "true or false"),
        ("arena_limit = 0", "bytes above 0"),
        ("arena_limit = true", "bytes above 0"),
        ("size_limit = 1.5", "bytes above 0"),
        ("unknown = 1", "known are"),
        ("models = [", "pyproject.toml"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    tmp_path: Path, line: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        _read(tmp_path, f"[tool.lstm-conformance]\n{line}\n")
