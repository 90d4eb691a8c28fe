"""The pictures of a verdict: what is marked in the graph, which ranges are drawn, and when none."""

from __future__ import annotations

import re
from typing import Any

from harness.report.page import graph, pictures

TENSORS = [{"name": "sensor", "kind": "input"}, {"name": "out", "kind": "output"}]
FLATBUFFER: dict[str, Any] = {
    "operators": {"UNIDIRECTIONAL_SEQUENCE_LSTM": 2, "CONCATENATION": 1},
    "tensors": TENSORS,
    "graph": [
        {"name": "UNIDIRECTIONAL_SEQUENCE_LSTM", "reads": [-1], "writes": ["a"]},
        {"name": "UNIDIRECTIONAL_SEQUENCE_LSTM", "reads": [-1], "writes": ["b"]},
        {"name": "CONCATENATION", "reads": [0, 1], "writes": ["out"]},
    ],
}


def row(tensor: str, leaves: bool, layer: str = "") -> dict[str, Any]:
    return {"tensor": tensor, "layer": layer, "leaves": leaves, "operator": "X"}


ROWS = [row("sensor", False, "sensor"), row("b", True, "<second>"), row("out", True, "head")]


def test_the_first_that_leaves_its_budget_is_marked_and_what_follows_is_told_apart() -> None:
    drawing = graph.svg(FLATBUFFER, ROWS)
    states = dict(re.findall(r'<g class="(\w+)"><title>(.*?) \(', drawing))
    assert states == {
        "within": "sensor",
        "unknown": "LSTM",
        "first": "&lt;second&gt;",
        "beyond": "head",
    }
    assert drawing.count('<path d="M') == 4
    assert "<second>" not in drawing


def test_there_is_no_graph_where_nothing_is_to_be_marked_or_not_all_is_known() -> None:
    assert graph.svg(FLATBUFFER, [row("b", False)]) == ""
    assert graph.svg({**FLATBUFFER, "operators": {"ADD": 60}}, ROWS) == ""
    assert graph.svg({**FLATBUFFER, "graph": []}, ROWS) == ""
    wide = [{"name": "ADD", "reads": [-1], "writes": [str(k)]} for k in range(9)]
    assert graph.svg({**FLATBUFFER, "operators": {"ADD": 9}, "graph": wide}, ROWS) == ""


def case(runtime: str, **more: Any) -> dict[str, Any]:
    return {
        "id": runtime,
        "runtime": runtime,
        "recipe": "int8",
        "answers": {"expected": [0.0, 1.0, None], "actual": [0.1, 0.9, 1.0], "budget": 0.2},
        **more,
    }


def test_the_runtime_that_is_furthest_off_is_shown() -> None:
    cases = [case("keras", budget_used=9.0), case("tflite", budget_used=0.1), case("tflm")]
    (found,) = pictures.of_verdict(cases, {}, [])
    assert found.title == "Answers against expected ones: tflite, int8"
    assert [name for _, name in found.legend] == ["tflite, int8", "right"]


def test_a_sequence_has_an_overlay_and_the_error_of_each_step() -> None:
    answers = {
        **{"expected": [0.0, 1.0], "actual": [0.1, 0.9], "by_step": [0.1, 0.2], "budget": 0.3},
        **{"steps": 2, "sample": 4, "unit": 1, "output": 1, "of": 2},
    }
    overlay, error = pictures.of_verdict([case("tflm", answers=answers)], {}, [])
    assert overlay.title == "Answers over time of output 1: tflm, int8"
    assert "Sample 4, unit 1" in overlay.note
    assert [name for _, name in error.legend] == ["largest error", "budget"]


def test_ranges_are_those_of_findings_that_have_them() -> None:
    finding = {"rule": "too-narrow", "tensors": ["x"], "holds": [-1.0, 1.0], "reach": [-9.0, 9.0]}
    found = pictures.ranges([case("tflm", findings=[finding, {"rule": "other"}])])
    assert found is not None
    assert ">x<" in found.svg
    assert pictures.ranges([case("tflm", findings=[{"rule": "other"}])]) is None


def test_what_has_no_answers_has_no_picture() -> None:
    assert pictures.of_verdict([case("tflm", answers=None)], {}, []) == []
    nothing = {"expected": [None], "actual": [1.0]}
    assert pictures.answers(case("tflm", answers=nothing)) == []
