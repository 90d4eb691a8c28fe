"""Give the fixtures that several of the harness's own tests use, and hold what all must keep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from harness.device.arena import ArenaBench
from harness.pipeline.settings import Settings
from harness.session.session import Session
from harness.support.project import ROOT
from tests.support import working_tree

HERE = Path(__file__).parent
#: Slow first, so that no process is left alone with a whole run at the end.
FOLDERS = ("system", "integration", "unit")
_TRACES = pytest.StashKey[working_tree.Traces]()
_LEFT = pytest.StashKey[list[str]]()

# The runs that these tests start are no job's summary.
os.environ.pop("GITHUB_STEP_SUMMARY", None)
# Some environments forbid bytecode: each of some hundred runs would compile the harness again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# Order and marks -----------------------------------------------------------------------------


def _folder(path: Path) -> str:
    return path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is marked with the name of its folder."""
    for item in items:
        if (folder := _folder(item.path)) in FOLDERS:
            item.add_marker(folder)
    items.sort(key=lambda item: (*FOLDERS, "").index(_folder(item.path)))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests share its models and workers, and go to one process. Those of whole runs
    share what is on disk, and go wherever there is room, but for one file's that share a run."""
    if config.getoption("dist", "no") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):  # type: ignore[misc] # the way xdist's manual gives
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            whole_runs = "/system/" in path and not path.endswith("/test_broken_models.py")
            return nodeid if whole_runs else path

    config.option.loadscopereorder = False
    return Files(config, log)


# The working tree ----------------------------------------------------------------------------


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_TRACES] = working_tree.traces(ROOT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of the tests leaves no trace, least of all in the report of the user's last run."""
    before = session.config.stash.get(_TRACES, None)
    if before is not None:
        left = working_tree.changed(before, working_tree.traces(ROOT))
        session.config.stash[_LEFT] = left
        if left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if left := config.stash.get(_LEFT, []):
        terminalreporter.section("the working tree changed", red=True)
        terminalreporter.write_line("\n".join(left))


# What is made once for all processes -----------------------------------------------------------

#: What fixture gives the models of which part of tests/support/models.
PARTS = {
    "models": "gate",
    "broken_models": "broken",
    "structure_models": "structure",
    "law_models": "laws",
    "prediction_models": "predictions",
    "hostile_models": "hostile",
    "described_models": "described",
    "layer_models": "layers",
    "custom_models": "custom",
    "original_models": "originals",
    "verdict_models": "verdicts",
}
Made = Callable[[str], Path]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run have."""
    base = tmp_path_factory.getbasetemp()
    found = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    found.mkdir(exist_ok=True)
    return found


@pytest.fixture(scope="session")
def cache(shared: Path) -> Path:
    """Conversions that every gate may use again; two runs may share it at a time."""
    return shared / "cache"


@pytest.fixture(scope="session")
def models_of(request: pytest.FixtureRequest, shared: Path) -> Iterator[Made]:
    """Folder of a part's models. The first who asks starts one process, which makes what the
    tests of this session need; everybody goes on as soon as their own part is complete."""
    folder, log = shared / "users models ü", shared / "models.log"
    wanted = [
        part
        for fixture, part in PARTS.items()
        if any(fixture in getattr(item, "fixturenames", ()) for item in request.session.items)
    ]
    started: list[subprocess.Popen[bytes]] = []

    def start(first: str) -> None:
        folder.mkdir()
        parts = [first, *(part for part in wanted if part != first)]
        words = [sys.executable, "-m", "tests.support.models.make", str(folder), *parts]
        with log.open("wb") as out:
            started.append(subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=out))

    def of(part: str) -> Path:
        with FileLock(shared / "models.lock"):
            if not folder.exists():
                start(part)
        until = time.monotonic() + 300
        while not (folder / f"{part}.done").exists():
            assert not (folder / "failed").exists(), log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        return folder / part

    yield of
    for process in started:
        process.wait(300)


def _folder_of(part: str) -> Any:
    @pytest.fixture(scope="session")
    def folder(models_of: Made) -> Path:
        return models_of(part)

    return folder


globals().update({fixture: _folder_of(part) for fixture, part in PARTS.items()})


# Workers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A session without a cache; its workers start when they are asked for something."""
    found = Session(Settings(seed=1, cache=None))
    yield found
    found.close()


@pytest.fixture(scope="module")
def arena_bench(session: Session) -> Iterator[ArenaBench]:
    found = ArenaBench(session.light)
    yield found
    found.close()
