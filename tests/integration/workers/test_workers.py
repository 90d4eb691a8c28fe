"""Whatever a worker does ends as a value, and the next request finds a new worker."""

from __future__ import annotations

import os
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from fixtures.outcomes import Outcome
from harness.support import scratch
from harness.workers.answers import Answer, Failure, WorkerUnavailable
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server
from tests.support.drill_worker import DRILL

QUICK = Limits(seconds=1.0, memory_bytes=256 << 20)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server((DRILL,))
    yield found
    found.stop()


@pytest.fixture
def worker(server: Server) -> Iterator[Worker]:
    found = Worker(server, DRILL, QUICK)
    yield found
    found.close()


def _still_works(worker: Worker) -> None:
    answer = worker.call("echo", {"x": np.arange(3)}, say="alive")
    assert isinstance(answer, Answer)
    assert answer.document["said"] == "alive"
    np.testing.assert_array_equal(answer.arrays["x"], [0, 1, 2])


def _failure(result: Answer | Failure) -> Failure:
    assert isinstance(result, Failure), f"expected a failure, got {result}"
    return result


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE", "SIGBUS", "SIGILL"])
def test_a_crash_names_its_signal_and_what_was_printed(worker: Worker, name: str) -> None:
    failure = _failure(worker.call("die", signal=name, say="last words"))
    assert (failure.outcome, failure.message) == (Outcome.CRASHED, name)
    assert failure.native == "last words"
    _still_works(worker)


def test_a_silent_exit_is_a_crash(worker: Worker) -> None:
    failure = _failure(worker.call("leave", status=3))
    assert (failure.outcome, failure.message) == (Outcome.CRASHED, "exit status 3")
    _still_works(worker)


def test_a_hang_ends_at_the_deadline(worker: Worker) -> None:
    began = time.monotonic()
    failure = _failure(worker.call("hang"))
    assert failure.outcome is Outcome.HUNG
    assert "deadline of 1 s" in failure.message
    assert 1.0 <= time.monotonic() - began < 3.0
    _still_works(worker)


def test_an_endless_loop_ends_by_its_processor_time(worker: Worker) -> None:
    failure = _failure(worker.call("spin", limits=Limits(seconds=30, cpu_seconds=0.5)))
    assert failure.outcome is Outcome.HUNG
    assert "0.5 s of processor time" in failure.message
    _still_works(worker)


def test_waiting_is_no_processor_time(worker: Worker) -> None:
    failure = _failure(worker.call("hang", limits=Limits(seconds=1, cpu_seconds=0.2)))
    assert "deadline of 1 s" in failure.message


def test_a_stopped_worker_is_hung_even_for_a_request_it_does_not_read(worker: Worker) -> None:
    _still_works(worker)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    failure = _failure(worker.call("echo", {"large": np.zeros(32 << 20, np.uint8)}))
    assert failure.outcome is Outcome.HUNG
    _still_works(worker)


@pytest.mark.parametrize(
    "said",
    [
        struct.pack("<II", 0xFFFFFFFF, 1),
        struct.pack("<II", 4, 0) + b"noise",
        struct.pack("<II", 2, 7) + b"{}",
    ],
)
def test_an_answer_that_makes_no_sense_is_a_crash(worker: Worker, said: bytes) -> None:
    failure = _failure(worker.call("babble", hex=said.hex(), limits=Limits(seconds=20)))
    assert failure.outcome is Outcome.CRASHED
    assert "makes no sense" in failure.message
    _still_works(worker)


def test_a_server_that_is_still_importing_is_closed_at_once() -> None:
    """Ctrl-C must not wait for TensorFlow's import."""
    server = Server(("keras",))
    ended: list[object] = []

    def start() -> None:
        try:
            server.start()
        except WorkerUnavailable as error:
            ended.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while server._process is None:
        time.sleep(0.005)
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 1.0
    thread.join(timeout=5)
    assert len(ended) == 1
    with pytest.raises(WorkerUnavailable):
        server.start()


def test_a_starved_worker_answers_late_and_right(worker: Worker) -> None:
    """Stopped and continued: what it gets of the processor is little, and its deadline is far."""
    _still_works(worker)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (pid, signal.SIGCONT)).start()
    answer = worker.call("echo", say="late", limits=Limits(seconds=20, cpu_seconds=0.5))
    assert isinstance(answer, Answer)
    assert answer.document["said"] == "late"
    assert answer.seconds >= 0.4
    assert worker.pid == pid


