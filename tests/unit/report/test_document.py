"""The report and the summary say what was counted and refused, as a person reads it."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.report import document as report
from harness.report import support_matrix, terminal

CASE: dict[str, Any] = {
    "id": "test_parity[last/int8/tflm]",
    "suite": "test_parity",
    "subject": "last",
    "recipe": "int8",
    "runtime": "tflm",
    "phase": "compare",
    "outcome": "agreed",
    "expected_outcome": "agreed",
    "limitation": None,
    "verdict": "agreed",
    "guarded": False,
    "error": 0.001,
    "budget": 0.01,
    "budget_rule": "rule",
    "budget_used": 0.1,
    "values": 80,
    "accuracy": None,
    "message": "",
    "rerun": "pytest 'suites/test_parity.py::test_parity[last/int8/tflm]'",
    "seconds": {"load": 0.1},
}
FAILED = {
    **CASE,
    "id": "test_parity[last/int8/tflite]",
    "runtime": "tflite",
    "outcome": "diverged",
    "verdict": "failed",
    "message": "diverged in compare: output 0 differs\nmore",
}
LIMITED = {
    **CASE,
    "id": "test_parity[last/int8/keras]",
    "runtime": "keras",
    "outcome": "crashed",
    "verdict": "limitation",
    "limitation": "some-limitation",
    "guarded": True,
}


def _document(*cases: dict[str, Any], expected: int | None = None) -> dict[str, Any]:
    environment = report.environment(1, ["pytest"], {})
    count = len(cases) if expected is None else expected
    return report.build(environment, count, list(cases), {"wall": 1.0}, False)


def _printed(document: dict[str, Any], width: int = 120) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    terminal.matrix(console, document["cases"])
    terminal.legend(console)
    terminal.counts(console, document)
    terminal.limitations(console, document["cases"])
    terminal.failures(console, document["cases"])
    terminal.timing(console, document["seconds"])
    return file.getvalue()


def test_totals_add_up_and_untested_is_counted() -> None:
    totals = _document(CASE, FAILED, LIMITED, expected=5)["totals"]
    assert totals == {
        "expected": 5,
        "executed": 3,
        "agreed": 1,
        "limitations": 1,
        "not judged": 0,
        "failed": 1,
        "untested": 2,
        "guarded": 1,
    }


def test_a_report_is_written_whole_and_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "new" / "conformance.json"
    report.write(_document(CASE, FAILED), path)
    stored = json.loads(path.read_text())
    keys = {"schema", "environment", "totals", "cases"}
    assert keys <= set(stored)
    assert [file.name for file in path.parent.iterdir()] == ["conformance.json"]


def test_infinity_is_written_as_null(tmp_path: Path) -> None:
    path = tmp_path / "conformance.json"
    report.write(_document({**FAILED, "budget_used": float("inf"), "error": float("nan")}), path)
    (case,) = json.loads(path.read_text())["cases"]
    assert case["budget_used"] is None
    assert case["error"] is None


@pytest.mark.parametrize(
    "change", [{"outcome": "fine"}, {"phase": "later"}, {"error": -1}, {"runtime": 3}]
)
def test_a_document_of_another_form_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "conformance.json"
    with pytest.raises(ValueError, match="not a report of"):
        report.write(_document({**CASE, **change}), path)
    assert not path.exists()


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    case = copy.deepcopy(CASE)
    del case["budget_used"]
    with pytest.raises(ValueError, match="not a report of"):
        report.write(_document(case), tmp_path / "conformance.json")


def test_the_summary_shows_letters_counts_and_the_rerun_command() -> None:
    text = _printed(_document(CASE, FAILED, LIMITED, expected=4))
    (row,) = [line for line in text.splitlines() if line.startswith("last")]
    assert row.split()[1] == "cD"
    assert row.rstrip().endswith("·")
    assert (
        "executed 3 of 4 cases: 1 agreed, 1 limitations (1 by a guard), 1 failed, 1 untested"
        in (text.replace("\n", " "))
    )
    assert "test_parity[last/int8/tflite]: diverged in compare: output 0 differs\n" in text
    assert FAILED["rerun"] in text
    assert "largest share of a budget that agreed: 0.10" in text
    assert "1 × some-limitation" in text


def test_a_limitation_that_is_gone_shows_as_such() -> None:
    gone = {**CASE, "verdict": "failed", "message": "limitation gone, remove it: x"}
    assert " !" in _printed(_document(gone))


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_matrix_fits_any_width_and_loses_nothing(width: int) -> None:
    from fixtures.recipes import RECIPES

    cases = [{**CASE, "recipe": name, "id": name} for name in RECIPES]
    text = _printed(_document(*cases), width)
    table = text.partition("Each cell")[0]
    assert max(len(line) for line in table.splitlines()) <= width
    assert table.count("·") == len(RECIPES)
    for recipe in RECIPES.values():
        assert recipe.label in table


README = f"before\n{support_matrix.BEGIN}\n| old |\n{support_matrix.END}\nafter\n"


def test_the_readme_table_is_replaced_and_nothing_else() -> None:
    text = support_matrix.replaced(README, "| new |")
    assert text == README.replace("old", "new")
    assert support_matrix.in_page(text) == "| new |"


def test_a_readme_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table between"):
        support_matrix.in_page("nothing")


def test_a_stale_table_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, run = tmp_path / "README.md", tmp_path / "conformance.json"
    run.write_text(json.dumps(_document(CASE)))
    fresh = support_matrix.markdown(support_matrix.reported_outcomes(_document(CASE)))
    path.write_text(support_matrix.replaced(README, fresh))
    monkeypatch.setattr(support_matrix, "PAGE", path)
    assert support_matrix.main(["--check", str(run)]) == 0
    run.write_text(json.dumps(_document({**CASE, "outcome": "crashed"})))
    assert support_matrix.main(["--check", str(run)]) == 1
    assert "stale" in capsys.readouterr().out
    assert support_matrix.main(["--check", str(tmp_path / "missing.json")]) == 2
