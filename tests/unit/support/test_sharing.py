"""Processes that share a run: units, claims on one store, and seconds that add up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from harness.pipeline.suite import unit
from harness.support.cache import Store
from harness.support.project import ROOT
from harness.support.time_accounting import Account, add_report, balance


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
    assert unit(nodeid, ROOT) == expected


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
