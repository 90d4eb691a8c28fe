"""Every module says in its first line, in one plain sentence, what it does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from harness.support.project import ROOT

FOLDERS = ("fixtures", "harness", "reference", "suites", "tools", "tests", "examples")
MODULES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "conftest.py", *(p for f in FOLDERS for p in (ROOT / f).rglob("*.py"))]
)
#: A clause of these names a subject and says nothing of it.
NOUN_CLAUSE = re.compile(r"(What|How|Where|Which|Who|Whose|When|Why|Whether)\b")


def fault(path: str, source: str) -> str:
    """What is wrong with a module's docstring; empty for a good one. A suite is a question."""
    line = (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]
    if not line:
        return "no docstring"
    if path.startswith("suites/") and line.endswith("?"):
        return ""
    if NOUN_CLAUSE.match(line):
        return f"a noun clause: {line}"
    return "" if line.endswith(".") else f"not one sentence in the first line: {line}"


@pytest.mark.parametrize("path", MODULES)
def test_the_first_line_is_a_sentence(path: str) -> None:
    assert fault(path, Path(ROOT / path).read_text()) == ""


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 200
    assert "harness/flatbuffer/structure.py" in MODULES


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        ("harness/a.py", "", "no docstring"),
        ("harness/a.py", "x = 1", "no docstring"),
        ("harness/a.py", '"""What a case is given."""', "a noun clause"),
        ("harness/a.py", '"""Where is it?"""', "a noun clause"),
        ("harness/a.py", '"""Write a page, which\nis long."""', "not one sentence"),
        ("suites/test_a.py", '"""How fast it is."""', "a noun clause"),
        ("suites/test_a.py", '"""How fast is it?"""', ""),
        ("harness/a.py", '"""Write a page.\n\nWhat is on it."""', ""),
    ],
)
def test_a_fault_is_seen_and_a_sentence_is_not(path: str, source: str, problem: str) -> None:
    found = fault(path, source)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)
