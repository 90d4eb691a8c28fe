"""Show what was said of device kernels, or that nothing was, as an exhibit and in the terminal."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from harness.kernels.cases import has_integers
from harness.kernels.terminal import exhibit, lines, untested
from harness.plugins.report import expected_of
from harness.plugins.shared import RESULT, SELECTION, console, properties
from harness.report import exhibits


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The table for the page, before the page is written; an earlier run's goes."""
    config = session.config
    if hasattr(config, "workeroutput") or config.option.collectonly:
        return
    with contextlib.suppress(OSError):  # the report says that it could not be written
        if found := _measured(config):
            exhibits.write(exhibit(found), config.option.report)
        elif expected_of(config):
            path = config.option.report / exhibits.FOLDER / "kernels.json"
            path.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    selection, found = config.stash[SELECTION], _measured(config)
    more = config.option.verbose > 0
    told = lines(found) if more or selection.kernels or config.option.device else []
    if (
        more
        and not told
        and not selection.kernels
        and expected_of(config)
        and has_integers(selection)
    ):
        told = [untested()]
    if told and not config.option.collectonly:
        terminalreporter.section("device kernels")
        out = console(terminalreporter)
        for line in told:
            out.print(line, highlight=False, markup=False, soft_wrap=True)


def _measured(config: pytest.Config) -> list[dict[str, Any]]:
    """The entries that have kernels, by their ids."""
    found = [value for _, value in properties(config, RESULT) if value.get("kernels")]
    return sorted(found, key=lambda document: str(document["id"]))
