"""A repair in a gate reads, and comes back from the record, as it was told."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.pipeline.cases import Case
from harness.repair import gate
from harness.repair.gate import GateRepair
from harness.repair.invoke_time import shown
from harness.report.rerun import rerun_command

REPAIRED = GateRepair(
    "my.keras",
    "repaired",
    ("layer 'lstm': rolled",),
    (("fused LSTMs", "0 of 1", "1 of 1"),),
    "my-repaired.keras",
    "/reports/repaired/my-repaired.keras",
)
NOT_NEEDED = GateRepair("other.keras", "needs no repair", ("every LSTM meets the conditions",))
REFUSED = GateRepair("relu.keras", "not repaired", ("another activation is another function",))


def test_a_model_that_needs_no_repair_takes_one_line_and_no_subject() -> None:
    assert NOT_NEEDED.subject is None
    assert NOT_NEEDED.lines() == ["other.keras: needs no repair: every LSTM meets the conditions"]


def test_a_model_that_cannot_be_repaired_says_why_and_is_judged_as_it_is() -> None:
    assert REFUSED.subject is None
    first, reason = REFUSED.lines()
    assert first == "relu.keras: not repaired, judged as it is"
    assert "another function" in reason


def test_what_was_repaired_is_a_subject_beside_the_original() -> None:
    found = REPAIRED.subject
    assert found == Subject("my-repaired.keras", "keras", path=Path(REPAIRED.path))
    lines = "\n".join(REPAIRED.lines())
    assert "judged beside it as my-repaired.keras" in lines
    assert "0 of 1  1 of 1" in lines


def test_a_repaired_flatbuffer_keeps_the_model_that_it_is_held_to() -> None:
    one = GateRepair("a by int8", "repaired", (), (), "a-int8-repaired.tflite", "/r/a.tflite", "/a")
    assert one.subject is not None
    assert (one.subject.kind, one.subject.keras_path) == ("tflite", Path("/a"))


def test_the_record_for_other_processes_gives_back_what_was_written() -> None:
    for one in (REPAIRED, NOT_NEEDED, REFUSED):
        assert GateRepair.of_document(json.loads(json.dumps(one.document()))) == one


def test_the_page_has_a_table_of_what_was_proven_and_a_sentence_of_the_rest() -> None:
    shown_there = gate.exhibit([REPAIRED, NOT_NEEDED, REFUSED])
    (table,) = shown_there.tables
    assert table.rows == REPAIRED.rows
    assert "relu.keras: not repaired" in shown_there.text
    assert "other.keras: needs no repair" in shown_there.text


def test_an_earlier_runs_repaired_files_go_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a-repaired.keras", "a-repaired-int8.tflite", "mine.keras", "a-repaired.txt"):
        (tmp_path / name).write_bytes(b"")
    gate.emptied(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-repaired.txt", "mine.keras"]


def test_a_case_of_a_repaired_file_is_run_again_from_that_file() -> None:
    given = {"--model": [Path("/my.keras")], "--repair": True, "--recipe": ["float32"]}
    of_original = Subject("my.keras", "keras", path=Path("/my.keras"))
    assert REPAIRED.subject is not None
    commands = [
        rerun_command("node", Case("s", one, RECIPES["float32"], RUNTIMES["tflm"]), given)
        for one in (of_original, REPAIRED.subject)
    ]
    assert commands[0] == "pytest node --model /my.keras --repair --recipe float32"
    assert commands[1] == f"pytest node --model {REPAIRED.path} --recipe float32"


def test_a_time_has_the_unit_that_fits() -> None:
    assert [shown(one) for one in (None, 7.36e-6, 0.0123)] == ["–", "7.36 µs", "12.3 ms"]
