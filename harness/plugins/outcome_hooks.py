"""Judge how a case ended, record it for the report, and fail its test if it failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from fixtures.limitations import cases as limitations
from fixtures.outcomes import Outcome, Phase, first_line
from harness.checks.reproduction import reproduction
from harness.flatbuffer.summary import key_of, summarised
from harness.operators.exactness import Exactness
from harness.pipeline.cases import Case, Judged, Measured, judge
from harness.pipeline.suite import Verdict
from harness.plugins.options import deciding
from harness.plugins.project import BASELINE
from harness.plugins.shared import INAPPLICABLE, NOTES, PROPERTIES, RESULT, SELECTION, suite_of
from harness.report import baseline
from harness.report.rerun import failure_text, rerun_command
from harness.session.session import Session

#: Properties: operators compared beside the cases; a converted file's key and summary.
FUZZED, FLATBUFFER = "fuzzed", "flatbuffer"
#: How pytest shows a case that neither agreed nor failed: its category, letter and word.
_SHOWN = {
    "limitation": ("limitation", "l", "LIMITATION"),
    "not judged": ("not judged", "?", "NOT JUDGED"),
}
#: Summaries of converted files that this process has recorded, by key.
_SUMMARIES = pytest.StashKey[dict[str, dict[str, Any]]]()
#: Subjects whose notes this process has recorded.
_NOTED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PROPERTIES] = {}
    config.stash[_SUMMARIES] = {}
    config.stash[_NOTED] = set()
    config.pluginmanager.register(_Collector(config.stash[PROPERTIES]))


class _Collector:
    """Takes what tests recorded out of their reports, which may come from other processes."""

    def __init__(self, properties: dict[str, list[tuple[str, Any]]]) -> None:
        self._properties = properties

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, value in report.user_properties:
                self._properties.setdefault(name, []).append((report.nodeid, value))


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Verdict:
    """Records how a case ended and fails the test unless it ended as expected."""

    def judged(case: Case, measured: Measured) -> Judged:
        asked = request.config.stash[SELECTION].asked
        found = judge(case, measured, limitations.load(), asked)
        if found.verdict == "failed" and not case.subject.registered:
            lines = reproduction(case, request.getfixturevalue("session"))
            found = replace(found, message="\n".join(filter(None, (found.message, lines))))
        return record(request, found)

    return judged


def record(
    request: pytest.FixtureRequest,
    judged: Judged,
    document: Mapping[str, Any] | None = None,
    title: str = "",
    detailed: bool = True,
) -> Judged:
    """Put a case into the report and fail its test if it failed.

    document: its entry, where it says more than any case's. title: what a failure is headed with.
    detailed: whether its converted file, and where a failure starts, belong to the entry.
    """
    config = request.config
    entry = dict(document or judged.document())
    entry |= _details(request, judged) if detailed else {}
    if (stored := config.stash[BASELINE]) is not None:
        summary = config.stash[_SUMMARIES].get(str(entry.get(FLATBUFFER)))
        judged, worse = baseline.held_to(stored, judged, entry, summary)
        entry |= worse
    given, example = deciding(config.option), entry.get("example") or ""
    if config.option.update_baseline:
        del given["--baseline"]  # it is written and not read
    entry["rerun"] = rerun_command(request.node.nodeid, judged.case, given, example)
    request.node.user_properties.append((RESULT, entry))
    if judged.verdict == "failed":
        pytest.fail(failure_text(judged.message, entry, title), pytrace=False)
    return judged


def _details(request: pytest.FixtureRequest, judged: Judged) -> dict[str, Any]:
    """More for a case's entry: its converted file, and where a failed comparison starts."""
    case, measured = judged.case, judged.measured
    found: dict[str, Any] = {}
    if not case.subject.registered:
        _note(request, case)
    suite = suite_of(request.node)
    if suite is not None and suite.of_file and not (case.runtime and not case.runtime.native):
        found |= _file_of(request, case)
    diverged = (measured.result.phase, measured.result.outcome) == (Phase.COMPARE, Outcome.DIVERGED)
    if judged.verdict == "failed" and diverged and measured.locate is not None:
        divergence = _located(judged)
        found |= {} if divergence is None else {"first_divergence": divergence}
    return found


def _note(request: pytest.FixtureRequest, case: Case) -> None:
    """What the user should know of how a model was read from its file, once for each."""
    session: Session = request.getfixturevalue("session")
    built, known = session.artifacts(case).built, request.config.stash[_NOTED]
    if built is None or case.subject.name in known:
        return
    known.add(case.subject.name)
    if notes := built.notes:
        request.node.user_properties.append((NOTES, [case.subject.name, notes]))


def _located(judged: Judged) -> dict[str, Any] | None:
    """Where a failure starts. What looks for it must not take a user's failure away with it."""
    assert judged.measured.locate is not None
    try:
        return judged.measured.locate()
    except Exception as error:
        if judged.case.subject.registered:
            raise
        return {"text": f"not found: {type(error).__name__}: {first_line(str(error))}"}


def _file_of(request: pytest.FixtureRequest, case: Case) -> dict[str, Any]:
    session: Session = request.getfixturevalue("session")
    conversion = session.artifacts(case).conversion
    if conversion.data is None or conversion.structure is None:
        return {}
    content = conversion.data.tobytes()
    key, known = key_of(content), request.config.stash[_SUMMARIES]
    if key not in known:
        known[key] = summarised(content, conversion.structure)
        request.node.user_properties.append((FLATBUFFER, [key, known[key]]))
    return {FLATBUFFER: key}


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[str, str, list[Exactness]], None]:
    """Counts what a test held to an oracle beside its cases, for report and summary."""

    def counted(runtime: str, kind: str, compared: list[Exactness]) -> None:
        entry = {
            "runtime": runtime,
            "kind": f"{kind} (fuzz)",
            "operators": len(compared),
            "values": sum(found.values for found in compared),
            "mismatches": sum(found.mismatches for found in compared),
        }
        request.node.user_properties.append((FUZZED, entry))

    return counted


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, str] | None:
    """A limitation that was met is neither a plain pass nor a skip, nor is a law without a
    premise."""
    if report.skipped and any(name == INAPPLICABLE for name, _ in report.user_properties):
        return "not applicable", "-", "NOT APPLICABLE"
    if report.when == "call" and report.passed:
        for name, value in report.user_properties:
            if name == RESULT and value["verdict"] in _SHOWN:  # type: ignore[index]
                return _SHOWN[value["verdict"]]  # type: ignore[index]
    return None
