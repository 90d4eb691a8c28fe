"""The fuzzer notices what must not happen, and survives a sample of some hundreds of files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.assurance.fuzz import report
from harness.assurance.fuzz.run import Result, Told, fuzz
from harness.assurance.fuzz.targets import Ended
from harness.report import exhibits
from harness.support import leak_check
from harness.support.cache import Store

#: All kinds of corruption on every base, a few times.
COUNT = 84


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return fuzz(COUNT, 2015, Store(tmp_path_factory.mktemp("cache")), gate=2)


def test_a_sample_ends_in_values_and_leaves_nothing(sample: Result) -> None:
    assert sample.left == ()
    assert sample.unforeseen == []
    assert sample.overruns == 0
    assert sample.passed
    for name, told in sample.targets.items():
        assert len(told.ended) == COUNT, name
        kinds = {ended.kind for ended in told.ended}
        assert {"agreed", "refused"} <= kinds, name
    crashed = [ended.kind for ended in sample.targets["tflite"].ended].count("crashed")
    assert crashed > COUNT // 10, "TensorFlow Lite dies of many corrupted files"
    assert len(sample.gated) == 2
    assert all(gated.verdicts for gated in sample.gated)


def test_the_tables_account_for_every_file(sample: Result, tmp_path: Path) -> None:
    shown = report.exhibit(sample)
    by_target, by_kind, *_ = shown.tables
    assert [row[0] for row in by_target.rows] == list(sample.targets)
    assert all(sum(row[1:7]) == COUNT for row in by_target.rows)  # type: ignore[arg-type]
    assert sum(row[1] for row in by_kind.rows) == COUNT  # type: ignore[misc]
    exhibits.write(shown, tmp_path)
    assert exhibits.read(tmp_path) == [shown]


def test_the_document_has_every_cell_of_the_tables(sample: Result) -> None:
    shown = report.exhibit(sample)
    text = report.document(shown, "python -m harness fuzz --count 28")
    assert "`python -m harness fuzz --count 28` with tensorflow 2.15.1" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == sum(1 + len(table.rows) for table in shown.tables)
    for table in shown.tables:
        assert f"## {table.title}\n\n| {' | '.join(table.columns)} |" in text
        for row in table.rows:
            assert all(str(cell).replace("|", "\\|") in text for cell in row if cell is not None)


def test_what_must_not_happen_fails_the_fuzz(sample: Result) -> None:
    assert not replace(sample, left=("process 1",)).passed
    late = replace(sample.targets["tflm"], overruns=1)
    assert not replace(sample, targets={**sample.targets, "tflm": late}).passed
    reader: Told = sample.targets["reader"]
    died = replace(reader, ended=(Ended("structure", "crashed", "KeyError: 3"), *reader.ended[1:]))
    failed = replace(sample, targets={**sample.targets, "reader": died})
    assert not failed.passed
    assert "KeyError: 3" in failed.unforeseen[0]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("before")
    return tmp_path


@pytest.mark.parametrize(
    "fault", ["process", "temporary file", "shared memory", "new file", "changed file", "nothing"]
)
def test_everything_that_is_left_behind_is_noticed(
    outside: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leak_check, "_SECONDS", 0.2)
    process = None
    shared = None
    with leak_check.nothing_left(outside) as left:
        if fault == "process":
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        elif fault == "temporary file":
            tempfile.mkstemp()
        elif fault == "shared memory":
            with tempfile.NamedTemporaryFile(dir=leak_check.SHARED_MEMORY, delete=False) as file:
                shared = Path(file.name)
        elif fault == "new file":
            (outside / "new").write_text("x")
        elif fault == "changed file":
            (outside / "file").write_text("after")
    try:
        if fault == "nothing":
            assert left == []
        else:
            assert len(left) == 1
            assert fault.split()[-1] in left[0]
    finally:
        if process is not None:
            process.kill()
            process.wait()
        if shared is not None:
            shared.unlink()
