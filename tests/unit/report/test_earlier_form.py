"""A report of the earlier form is read as today's, and any other form is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.report import document as report
from harness.report.merge import merge
from tests.unit.report.test_document import CASE, FAILED

OPERATOR = {
    **{"position": 0, "kind": "int8", "rule": "0 LSB", "values": 9, "mismatches": 0},
    **{"budget_used": 0.25, "key": "k0"},
}
DIVERGENCE = {
    "text": "starts at t",
    "tensors": [
        {
            **{"tensor": "t", "operator": "TANH", "layer": "lstm", "error": 2.0, "budget": 1.0},
            **{"budget_used": 2.0, "leaves": True},
        }
    ],
}


def _today() -> dict[str, Any]:
    cases = [{**CASE, "operators": [OPERATOR]}, {**FAILED, "first_divergence": DIVERGENCE}]
    return report.build(report.environment(1, ["pytest"], {}), 2, cases, {"wall": 1.0}, False)


def _stored(folder: Path, document: dict[str, Any], schema: str) -> Path:
    """The document as text, in the words of the earlier form where it is of that form."""
    text = json.dumps({**document, "schema": schema})
    if schema == "lstm-conformance/1":
        text = text.replace('"budget_used"', '"headroom"')
    folder.mkdir(exist_ok=True)
    (folder / report.FILE_NAME).write_text(text)
    return folder


def test_an_earlier_report_is_read_in_todays_words(tmp_path: Path) -> None:
    earlier = _stored(tmp_path / "earlier", _today(), "lstm-conformance/1")
    assert "budget_used" not in (earlier / report.FILE_NAME).read_text()
    read = report.read(earlier)
    assert read == _today()
    assert [case["budget_used"] for case in read["cases"]] == [0.1, 0.1]
    assert merge([("a", read)])["schema"] == "lstm-conformance/2"


def test_todays_report_may_not_use_the_earlier_word(tmp_path: Path) -> None:
    folder = _stored(tmp_path / "report", _today(), "lstm-conformance/1")
    text = (folder / report.FILE_NAME).read_text().replace("conformance/1", "conformance/2")
    (folder / report.FILE_NAME).write_text(text)
    with pytest.raises(ValueError, match="'budget_used' is a required property"):
        report.read(folder)


@pytest.mark.parametrize("schema", ["lstm-conformance/0", "lstm-conformance/3", "conformance"])
def test_a_report_of_another_schema_is_refused(tmp_path: Path, schema: str) -> None:
    folder = _stored(tmp_path / "report", _today(), schema)
    with pytest.raises(ValueError, match="not a report of lstm-conformance/2: schema"):
        report.read(folder)
