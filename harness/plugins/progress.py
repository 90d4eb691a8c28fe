"""Say what a gate does that takes minutes, while it does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.pipeline.cases import Case
from harness.plugins.shared import case_of
from harness.session.session import Session

#: What a case of a user's model is at, by the kind of work (harness/support/time_accounting.py).
_DOING = {
    "import": "starting workers",
    "build": "building the Keras model",
    "convert": "converting",
    "structure": "reading the flatbuffer",
    "load": "loading it on a runtime",
    "invoke": "running it",
    "oracle": "computing what it must answer, and how far off it may be",
    "extract": "cutting LSTM operators out",
    "operators": "holding single operators to their arithmetic",
    "laws": "examining laws of sequences and state",
    "kernels": "predicting what the kernels of a device answer",
    "divergence": "looking for where a divergence starts",
}
#: A case says nothing before it has taken so many seconds, and then each time after as many more:
#: a person is told soon, and a log is not filled.
FIRST, THEN, IN_A_LOG = 10.0, 20.0, 60.0


class Progress:
    """Prints a line about the case that is under way, from a thread of its own."""

    def __init__(
        self, doing: Callable[[], tuple[str, ...]], tell: Callable[[str], None], again: float = THEN
    ) -> None:
        self._doing, self._tell, self._again = doing, tell, again
        self._case: Case | None = None
        self._began = self._told = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def at(self, case: Case | None) -> None:
        """A case begins, or ends where it is None."""
        self._case, self._began, self._told = case, time.monotonic(), 0.0

    def look(self) -> None:
        """Tell of the case if it is time to."""
        case, now = self._case, time.monotonic()
        if case is None or now - self._began < FIRST:
            return
        if self._told and now - self._told < self._again:
            return
        self._told = now
        work = [_DOING[kind] for kind in self._doing() if kind in _DOING]
        told = ", ".join(dict.fromkeys(work)) or "waiting for it"
        self._tell(f"{case.suite} {case.id}, {now - self._began:.0f} s: {told}")

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            self.look()


_PROGRESS = pytest.StashKey[Progress]()


@pytest.fixture(scope="session", autouse=True)
def _progress(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lines of progress for who gates a model; none under xdist, whose processes share a line."""
    config = request.config
    users = any(_users(item) for item in request.session.items)
    if not users or hasattr(config, "workerinput"):
        yield
        return
    session: Session = request.getfixturevalue("session")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    again = THEN if getattr(reporter, "isatty", False) else IN_A_LOG
    found = Progress(lambda: session.account.now, _teller(reporter, capture), again)
    config.stash[_PROGRESS] = found
    found.start()
    try:
        yield
    finally:
        found.close()


def _teller(reporter: Any, capture: Any) -> Callable[[str], None]:
    def tell(line: str) -> None:
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return tell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    progress = item.config.stash.get(_PROGRESS, None)
    if progress is None:
        return (yield)
    progress.at(_users(item))
    try:
        return (yield)
    finally:
        progress.at(None)


def _users(item: pytest.Item) -> Case | None:
    case = case_of(item)
    return None if case is None or case.subject.registered else case
