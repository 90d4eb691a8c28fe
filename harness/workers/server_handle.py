"""Start and end the server process that forks workers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.support.processes import tail
from harness.support.project import ROOT
from harness.support.time_accounting import Account
from harness.workers import kinds
from harness.workers.answers import WorkerUnavailable
from harness.workers.limits import Limits
from harness.workers.remote import wire


@dataclass
class Server:
    """A process that has imported packages and forks workers from there (see `serve`).

    kinds: of the workers, see `harness.workers.kinds`.
    """

    kinds: tuple[str, ...]
    python: str = sys.executable
    start_deadline: float = 120.0
    #: Environment variables beside the harness's own.
    variables: Mapping[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    _process: subprocess.Popen[bytes] | None = None
    _control: socket.socket | None = None
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start the process if it does not run. Raises WorkerUnavailable when it cannot."""
        with self._lock:
            self._start()

    def fork(
        self,
        kind: str,
        channel: socket.socket,
        log_fd: int,
        region_fd: int,
        folder: Path,
        limits: Limits,
    ) -> int:
        """Fork a worker that owns `channel`, prints to `log_fd`, maps `region_fd` and keeps its
        temporary files in `folder`; its process id."""
        with self.account.time("import"), self._lock:
            for attempt in (1, 2):
                self._start()
                assert self._control is not None
                assert self._process is not None
                request = {
                    "op": "fork",
                    "kind": kind,
                    "server_pid": self._process.pid,
                    "folder": str(folder),
                    "address_space_bytes": limits.address_space_bytes,
                    "file_bytes": limits.file_bytes,
                }
                try:
                    socket.send_fds(self._control, [b"f"], [channel.fileno(), log_fd, region_fd])
                    wire.send(self._control, request, {})
                    return int(wire.receive(self._control)[0]["pid"])
                except (EOFError, OSError):
                    self._stop()  # killed from outside: one new start, then give up
                    if attempt == 2:
                        raise WorkerUnavailable(f"the {kind} server died twice") from None
        raise AssertionError

    def wait(self, pid: int) -> int | None:
        """Reap a worker that has ended: its wait status, None if the server died with it."""
        with self._lock:
            if self._control is None:
                return None
            try:
                self._control.sendall(b"w")
                wire.send(self._control, {"op": "wait", "pid": pid}, {})
                return int(wire.receive(self._control)[0]["status"])
            except (EOFError, OSError, KeyError):
                self._stop()
                return None

    def stop(self) -> None:
        """End the process and its workers; the next request starts it again."""
        with self._lock:
            self._stop()

    def close(self) -> None:
        """End the process and its workers for good: a further request is WorkerUnavailable."""
        self._closed = True
        if self._process is not None:
            self._process.kill()  # a thread that waits for it may hold the lock
        self.stop()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._stop()
        if self._closed:
            raise WorkerUnavailable("the harness is stopping")
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1"),
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "CUDA_VISIBLE_DEVICES": "",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
        }
        what = f"the worker for {', '.join(self.kinds)}"
        told = json.dumps({kind: kinds.told(kind) for kind in self.kinds})
        command = [self.python, "-m", "harness.workers.remote.serve", told]
        with tempfile.TemporaryFile() as log, theirs:
            try:
                process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    cwd=ROOT,
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise WorkerUnavailable(f"{what} did not start: {error}") from error
            theirs.close()
            self._process = process  # from now on close() ends it, whatever it is doing
            if self._closed:
                process.kill()
            ours.settimeout(self.start_deadline)
            try:
                document, _ = wire.receive(ours)
            except (EOFError, OSError, wire.ProtocolError) as error:
                self._stop()
                ours.close()
                printed = tail(log.fileno(), 0)
                raise WorkerUnavailable(
                    f"{what} did not start with {self.python}: {error}\n{printed}"
                ) from error
        if not document["ok"]:
            self._stop()
            ours.close()
            raise WorkerUnavailable(
                f"{what} cannot import its package with {self.python}: "
                f"{document['error']}: {document['message']}"
            )
        ours.settimeout(None)
        self.environment = document["environment"]
        self._control = ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # Its workers go with it: they asked the kernel for SIGKILL on its death.
            self._process.kill()
            self._process.wait()
            self._process = None
