"""Open the session in which the cases are carried out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from harness.conversion import user_modules
from harness.kernels.cases import KernelCase
from harness.pipeline.cases import Case
from harness.pipeline.settings import Settings
from harness.plugins.project import OVERRIDES
from harness.plugins.shared import SELECTION, cases_of
from harness.session.session import Session
from harness.workers import environments
from harness.workers.answers import WorkerUnavailable

#: A session that was opened before there were tests; the fixture hands it on, and closes it.
OPENED = pytest.StashKey[Session]()
#: Of the workers, once they have ended: seconds by kind of work, packages.
SECONDS = pytest.StashKey[Any]()
ENVIRONMENT = pytest.StashKey[Any]()
#: Why the store of conversions took nothing; empty where it did.
UNKEPT = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SECONDS] = {}
    config.stash[ENVIRONMENT] = {}
    config.stash[UNKEPT] = ""
    # What was imported stays: no later collection of garbage has to look at it.
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing that was started goes on, where no test asked for it."""
    if (opened := config.stash.get(OPENED, None)) is not None:
        opened.close()


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Where cases are carried out. Under xdist each process has its own, and converts the
    subjects it is handed; alone, conversions run ahead of the tests."""
    config = request.config
    found = config.stash.get(OPENED, None) or Session(settings_of(config))
    try:
        found.check(config.stash[SELECTION].runtimes)
    except WorkerUnavailable as error:
        found.close()
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    apart = ("operator", "golden")
    cases = cases_of(request.session)
    cases = [c.shared if isinstance(c, KernelCase) else c for c in cases]
    plain = [c for c in cases if type(c) is Case and c.subject.kind not in apart]
    if hasattr(config, "workerinput"):
        found.plan(plain)
    else:
        found.prefetch(plain)
    try:
        yield found
    finally:
        config.stash[SECONDS] = found.seconds
        config.stash[ENVIRONMENT] = found.environment
        config.stash[UNKEPT] = found.store.unkept
        found.close()


def settings_of(config: pytest.Config) -> Settings:
    option = config.option
    return Settings(
        option.seed,
        None if option.no_cache else option.cache.absolute(),
        option.jobs,
        option.trusted,
        option.inputs,
        option.calibration,
        deadline=option.deadline,
        labels=option.labels,
        budgets=config.stash[OVERRIDES],
        converter=environments.converter(option.converter_python, option.converter_env),
        runtimes=tuple(option.runtime),
        asked=config.stash[SELECTION].asked,
        predictions=option.predictions,
        expected=option.expected,
        state_dict=option.state_dict,
        report=option.report,
        arena_limit=option.arena_limit,
        size_limit=option.size_limit,
        cxx=option.cxx,
        imports=user_modules.find(option.imports),
        streaming=config.stash[SELECTION].streaming,
    )
