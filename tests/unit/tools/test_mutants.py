"""A mutant that survives without a reason, and a low score, fail the page of mutants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import mutants

SOURCE = """
def x_double__mutmut_orig(x: int) -> int:
    return 2 * x


def x_double__mutmut_1(x: int) -> int:
    return 3 * x


def x_double__mutmut_2(x: int) -> int:
    return 2 + x
"""


def _folder(tmp_path: Path, **codes: int | None) -> Path:
    folder = tmp_path / "mutants" / "reference"
    folder.mkdir(parents=True)
    (folder / "twice.py").write_text(SOURCE)
    keyed = {f"reference.twice.x_double__mutmut_{k[1:]}": code for k, code in codes.items()}
    (folder / "twice.py.meta").write_text(json.dumps({"exit_code_by_key": keyed}))
    (folder / "empty.py").write_text("")
    (folder / "empty.py.meta").write_text(json.dumps({"exit_code_by_key": {}}))
    return tmp_path / "mutants"


def _run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, why: str = ""
) -> tuple[int, str]:
    reasons = tmp_path / "mutants.toml"
    line = "2 \\\\+ x"
    reasons.write_text(f'[[reason]]\nwhy = "{why}"\nline = "{line if why else "never"}"\n')
    monkeypatch.setattr(mutants, "REASONS", reasons)
    monkeypatch.setattr(mutants, "DOCUMENT", tmp_path / "mutants.md")
    status = mutants.main(["--write", "--folder", str(folder)])
    return status, (tmp_path / "mutants.md").read_text()


def test_a_survivor_is_shown_with_its_lines_and_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, _1=1, _2=0, **{f"_{k}": 1 for k in range(3, 12)})
    status, text = _run(monkeypatch, tmp_path, folder, "the same for 2")
    assert status == 0
    assert "| reference/twice.py | 11 | 10 | 1 | 0 | 0 | 90.9% |" in text
    assert "### the same for 2 (1)" in text
    assert "`return 2 * x` → `return 2 + x`" in text
    assert "empty" not in text


def test_a_survivor_without_a_reason_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = _folder(tmp_path, _1=1, _2=0, **{f"_{k}": 1 for k in range(3, 12)})
    status, text = _run(monkeypatch, tmp_path, folder)
    assert status == 1
    assert "no reason is known (1)" in text


@pytest.mark.parametrize("code", [0, 5, 33])
def test_a_low_score_fails_also_where_tests_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    status, _ = _run(monkeypatch, tmp_path, _folder(tmp_path, _1=1, _2=code), "the same for 2")
    assert status == 1


def test_hangs_and_crashes_are_kills_and_the_rest_is_not_examined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, _1=36, _2=-11, _3=24, _4=None, _5=35)
    status, text = _run(monkeypatch, tmp_path, folder)
    assert (status, "2 were not examined" in text) == (0, True)
    assert "| reference/twice.py | 3 | 3 | 0 | 0 | 2 | 100.0% |" in text


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `make mutants` first"):
        mutants.modules(tmp_path, [])


def test_a_reason_that_fits_nothing_any_more_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _folder(tmp_path, **{f"_{k}": 1 for k in range(1, 12)})
    assert _run(monkeypatch, tmp_path, folder, "the same for 2")[0] == 0
    assert "nothing survives any more for this reason: the same for 2" in capsys.readouterr().out
    folder = _folder(tmp_path / "more", _1=1, _2=0, **{f"_{k}": 1 for k in range(3, 12)})
    assert _run(monkeypatch, tmp_path, folder, "the same for 2")[0] == 0
    assert "any more" not in capsys.readouterr().out
