"""Several processes share a run: nothing twice, nothing lost, and seconds that add up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.plugins.parallel import unit
from harness.report import document as report
from harness.report.merge import merge
from harness.support.cache import Store
from harness.support.project import ROOT
from harness.support.time_accounting import Account, add_report, balance
from tests.support.runs import run_suites


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("suites/test_parity.py::test_parity[last/int8/tflm]", "last"),
        ("suites/test_conversion.py::test_conversion[last/int8]", "last"),
        ("suites/test_sequences.py::test_lengths[last/int8/tflm/lengths]", "test_sequences last"),
        ("suites/test_recipes.py::test_published", "suites/test_recipes.py::test_published"),
        ("suites/test_operators.py::test_fuzz[tflm-int8-4]", "test_operators tflm-int8-4"),
    ],
)
def test_a_unit_is_what_a_subjects_conversions_share(nodeid: str, expected: str) -> None:
    assert unit(nodeid) == expected


def _collected(*options: str) -> list[str]:
    command = [*(sys.executable, "-m", "pytest", "suites/", "--collect-only", "-q")]
    command += ["-p", "no:cacheprovider", "-k", "last/ or gru/ or stacked/ or fuzz", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_two_shards_are_the_whole_and_tear_no_subject() -> None:
    whole = _collected()
    shards = [_collected("--splits", "2", "--group", group) for group in ("1", "2")]
    assert all(shards)
    assert sorted(shards[0] + shards[1]) == sorted(whole)
    units = [{unit(nodeid) for nodeid in shard} for shard in shards]
    assert len(units[0] & units[1]) <= 1  # the one that stands where the cut is


def test_two_shards_merge_into_the_report_of_one_run(
    models: Path, tmp_path: Path, cache: Path
) -> None:
    """But for the times and the command line, which were others."""

    def ran(name: str, *options: str) -> Any:
        model = ("--model", models / "small.h5", "--recipe", "float32")
        found = run_suites(*model, *options, report=tmp_path / name, cache=cache)
        assert found.status == 0, found.text
        return report.read(tmp_path / name)

    whole = ran("whole")
    shards = [(group, ran(group, "--splits", "2", "--group", group)) for group in ("1", "2")]
    assert all(shard["totals"]["expected"] for _, shard in shards)
    merged = merge(shards)
    for document in (whole, merged):
        document.pop("seconds")
        document["environment"].pop("command")
        document["environment"].pop("workers")  # a shard may need fewer
        for case in document["cases"]:
            for key in ("seconds", "rerun"):
                case.pop(key)
    assert merged == whole


def test_what_two_processes_want_is_made_once(tmp_path: Path) -> None:
    """Each has a store of its own, as processes do; who comes second reads what the first made."""
    made = []

    def make_or_read() -> None:
        store = Store(tmp_path)
        with store.claimed({"k": 1}):
            if store.read({"k": 1}) is None:
                made.append(1)
                time.sleep(0.2)
                store.write({"k": 1}, {"kind": "agreed"}, {})

    threads = [threading.Thread(target=make_or_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert Store(None).read({"k": 1}) is None


def test_a_claim_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from harness.support.cache import Store\n"
        f"with Store(Path({str(tmp_path)!r})).claimed({{'k': 1}}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    began = time.monotonic()
    with Store(tmp_path).claimed({"k": 1}):
        assert time.monotonic() - began < 5


def test_a_folder_that_cannot_be_written_costs_no_claim(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Store(tmp_path / "file").claimed({"k": 1}):
        pass


def test_kinds_of_work_exclude_one_another_and_add_up() -> None:
    account = Account()
    began = time.monotonic()
    with account.thread():
        with account.time("laws"):
            time.sleep(0.05)
            with account.time("invoke"):
                time.sleep(0.1)
            time.sleep(0.05)
        time.sleep(0.05)
    account.add("processor invoke", 0.09)
    wall = time.monotonic() - began
    found = balance({**account.seconds, "wall": wall}, cores=2)
    assert found.kinds["invoke"] == pytest.approx(0.1, abs=0.04)
    assert found.kinds["laws"] == pytest.approx(0.1, abs=0.04)
    assert found.kinds["pytest"] == pytest.approx(0.05, abs=0.04)
    assert sum(found.kinds.values()) == pytest.approx(found.threads)
    assert found.threads == pytest.approx(wall, abs=0.01)
    assert found.ratio == pytest.approx(wall * 2 / 0.09)


@pytest.mark.parametrize("alone", [True, False])
def test_the_report_is_part_of_the_balance(alone: bool) -> None:
    seconds = {"threads": 10.0, "idle": 4.0}
    add_report(seconds, 2.0, alone)
    found = balance({**seconds, "wall": 10.0}, cores=1)
    assert found.kinds["report"] == 2.0
    assert found.threads == (10.0 if alone else 12.0)
    assert sum(found.kinds.values()) == found.threads


def test_a_thread_of_its_own_has_a_clock_of_its_own() -> None:
    account = Account()
    with account.time("laws"):
        other = threading.Thread(target=_busy, args=(account,))
        other.start()
        other.join()
    assert account.seconds["convert"] >= 0.05
    assert account.seconds["laws"] >= 0.05


def _busy(account: Account) -> None:
    with account.time("convert"):
        time.sleep(0.06)
