"""Specify a suite: a file of checks says of itself what the plugins have to know of it."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from harness.pipeline.cases import Case, Judged, Measured
from harness.pipeline.selection import Selection

#: The fixture `verdict`: judges how a case ended, records it, and fails its test if it failed.
Verdict = Callable[[Case, Measured], Judged]
_NAME = "SUITE"


@dataclass(frozen=True)
class Suite:
    """A file of tests that says `SUITE = Suite(…)` at its top. Its name is the file's.

    cases: what a test function with an argument `case` is parametrised with: those that name it in
    their attribute `test`, and those that name none. judges: a suite of "models" takes the user's
    in the place of the catalogue; one of the "installation" has nothing to say of a single model,
    nor has a test without a case in any suite. unit: what goes to one process of several, all that
    is said of a subject's conversions by the suites of this unit, or what this suite says of the
    subject. of_file: the cases are about one converted file, whose summary the report then has.
    """

    cases: Callable[[Selection], Sequence[Any]] = lambda selection: ()
    judges: Literal["models", "installation"] = "models"
    unit: Literal["conversions", "suite"] = "suite"
    of_file: bool = False

    def cases_of(self, name: str, test: str, selection: Selection) -> list[Any]:
        """The cases of a test function of the suite called `name`."""
        return [
            replace(case, suite=name) if isinstance(case, Case) else case
            for case in self.cases(selection)
            if getattr(case, "test", "") in ("", test)
        ]


def unit(nodeid: str, root: Path) -> str:
    """What a test is handed out with when several processes share a run.

    `suites/test_parity.py::test_parity[last/int8/tflm]` goes with all that is said of the
    conversions of `last`; a test of a suite of another unit, or of none, with those of its file
    that have its subject. root: what the path in the node id is relative to.
    """
    path, _, name = nodeid.partition("::")
    subject = name.partition("[")[2].partition("/")[0].rstrip("]")
    if not subject:
        return nodeid
    suite = declared(root / path)
    if suite is not None and suite.unit == "conversions":
        return subject
    return f"{Path(path).stem} {subject}"


@cache
def declared(path: Path) -> Suite | None:
    """The suite that a file specifies, None for any other file.

    The process that only hands tests out has collected none: it has their paths. A file is run
    for its suite alone, and only if it names one.
    """
    if path.suffix != ".py" or not path.is_file():
        return None
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == _NAME for target in node.targets
        ):
            return suite_in(runpy.run_path(str(path)))
    return None


def suite_in(names: Mapping[str, Any]) -> Suite | None:
    """The suite among a module's names."""
    found = names.get(_NAME)
    return found if isinstance(found, Suite) else None
