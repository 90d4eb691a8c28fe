"""Verdicts in a terminal keep to its width, whole commands apart, with colour and without."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.report import verdict_lines
from harness.report.verdicts import text

CAUSE: dict[str, Any] = {
    "kind": "calibration",
    "where": ["x"],
    "says": "The calibration does not fit: input [bold]'x'[/] holds -1 to 1, and reaches -9 to 9.",
    "cure": "calibrate with data that reaches as far " + "a/long/path" * 12,
    "evidence": "the answers are off by 0.4",
    "covers": {"test_parity": ["tflite", "tflm"], "test_state": ["tflm"]},
    "cases": ["a", "b"],
    "rerun": "pytest 'suites/test_parity.py::test_parity[my.keras/int8/tflm]' " + "--model m " * 9,
}
BAD: dict[str, Any] = {
    "subject": "my.keras",
    "recipes": ["int8"],
    "verdict": "do not ship",
    "says": CAUSE["says"],
    "causes": [CAUSE],
    "remarks": [],
    "cases": 9,
    "failed": 2,
}
GOOD = {**BAD, "subject": "well.keras", "verdict": "ship", "says": "It agrees.", "causes": []}


def _shown(width: int, *entries: Any, colour: bool = False) -> str:
    file = io.StringIO()
    kind: Any = "standard" if colour else None
    verdict_lines.show(
        Console(file=file, width=width, color_system=kind, force_terminal=colour), entries
    )
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_only_the_command_is_longer_than_the_terminal(width: int) -> None:
    lines = _shown(width, GOOD, BAD).splitlines()
    assert lines[0] == "DO NOT SHIP: my.keras as int8"
    assert "SHIP IT: well.keras as int8" in lines
    for line in lines:
        assert line == line.rstrip() or "pytest" in line
        assert len(line) <= width or "pytest" in line
    (command,) = [line for line in lines if "pytest" in line]
    assert CAUSE["rerun"] in command
    assert "[bold]'x'[/]" in " ".join(lines)


def test_colours_are_there_where_they_are_wanted() -> None:
    assert "\x1b[" in _shown(80, BAD, colour=True)
    assert "\x1b[" not in _shown(80, BAD)


def test_many_models_are_a_list() -> None:
    many = [{**GOOD, "subject": f"m{k}.keras"} for k in range(20)]
    told = _shown(80, *many)
    assert "and 8 more models and recipes, 8 of them to ship" in told
    assert text.last_line([BAD, *many]) == (
        "DO NOT SHIP: my.keras as int8; SHIP IT: m0.keras as int8, m1.keras as int8, "
        "m2.keras as int8 and 17 more"
    )


def test_what_a_cause_covers_is_counted() -> None:
    assert text.covers(CAUSE, BAD) == "parity on tflite, tflm; laws of state on tflm (2 of 9 cases)"