def test_no_room_for_temporary_files_makes_the_worker_unavailable(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.close()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(WorkerUnavailable, match="no temporary file can be made"):
        Worker(server, DRILL, QUICK).call("echo")


def test_growing_memory_is_stopped_at_the_limit(worker: Worker) -> None:
    patient = Limits(seconds=30, memory_bytes=QUICK.memory_bytes)
    failure = _failure(worker.call("swell", limits=patient))
    assert failure.outcome is Outcome.OUT_OF_MEMORY
    assert "256 MiB" in failure.message
    _still_works(worker)


def test_one_huge_claim_is_refused_by_the_address_space(server: Server) -> None:
    worker = Worker(server, DRILL, Limits(seconds=5, address_space_bytes=2 << 30))
    failure = _failure(worker.call("claim", bytes=4 << 30))
    assert failure.outcome is Outcome.OUT_OF_MEMORY
    worker.close()


def test_a_refusal_carries_the_exception(worker: Worker) -> None:
    _still_works(worker)
    before = worker.pid
    failure = _failure(worker.call("refuse", say="no such thing"))
    assert (failure.outcome, failure.message) == (Outcome.REFUSED, "ValueError: no such thing")
    assert failure.repeatable
    assert worker.pid == before, "a refusal is no reason for a new process"


def test_a_worker_killed_from_outside_costs_one_request(worker: Worker) -> None:
    _still_works(worker)
    pid = worker.pid
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    failure = _failure(worker.call("hang", limits=Limits(seconds=10)))
    assert failure.outcome is Outcome.CRASHED
    assert "killed from outside" in failure.message
    assert not failure.repeatable
    _still_works(worker)


def test_a_server_killed_from_outside_costs_one_request(server: Server, worker: Worker) -> None:
    _still_works(worker)
    parent = psutil.Process(worker.pid).ppid()
    threading.Timer(0.2, os.kill, (parent, signal.SIGKILL)).start()
    failure = _failure(worker.call("hang", limits=Limits(seconds=10)))
    assert failure.outcome is Outcome.CRASHED
    _still_works(worker)


def test_what_was_printed_before_belongs_to_the_request_before(worker: Worker) -> None:
    first = worker.call("echo", say="first")
    second = worker.call("echo", say="second")
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.native, second.native) == ("first", "second")


def test_nothing_is_left_behind() -> None:
    own = psutil.Process()
    before = {child.pid for child in own.children(recursive=True)}
    descriptors = own.num_fds()
    server = Server((DRILL,))
    workers = [Worker(server, DRILL, QUICK) for _ in range(3)]
    for worker in workers:
        _still_works(worker)
    started = {child.pid for child in own.children(recursive=True)} - before
    assert len(started) == 4
    for worker in workers:
        worker.close()
    server.stop()
    assert not [pid for pid in started if psutil.pid_exists(pid)]
    assert own.num_fds() == descriptors


def test_workers_end_when_the_harness_is_killed() -> None:
    """A harness that dies without a word leaves no processes."""
    import subprocess
    import sys

    code = (
        "import time\n"
        "from harness.workers.client import Server, Worker\n"
        f"s = Server(('{DRILL}',)); w = Worker(s, '{DRILL}'); w.ensure()\n"
        "print(s._process.pid, w.pid, flush=True); time.sleep(60)\n"
    )
    harness = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert harness.stdout is not None
    pids = [int(word) for word in harness.stdout.readline().split()]
    assert len(pids) == 2
    harness.kill()
    harness.wait()
    harness.stdout.close()
    until = time.monotonic() + 5
    while time.monotonic() < until and any(psutil.pid_exists(pid) for pid in pids):
        time.sleep(0.05)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize(
    ("python", "kinds", "message"),
    [
        ("/nowhere/python", (DRILL,), "No such file"),
        ("/bin/true", (DRILL,), "did not start"),
    ],
)
def test_a_python_that_cannot_serve_is_named(
    python: str, kinds: tuple[str, ...], message: str
) -> None:
    with pytest.raises(WorkerUnavailable, match=message):
        Server(kinds, python=python).start()
