"""Show with -v what the quantisation of each model costs, and which layer costs most."""

from __future__ import annotations

from typing import Any

import pytest

from harness.plugins.shared import RESULT, console, properties


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for each quantised model, once however many runtimes ran it."""
    if config.option.verbose < 1:
        return
    found: dict[str, str] = {}
    for _, entry in properties(config, RESULT):
        if cost := entry.get("quantisation_cost"):
            found.setdefault(f"{entry['subject']}/{entry['recipe']}", cost["text"])
    if not found:
        return
    terminalreporter.section("what quantisation costs")
    out = console(terminalreporter)
    for name, text in sorted(found.items()):
        out.print(f"{name}: {text}", highlight=False, markup=False)
