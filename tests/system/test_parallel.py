"""Several processes share a run: nothing twice, nothing lost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.pipeline.suite import unit
from harness.report import document as report
from harness.report.merge import merge
from harness.support.cache import Store
from harness.support.project import ROOT
from tests.support.runs import run_suites


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
    units = [{unit(nodeid, ROOT) for nodeid in shard} for shard in shards]
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
