"""A gate that takes long says what it does, and a quick one nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fixtures.recipes import AS_CONVERTED
from fixtures.subjects import Subject
from harness.pipeline.cases import Case
from harness.plugins import progress
from harness.plugins.progress import Progress
from harness.support.names import printable

CASE = Case("test_parity", Subject("my.tflite", "tflite", path=Path("x")), AS_CONVERTED)


def test_a_line_after_some_seconds_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told: list[str] = []
    found = Progress(lambda: ("convert", "oracle", "cache"), told.append, again=20.0)
    found.at(CASE)
    for seconds in (0, 5, 9.9, 10, 15, 29, 31):
        now[0] = 100.0 + seconds
        found.look()
    assert len(told) == 2
    assert told[0].startswith("test_parity my.tflite/as-converted, 10 s: converting, computing")
    assert ", 31 s: " in told[1]
    found.at(None)
    now[0] = 1000.0
    found.look()
    assert len(told) == 2


def test_every_kind_has_words() -> None:
    assert all(text and not text.endswith(".") for text in progress._DOING.values())


def test_a_name_of_other_bytes_is_text() -> None:
    assert printable("plain é") == "plain é"
    assert printable("n\udcff.tflite") == "n\\xff.tflite"
