"""Hold what several plugins use: what a session stores, a test's suite and case, the console."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, suite_in

#: The cases of the session, chosen once by its options.
SELECTION = pytest.StashKey[Selection]()
#: What tests recorded: by the name of the property, (node id, value) in the order of their end.
PROPERTIES = pytest.StashKey[dict[str, list[tuple[str, Any]]]]()
#: Properties: a case's entry in the report; why a law says nothing of a model; how a subject's
#: model was read from its file.
RESULT, INAPPLICABLE, NOTES = "conformance", "inapplicable", "notes"


def properties(config: pytest.Config, name: str) -> list[tuple[str, Any]]:
    """What tests have recorded under a name, here or in other processes."""
    return config.stash[PROPERTIES].get(name, [])


def suite_of(node: Any) -> Suite | None:
    """The suite that a test belongs to, None for the harness's own tests."""
    return suite_in(vars(getattr(node, "module", None) or object))


def case_of(item: pytest.Item) -> Case | None:
    """The case that a test of a suite carries out, None where it has none to be judged."""
    found = getattr(getattr(item, "callspec", None), "params", {}).get("case")
    return found if isinstance(found, Case) and suite_of(item) else None


def cases_of(session: pytest.Session) -> list[Case]:
    """The cases of a session, in the order of their tests."""
    return [case for item in session.items if (case := case_of(item))]


def console(terminalreporter: Any) -> Console:
    """A console on what pytest prints to."""
    writer = terminalreporter._tw
    return Console(file=writer, force_terminal=writer.hasmarkup, width=max(60, writer.fullwidth))
