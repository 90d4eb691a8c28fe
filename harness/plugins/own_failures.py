"""Fail a case on which the harness itself failed with a sentence: no exception reaches a user."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.outcomes import Outcome, Phase, StepResult, first_line
from harness.pipeline.cases import Case, Judged, Measured
from harness.plugins.outcome_hooks import record
from harness.plugins.shared import case_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A user's model may overflow: NumPy's warnings about numbers end no case of theirs."""
    for item in items:
        if _users(item) is not None:
            item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """What a case of the catalogue raises is a defect of the harness's, and stays one. On a user's
    model it is said, and the other cases go on. The case fails: nobody has judged what it asked,
    and a run is green only where every case was carried out."""
    try:
        return (yield)
    except Exception as error:
        case = _users(pyfuncitem)
        if case is None:
            raise
        told = _told(error)
        measured = Measured(StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, told))
        judged = Judged(case, measured, None, "failed", told)
        document = judged.document()
        if pyfuncitem.config.option.verbose > 0:
            trace = "".join(traceback.format_exception(error))
            judged = replace(judged, message=f"{told}\n{trace}")
    record(pyfuncitem._request, judged, document, detailed=False)
    return True  # type: ignore[return-value]


def _users(item: pytest.Item) -> Case | None:
    """The case of a user's model that a test carries out, None for any other test."""
    case = case_of(item)
    timed = "benchmark" in getattr(item, "fixturenames", ())
    return None if case is None or case.subject.registered or timed else case


def _told(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {first_line(str(error), 200)}"
    return (
        f"the harness failed on it, which says nothing of the model: {what} "
        f"({Path(frame.filename).name}:{frame.lineno}); please report it"
    )
