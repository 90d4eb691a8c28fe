"""Say in one line which runtimes a run leaves out because their package is not installed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.plugins.report import expected_of
from harness.plugins.shared import SELECTION, console
from harness.workers.kinds import EXTRAS


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    absent = config.stash[SELECTION].absent
    if not absent or not expected_of(config) or config.option.collectonly:
        return
    names = ", ".join(runtime.name for runtime in absent)
    extras = " and ".join(dict.fromkeys(EXTRAS[runtime.adapter.extra] for runtime in absent))
    text = f"not installed, and not run: {names}; {extras}"
    console(terminalreporter).print(text, highlight=False, markup=False, soft_wrap=True)
