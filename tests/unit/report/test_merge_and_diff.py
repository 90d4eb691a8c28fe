"""Merged shards are one run, a comparison says what changed, and bad input is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from harness.report import diff, exhibits, github_summary
from harness.report import document as report
from harness.report.command import main
from harness.report.exhibits import Exhibit
from harness.report.merge import merge
from harness.report.verdicts import verdict
from tests.unit.report.test_document import CASE, FAILED, LIMITED

FLATBUFFERS = {"f0": {"bytes": 1000, "operators": {"TANH": 1}, "tensors": []}}
FUZZED = {"runtime": "tflm", "kind": "int8 (fuzz)", "operators": 2, "values": 20, "mismatches": 0}
OPERATOR = {
    **{"position": 0, "kind": "int8", "rule": "0 LSB", "values": 100, "mismatches": 0},
    "key": "k0",
}


def _report(*cases: dict[str, Any], expected: int | None = None, **more: Any) -> dict[str, Any]:
    count = len(cases) if expected is None else expected
    environment = report.environment(1, ["pytest"], {})
    built = report.build(environment, count, list(cases), {"wall": 2.0, "run": 1.0}, False)
    return {**built, "overrides": [], "flatbuffers": FLATBUFFERS, **more}


def _stored(folder: Path, document: dict[str, Any]) -> Path:
    report.write(document, folder / "conformance.json")
    return folder


def _changed(**more: Any) -> dict[str, Any]:
    return copy.deepcopy({**CASE, **more})


# Merging -------------------------------------------------------------------------------------


def test_merged_shards_are_the_report_of_one_run() -> None:
    from harness.report.oracle_counts import oracle_counts

    a = {**CASE, "operators": [OPERATOR]}
    b = {**FAILED, "operators": [OPERATOR], "runtime": "tflm"}  # the same operator, counted once
    whole = _report(a, b, LIMITED, expected=4)
    whole["oracles"] = oracle_counts([a, b, LIMITED], [FUZZED])
    first, second = _report(a), _report(b, LIMITED, expected=3)
    first["oracles"] = oracle_counts([a], [FUZZED])
    second["oracles"] = oracle_counts([b, LIMITED])
    merged = merge([("a", first), ("b", second)])
    for document in (whole, merged):
        document.pop("seconds")
    assert merged == whole
    assert merged["oracles"]["tflm int8"]["operators"] == 1


def test_times_add_up_and_the_longest_wall_time_stays() -> None:
    merged = merge([("a", _report(CASE)), ("b", _report(FAILED))])
    assert merged["seconds"] == {"wall": 2.0, "run": 2.0}


def test_a_case_of_two_shards_counts_once_and_must_have_ended_alike() -> None:
    merged = merge([("a", _report(CASE)), ("b", _report(CASE, FAILED))])
    assert merged["totals"]["expected"] == merged["totals"]["executed"] == 2
    with pytest.raises(ValueError, match="agreed in compare in a and crashed in compare in b"):
        merge([("a", _report(CASE)), ("b", _report(_changed(outcome="crashed")))])


def test_shards_of_other_runs_are_refused() -> None:
    other = _report(FAILED)
    other["environment"] = {**other["environment"], "seed": 2}
    with pytest.raises(ValueError, match=r"b is no shard of the run of a: seed is 2 and 1"):
        merge([("a", _report(CASE)), ("b", other)])


def test_the_command_merges_reports_pages_and_exhibits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = _stored(tmp_path / "a", _report(CASE)), _stored(tmp_path / "b", _report(FAILED))
    exhibits.write(Exhibit(name="speed", title="Speed of shard b"), b)
    assert main(["merge", str(a), str(b / "conformance.json"), "-o", str(tmp_path / "c")]) == 0
    assert len(report.read(tmp_path / "c")["cases"]) == 2
    assert "Speed of shard b" in (tmp_path / "c" / "index.html").read_text()
    assert (
        "executed 2 of 2 cases: 1 agreed, 0 limitations, 0 not judged, 1 failed"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "not a report of lstm-conformance/2"),
        ('{"schema": "lstm-conformance/2"}', "'environment' is a required property"),
    ],
)
@pytest.mark.parametrize("action", ["merge", "compare"])
def test_bad_input_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    action: str,
    content: str | None,
    message: str,
) -> None:
    good, bad = _stored(tmp_path / "good", _report(CASE)), tmp_path / "bad.json"
    if content is not None:
        bad.write_text(content)
    more = ["-o", str(tmp_path / "out")] if action == "merge" else []
    assert main([action, str(good), str(bad), *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert str(bad) in error
    assert message in error


# Comparing -----------------------------------------------------------------------------------


def test_a_report_compared_with_itself_has_no_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(_stored(tmp_path, _report(CASE, FAILED, LIMITED)))
    assert main(["compare", folder, folder]) == 0
    assert capsys.readouterr().out == "no change\n"


RESOURCES = {"resources": {"arena_bytes": 5000, "flatbuffer_bytes": 900}}


@pytest.mark.parametrize(
    ("old", "new", "kind", "status", "text"),
    [
        ({}, {"outcome": "diverged", "verdict": "failed"}, "failures", 1, "was agreed (agreed)"),
        ({"outcome": "diverged", "verdict": "failed"}, {}, "fixed", 0, "agreed, was diverged"),
        (
            {},
            {"outcome": "refused", "phase": "load", "verdict": "limitation"},
            "outcomes",
            1,
            "refused in load, was agreed",
        ),
        ({"outcome": "hung", "verdict": "limitation"}, {}, "better", 0, "agreed, was hung"),
        ({"budget_used": 0.2}, {"budget_used": 0.4}, "budget_used", 1, "0.4, was 0.2"),
        ({"budget_used": 0.4}, {"budget_used": 0.2}, "better", 0, "0.2, was 0.4"),
        ({"budget_used": 0.4}, {"budget_used": 0.44}, None, 0, ""),
        (
            RESOURCES,
            {"resources": {"arena_bytes": 5016, "flatbuffer_bytes": 900}},
            "arena",
            1,
            "arena 5,016 bytes, was 5,000",
        ),
        (
            RESOURCES,
            {"resources": {"arena_bytes": 5000, "flatbuffer_bytes": 901}},
            "size",
            1,
            "flatbuffer 901 bytes, was 900",
        ),
        ({"seconds": {"invoke": 0.1}}, {"seconds": {"invoke": 0.25}}, "slower", 0, "0.25 s, was"),
        ({"seconds": {"invoke": 0.001}}, {"seconds": {"invoke": 0.01}}, None, 0, ""),
    ],
)
def test_each_change_is_told_and_what_is_worse_fails(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: dict[str, Any],
    new: dict[str, Any],
    kind: str | None,
    status: int,
    text: str,
) -> None:
    before, after = _report(_changed(**old)), _report(_changed(**new))
    changes = diff.compare(before, after)
    named = [name for name in diff.TITLES if getattr(changes, name)]
    assert named == ([kind] if kind else [])
    # Written without the check of the schema: resources are another suite's.
    for name, document in (("a", before), ("b", after)):
        path = tmp_path / f"{name}.json"
        for case in document["cases"]:
            case.pop("resources", None)
        path.write_text(json.dumps(document))
    if "resources" in old:
        assert changes.worse == bool(status)
        assert text in getattr(changes, str(kind))[0].text
        return
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == status
    out = capsys.readouterr().out
    assert (diff.TITLES[kind] if kind else "no change") in out
    assert text in out


def test_a_larger_flatbuffer_is_seen_through_its_key() -> None:
    case = _changed(flatbuffer="f0")
    larger = _report(case, flatbuffers={"f0": {**FLATBUFFERS["f0"], "bytes": 1001}})
    (change,) = diff.compare(_report(case), larger).size
    assert change.text == "flatbuffer 1,001 bytes, was 1,000"


def test_cases_that_come_and_go_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    changes = diff.compare(_report(CASE), _report(LIMITED))
    assert (len(changes.gone), len(changes.added), changes.worse) == (1, 1, False)
    assert diff.compare(_report(CASE), _report(CASE, FAILED)).worse


def test_slower_fails_only_where_that_was_asked_for(tmp_path: Path) -> None:
    a = str(_stored(tmp_path / "a", _report(_changed(seconds={"invoke": 0.1}))))
    b = str(_stored(tmp_path / "b", _report(_changed(seconds={"invoke": 0.4}))))
    assert main(["compare", a, b]) == 0
    assert main(["compare", a, b, "--slower", "3"]) == 1
    assert main(["compare", a, b, "--slower", "5"]) == 0
    assert main(["compare", a, b, "--slower", "0.5"]) == 2


def test_a_verdict_that_changed_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = {"subject": "my.keras", "kind": "keras"}
    shape = {**CASE, **mine, "id": "test_structure[my]", "suite": "test_structure"}
    good, bad = ({**case, **mine, "id": "test_parity[my]"} for case in (CASE, FAILED))
    a = str(_stored(tmp_path / "a", _report(good, shape)))
    b = str(_stored(tmp_path / "b", _report(bad, shape)))
    assert main(["compare", a, b]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "verdicts that changed: 1"
    assert told[1].startswith("  my.keras as int8: do not ship (")
    assert "was ship" in told[1]
    assert main(["compare", a, a]) == 0
    assert "verdicts" not in capsys.readouterr().out


def test_shards_that_are_one_run_have_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = {"subject": "my.keras", "kind": "keras"}
    shape = {**CASE, **mine, "id": "test_structure[my]", "suite": "test_structure"}
    one = {**CASE, **mine, "id": "test_parity[my]"}
    parts = [str(_stored(tmp_path / n, _report(c))) for n, c in (("a", shape), ("b", one))]
    alone = [verdict.of(report.read(Path(part)))[0]["verdict"] for part in parts]
    assert alone == ["undecided", "undecided"]
    assert main(["merge", *parts, "-o", str(tmp_path / "c")]) == 0
    assert "SHIP IT: my.keras as int8" in capsys.readouterr().out
    assert [v["verdict"] for v in report.read(tmp_path / "c")["verdicts"]] == ["ship"]


# The CI's summary ----------------------------------------------------------------------------


def test_the_markdown_says_what_failed_why_and_how_to_run_it_again(tmp_path: Path) -> None:
    case = {
        **FAILED,
        "blame": {"leg": "converter", "reason": "a scale | of <b>theirs</b>"},
        "first_divergence": {"text": "tensor 'x' is", "start": "it starts in layer `y`"},
    }
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    github_summary.append(_report(CASE, case), path)
    text = path.read_text()
    assert text.startswith("before\n## ❌ LSTM conformance")
    assert "| 2 of 2 | 1 | 0 | 0 | 1 | 0 |" in text
    assert "### ❌ NOT AS REGISTERED: this installation" in text
    assert r"A scale \| of &lt;b&gt;theirs&lt;/b&gt;." in text
    assert r"- **evidence:** of last; it starts in layer \`y\`" in text
    assert "- **seen in:** parity on tflite \\(1 of 2 cases\\)" in text
    assert f"- **again:** `{FAILED['rerun']}`" in text


def test_the_markdown_of_a_good_run_is_short_and_names_no_failure() -> None:
    text = github_summary.markdown(_report(CASE))
    assert text.startswith("## ✅")
    assert "### ✅ AS REGISTERED" in text
    assert "❌" not in text
    assert "again" not in text


def test_the_markdown_names_model_and_recipe_of_each_verdict() -> None:
    mine = {"subject": "my.keras", "kind": "keras", "message": "refused in build: no → use another"}
    bad = [{**FAILED, **mine, "id": r, "recipe": r, "phase": "build"} for r in ("int8", "float32")]
    text = github_summary.markdown(_report(*bad))
    assert (
        "### ❌ DO NOT SHIP: `my.keras` as float32 and int8\n\nThe model cannot be loaded" in text
    )
    assert "- **cure:** use another\n" in text
    assert text.count("again:") == 1


@pytest.mark.parametrize("name", ["a`b", "a``b`", "<script>", "a\nb"])
def test_a_name_cannot_break_out_of_the_markdown(name: str) -> None:
    named = {"subject": name, "kind": "keras", "id": name, "message": name}
    text = github_summary.markdown(_report({**FAILED, **named}))
    line = next(line for line in text.splitlines() if line.startswith("### "))
    start = line.index("`")
    fence = line[start : len(line) - len(line[start:].lstrip("`"))]
    inner = line[start + len(fence) : line.rindex(fence)]
    assert fence not in inner
    assert "<script>" not in text.replace(line, "").replace(f"`{FAILED['rerun']}`", "")
