"""Repair the models of a run before its cases are made, and judge both: `--repair`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.plugins.session import OPENED, settings_of
from harness.plugins.shared import NOTES, SELECTION, console, properties
from harness.repair import gate
from harness.repair.gate import GateRepair
from harness.report import exhibits
from harness.session.session import Session
from harness.support import files

#: What became of each model; empty without --repair.
REPAIRS = pytest.StashKey[tuple[GateRepair, ...]]()
#: In the folder of repaired files: what became of each model, for the processes of pytest-xdist.
_RECORD = "repairs.json"
#: More notes than this of one model are layers that were all read alike.
_MOST_NOTES = 3


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Repair first: the repaired files are subjects like all others. (Nothing runs where cases are
    only listed.)"""
    config.stash[REPAIRS] = ()
    option = config.option
    if not option.repair or option.collectonly:
        return
    try:
        folder = option.report / gate.FOLDER
        if hasattr(config, "workerinput"):
            stored = json.loads((folder / _RECORD).read_text())
            found = tuple(GateRepair.of_document(one) for one in stored)
        else:
            found = _repaired(config)
    except OSError as error:
        raise pytest.UsageError(f"--repair: its files go into the report: {error}") from error
    config.stash[REPAIRS] = found
    selection = config.stash[SELECTION]
    fresh = tuple(one.subject for one in found if one.subject is not None)
    config.stash[SELECTION] = replace(selection, subjects=(*selection.subjects, *fresh))


def _repaired(config: pytest.Config) -> tuple[GateRepair, ...]:
    """What becomes of each model, by a session that the cases are carried out in afterwards."""
    option, selection = config.option, config.stash[SELECTION]
    folder = gate.emptied(option.report / gate.FOLDER)
    session = Session(settings_of(config))
    found, writer = [], config.get_terminal_writer()
    try:
        writer.line("repairing, before anything is judged …")
        for one in gate.repairs(
            session,
            selection.subjects,
            selection.recipes,
            selection.runtimes,
            folder,
            option.no_masked_steps,
        ):
            writer.line(one.lines()[0])
            found.append(one)
        files.write(
            folder / _RECORD, json.dumps([one.document() for one in found], indent=1).encode()
        )
    except BaseException:
        session.close()
        raise
    session.forget()
    if config.getoption("numprocesses", None):
        session.close()  # each process opens its own
    else:
        config.stash[OPENED] = session
    return tuple(found)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The tables for the page, before the page is written; an earlier run's go."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    found = config.stash[REPAIRS]
    with contextlib.suppress(OSError):  # the report says that it could not be written
        if found:
            exhibits.write(gate.exhibit(found), config.option.report)
        elif config.option.model or config.option.tflite:
            path = config.option.report / exhibits.FOLDER / "repair.json"
            path.unlink(missing_ok=True)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    out = console(terminalreporter)
    found = config.stash[REPAIRS]
    notes = dict(sorted(dict(value for _, value in properties(config, NOTES)).items()))
    for title, lines in (("repair", _lines(config, found)), ("how models were read", _read(notes))):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            out.print(line, highlight=False, markup=False, soft_wrap=True)


def _lines(config: pytest.Config, found: Sequence[GateRepair]) -> list[str]:
    lines = [line for one in found for line in one.lines()]
    if any(one.name for one in found):
        lines.append(
            f"files: {config.option.report / gate.FOLDER}; each was judged beside its original, "
            "whose verdicts stay: gate the repaired files alone by --model and --tflite"
        )
    return lines


def _read(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Brief: what is alike for many layers stands in the report."""
    lines = []
    for subject, found in notes.items():
        more = len(found) - _MOST_NOTES
        shown = [*found[:_MOST_NOTES], *([f"{more} more in the report"] if more > 0 else [])]
        lines.append(f"{subject}: {'; '.join(shown)}")
    return lines
