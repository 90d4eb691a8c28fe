"""Run the suites of laws: how a law is examined on a case, and recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.limitations import cases as limitations
from fixtures.limitations import laws
from harness.laws.cases import LAWS, LawCase, judge, recognised, registered
from harness.laws.law import Meter
from harness.laws.models import Inapplicable
from harness.laws.runner import LawRunner
from harness.laws.search import SearchResult
from harness.plugins.outcome_hooks import record
from harness.plugins.shared import INAPPLICABLE, cases_of
from harness.session.session import Session

Holds = Callable[[LawCase], None]


@pytest.fixture(scope="session")
def law_runner(session: Session, request: pytest.FixtureRequest) -> Iterator[LawRunner]:
    parities = [case for case in cases_of(request.session) if case.suite == "test_parity"]
    found = LawRunner(session, parities)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def holds(request: pytest.FixtureRequest, law_runner: LawRunner) -> Holds:
    """Examines a case's law, records how it fared, and fails unless it is as expected."""
    broken, registry = laws.load(), limitations.load()

    def check(case: LawCase) -> None:
        limitation = registered(broken, case)
        began = time.monotonic()
        given = request.config.option.example
        example = None if given is None else json.loads(given)
        try:
            examined, meter = law_runner.examined(case, limitation, example)
        except Inapplicable as reason:
            request.node.user_properties.append((INAPPLICABLE, (case.law, str(reason))))
            pytest.skip(f"not applicable: {reason}")
        known = limitation or recognised(broken, registry, case, examined)
        _record(request, case, examined, meter, began, known)

    return check


@pytest.fixture
def errors_by_step(request: pytest.FixtureRequest, law_runner: LawRunner) -> Holds:
    """Runs long sequences and records the error of every time step."""

    def check(case: LawCase) -> None:
        began = time.monotonic()
        examined, meter, found = law_runner.long_sequences(case)
        _record(request, case, examined, meter, began, by_step=found)

    return check


@pytest.fixture
def throughput(
    request: pytest.FixtureRequest, law_runner: LawRunner, capsys: pytest.CaptureFixture[str]
) -> Holds:
    """Measures a stream of sequences of varying length, prints and records both ratios."""

    def check(case: LawCase) -> None:
        began = time.monotonic()
        examined, found = law_runner.throughput(case)
        with capsys.disabled():
            print(f"\n{found}")
        _record(request, case, examined, Meter(), began, throughput=found.document())

    return check


def _record(
    request: pytest.FixtureRequest,
    case: LawCase,
    examined: SearchResult,
    meter: Meter,
    began: float,
    known: laws.BrokenLaw | limitations.Limitation | None = None,
    **more: Any,
) -> None:
    """Judge a law that was examined since `began`. known: the limitation that it is held to.
    more: what the report says of it besides."""
    judged, document = judge(case, examined, meter, known, time.monotonic() - began)
    law = LAWS.get(case.law)
    record(request, judged, {**document, **more}, f"law {law.name}: {law.title}" if law else "")
