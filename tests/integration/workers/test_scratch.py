"""Temporary files go when their worker or their run goes, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.outcomes import Outcome
from harness.support import scratch
from harness.support.project import ROOT
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server
from tests.support.drill_worker import DRILL

QUICK = Limits(seconds=2.0, memory_bytes=256 << 20)


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of the test's own."""
    scratch.close()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    scratch.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server((DRILL,))
    yield found
    found.close()


def _litter(worker: Worker) -> Path:
    answer = worker.call("litter")
    assert isinstance(answer, Answer)
    path = Path(answer.document["path"])
    assert path.is_file()
    return path


@pytest.mark.parametrize("end", ["close", "SIGKILL", "SIGSEGV", "hang"])
def test_a_workers_temporary_files_go_with_it(below: Path, server: Server, end: str) -> None:
    worker = Worker(server, DRILL, QUICK)
    path = _litter(worker)
    assert below in path.parents
    if end == "close":
        worker.close()
    elif end == "hang":
        failure = worker.call("hang")
        assert isinstance(failure, Failure)
        assert failure.outcome is Outcome.HUNG
    else:
        failure = worker.call("die", signal=end)
        assert isinstance(failure, Failure)
        assert failure.outcome is Outcome.CRASHED
    assert not path.exists()
    again = _litter(worker)
    assert again.parent != path.parent
    worker.close()
    assert not again.exists()


def test_native_code_gets_the_folder_too(below: Path, server: Server) -> None:
    """TensorFlow reads TMPDIR itself; Python's tempfile is not asked."""
    worker = Worker(server, DRILL, QUICK)
    answer = worker.call("litter")
    assert isinstance(answer, Answer)
    assert Path(answer.document["TMPDIR"]) == Path(answer.document["path"]).parent
    worker.close()


def test_a_file_without_end_is_stopped(below: Path, server: Server) -> None:
    worker = Worker(server, DRILL, Limits(seconds=20, file_bytes=1 << 20))
    failure = worker.call("flood")
    assert isinstance(failure, Failure)
    assert "File too large" in failure.message
    worker.close()


def test_the_sessions_folder_goes_with_the_process(below: Path) -> None:
    code = "from harness.support import scratch; print(scratch.folder('x'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"TMPDIR": str(below)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert below in Path(done.stdout.strip()).parents
    assert not list(below.iterdir())


def test_what_a_killed_run_left_is_removed_by_the_next_and_no_living_runs_files(
    below: Path,
) -> None:
    code = (
        "import time\nfrom harness.support import scratch\n"
        "(scratch.folder('x') / 'file').write_text('x'); print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"TMPDIR": str(below)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline().strip() == "ready"
    assert len(list(below.glob(f"{scratch.PREFIX}*"))) == 2
    runs[0].send_signal(signal.SIGKILL)
    runs[0].wait()
    swept = scratch.sweep(below)
    assert len(swept) == 1
    assert len(list(below.glob(f"{scratch.PREFIX}*/x-*/file"))) == 1, "the other run lives"
    runs[1].kill()
    runs[1].wait()
    for run in runs:
        assert run.stdout is not None
        run.stdout.close()
    own = scratch.folder("y")
    assert list(below.iterdir()) == [own.parent], "the next run has swept"


def test_folders_that_are_not_the_harnesses_stay(below: Path) -> None:
    stranger = below / f"{scratch.PREFIX}by-hand"
    stranger.mkdir()
    link = below / f"{scratch.PREFIX}link"
    link.symlink_to(stranger)
    assert scratch.sweep(below) == []
    assert stranger.is_dir()
