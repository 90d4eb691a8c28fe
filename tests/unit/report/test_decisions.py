"""The terminal says which runtimes decide otherwise than the model, and is quiet elsewhere."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from harness.report import terminal


def _said(*changed: int | None) -> str:
    cases: list[dict[str, Any]] = []
    for k, number in enumerate(changed):
        case: dict[str, Any] = {"subject": "m.keras", "recipe": "int8", "runtime": f"r{k}"}
        if number is not None:
            case["decisions"] = {
                "changed": number,
                "of": 50,
                "share": number / 50,
                "rule": "largest score",
            }
        cases.append(case)
    out = io.StringIO()
    terminal.decisions(Console(file=out, width=200), cases)
    return out.getvalue()


def test_changed_decisions_stand_in_one_line() -> None:
    told = "decisions that change: m.keras/int8: r0 2 of 50 (4.0%), r3 1 of 50 (2.0%)\n"
    assert _said(2, 0, None, 1) == told


def test_where_none_changes_nothing_is_said() -> None:
    assert _said(0, None) == ""
