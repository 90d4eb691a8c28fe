"""Give the suites of laws their cases and their runner, and record how each case ends."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.limitations import cases as limitations
from fixtures.limitations import laws
from harness.laws.cases import LAWS, LawCase, cases_of, judge, recognised, registered
from harness.laws.law import Meter
from harness.laws.models import Inapplicable
from harness.laws.runner import LawRunner
from harness.pipeline.cases import Case, Judged
from harness.pipeline.selection import select_by
from harness.plugins import report
from harness.session.session import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lstm", "LSTM conformance")
    group.addoption(
        "--example", metavar="JSON", help="examine only this example of a law, as a failure prints"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite = metafunc.module.__name__.rpartition(".")[2]
    if "law_case" not in metafunc.fixturenames:
        return
    option = metafunc.config.option
    selection = select_by(option)
    name = metafunc.function.__name__.removeprefix("test_").replace("_", "-")
    cases = cases_of(suite, name, selection)
    metafunc.parametrize("law_case", [pytest.param(case, id=case.id) for case in cases])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What has no case in this selection is not collected: pytest would call it skipped."""
    empty = [item for item in items if _has_no_case(item)]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


def _has_no_case(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return any(
        name in parameters and not isinstance(parameters[name], Case)
        for name in ("law_case", "predictions_case", "resource_case")
    )


@pytest.fixture(scope="session")
def law_runner(session: Session, request: pytest.FixtureRequest) -> Iterator[LawRunner]:
    parameters = (getattr(item, "callspec", None) for item in request.session.items)
    cases = [call.params.get("parity_case") for call in parameters if call is not None]
    found = LawRunner(session, [case for case in cases if isinstance(case, Case)])
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def broken_laws() -> laws.LawRegistry:
    return laws.load()


@pytest.fixture
def holds(
    request: pytest.FixtureRequest,
    law_runner: LawRunner,
    broken_laws: laws.LawRegistry,
    registry: limitations.Registry,
) -> Callable[[LawCase], None]:
    """Examines a case's law, records how it fared, and fails unless it is as expected."""

    def check(case: LawCase) -> None:
        limitation = registered(broken_laws, case)
        began = time.monotonic()
        given = request.config.option.example
        example = None if given is None else json.loads(given)
        try:
            examined, meter = law_runner.examined(case, limitation, example)
        except Inapplicable as reason:
            request.node.user_properties.append(("inapplicable", (case.law, str(reason))))
            pytest.skip(f"not applicable: {reason}")
        known = limitation or recognised(broken_laws, registry, case, examined)
        judged, document = judge(case, examined, meter, known, time.monotonic() - began)
        _record(request, judged, document, examined.text)

    return check


@pytest.fixture
def errors_by_step(
    request: pytest.FixtureRequest, law_runner: LawRunner
) -> Callable[[LawCase], None]:
    """Runs long sequences and records the error of every time step."""

    def check(case: LawCase) -> None:
        began = time.monotonic()
        examined, meter, found = law_runner.long_sequences(case)
        judged, document = judge(case, examined, meter, None, time.monotonic() - began)
        _record(request, judged, {**document, "by_step": found}, "")

    return check


@pytest.fixture
def throughput(
    request: pytest.FixtureRequest, law_runner: LawRunner, capsys: pytest.CaptureFixture[str]
) -> Callable[[LawCase], None]:
    """Measures a stream of sequences of varying length, prints and records both ratios."""

    def check(case: LawCase) -> None:
        began = time.monotonic()
        examined, found = law_runner.throughput(case)
        judged, document = judge(case, examined, Meter(), None, time.monotonic() - began)
        with capsys.disabled():
            print(f"\n{found}")
        _record(request, judged, {**document, "throughput": found.document()}, "")

    return check


def _record(
    request: pytest.FixtureRequest, judged: Judged, document: dict[str, Any], example: str
) -> None:
    """Put a case into the report and fail its test if it failed."""
    judged, worse = report.held_to_baseline(request.config, judged, document)
    document |= {**worse, "rerun": _rerun(request, example)}
    request.node.user_properties.append(("conformance", document))
    if judged.verdict == "failed":
        law = LAWS.get(document["law"])
        text = [f"law {law.name}: {law.title}"] if law else []
        text += [judged.message]
        text += [f"minimal example: {example}"] if example else []
        pytest.fail("\n".join([*text, f"rerun: {document['rerun']}"]), pytrace=False)


def _rerun(request: pytest.FixtureRequest, example: str) -> str:
    option = request.config.option
    words = ["pytest", request.node.nodeid]
    for name in ("model", "tflite", "recipe", "runtime"):
        for value in getattr(option, name):
            words += [f"--{name}", str(value)]
    words += ["--seed", str(option.seed)] if option.seed != 2015 else []
    words += ["--example", example] if example else []
    return shlex.join(words)
