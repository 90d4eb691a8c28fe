"""Run the suites in a process of their own, as a user does, and read what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.support.project import ROOT


@dataclass(frozen=True)
class Run:
    """How a run ended: exit status, what it printed, and the folder of its report."""

    status: int
    text: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        """Empty if the run wrote none."""
        path = self.folder / "conformance.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @property
    def cases(self) -> dict[str, dict[str, Any]]:
        """By id; a run without a report fails the test."""
        report = self.report
        assert report, self.text
        return {case["id"]: case for case in report["cases"]}


def command(
    *arguments: str | Path,
    report: Path,
    cache: Path | None,
    suites: Sequence[str] = ("suites/",),
    more: bool = True,
) -> list[str]:
    """The command line of a run that leaves nothing in the working tree.

    Options and values are one word: a bare run finds its options in what pyproject.toml names, and
    until then pytest takes a value that stands alone for a path to test.

    cache: the folder of its conversions, None for a run without one. more: whether it prints all
    that it knows; else the verdicts and counts.
    """
    stored = "--no-cache" if cache is None else f"--cache={cache}"
    return [
        *(
            sys.executable,
            "-m",
            "pytest",
            *suites,
            "-v" if more else "-q",
            "-p",
            "no:cacheprovider",
        ),
        *(stored, f"--report={report}", *map(str, arguments)),
    ]


def run_suites(
    *arguments: str | Path,
    report: Path,
    cache: Path | None,
    suites: Sequence[str] = ("suites/",),
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    more: bool = True,
) -> Run:
    """The same, carried out. Raises TimeoutExpired after five minutes."""
    done = subprocess.run(
        command(*arguments, report=report, cache=cache, suites=suites, more=more),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout + done.stderr, report)
