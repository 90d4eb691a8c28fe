"""A case that is worse than the baseline is named, and budgets are overridden with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from harness.comparison import overrides
from harness.report.baseline import Baseline, why_worse
from tests.unit.report.test_document import CASE


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"outcome": "refused", "phase": "load"}, "refused in load, was agreed"),
        ({"budget_used": 0.2}, "error ÷ budget 0.2, was 0.1"),
        ({"resources": {"arena_bytes": 116}}, "arena 116 bytes, was 100"),
        ({"resources": {"flatbuffer_bytes": 11}}, "flatbuffer 11 bytes, was 10"),
        ({"budget_used": 0.12, "seconds": {"load": 9.0}}, ""),
    ],
)
def test_what_is_worse_than_the_baseline(change: dict[str, Any], text: str) -> None:
    old = {**CASE, "resources": {"arena_bytes": 100, "flatbuffer_bytes": 10}}
    new = {**CASE, "resources": {"arena_bytes": 100, "flatbuffer_bytes": 10}}
    new |= {k: {**new[k], **v} if k == "resources" else v for k, v in change.items()}
    assert why_worse(Baseline.of({"cases": [old]}), new, None) == ([text] if text else [])
    assert why_worse(Baseline.of({"cases": []}), new, None) == []


def test_a_selector_may_have_signs_of_its_own() -> None:
    found = overrides.parse("a=b.keras/int8/*=1.5:why: x=2:3")
    assert (found.selector, found.factor, found.reason) == ("a=b.keras/int8/*", 1.5, "why: x=2:3")
    first, last = overrides.parse("a/*/*=2:x"), overrides.parse("a/int8/*=3:y")
    assert overrides.of((first, last), "a/int8/tflm") is last
    assert overrides.of((first, last), "a/float32/tflm") is first
    assert overrides.unused((first, last), ["a/int8/tflm"]) == [first]
