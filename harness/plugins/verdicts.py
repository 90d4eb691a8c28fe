"""Say a verdict as soon as it is known and at the end, and keep pytest from a second copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.plugins.report import document_of
from harness.plugins.shared import RESULT, console, properties
from harness.report import verdict_lines
from harness.report.verdicts import kinds, text, verdict
from harness.report.verdicts.causes import causes

#: Models and recipes of which it has been said that they fail.
_SAID = pytest.StashKey[set[tuple[str, str]]]()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SAID] = set()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Early(config, reporter))


class _Early:
    """Says of a user's model that it fails when its first case has."""

    def __init__(self, config: pytest.Config, reporter: Any) -> None:
        self._config, self._reporter = config, reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        case = dict(report.user_properties).get(RESULT)
        if report.when != "call" or not isinstance(case, dict) or case["verdict"] != "failed":
            return
        key = (case["subject"], case["recipe"])
        said = self._config.stash[_SAID]
        if not verdict.users(case) or key in said or case["outcome"] == "not judged":
            return
        said.add(key)
        known = [other for _, other in properties(self._config, RESULT)]
        found = causes([c for c in known if (c["subject"], c["recipe"]) == key] or [case])
        told = verdict.titled(key[0], key[1:])
        why = next((cause.says for cause in found if kinds.known(cause.kind)), "")
        if why and (key[0], why) in said:
            return
        said.add((key[0], why))
        line = f"{text.SHOUTED[verdict.KEEP]}: {told}: {why}"
        if not why:  # what fails first need not be why
            line = f"A CASE FAILED: {told}: the cause follows."
        if self._reporter._tw.width_of_current_line:
            self._reporter._tw.line()
        self._reporter.write_line(line, red=True)


def quiet(config: pytest.Config) -> bool:
    """Whether a case's own text is left to the reports: nobody asked for it."""
    return bool(config.option.verbose <= 0 and config.option.tbstyle == "auto")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    """Failures that a verdict tells are not told again; what has no case keeps its traceback."""
    listed = terminalreporter.getreports
    if quiet(config):

        def untold(name: str) -> list[Any]:
            return [
                report
                for report in listed(name)
                if name != "failed" or RESULT not in dict(report.user_properties)
            ]

        terminalreporter.getreports = untold
    try:
        yield
    finally:
        terminalreporter.getreports = listed
    document = document_of(config)
    if document is not None:
        verdict_lines.last(console(terminalreporter), document["verdicts"])
