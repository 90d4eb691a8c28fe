"""Whole runs survive attacks: Ctrl-C in each phase, no disk, a shared cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.support.project import ROOT
from tests.support.interrupting import hear_ctrl_c

#: What a run may take to end after Ctrl-C, on a busy machine.
PROMPTLY = 15.0


def _command(models: Path, out: Path, *more: str | Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider"),
        *("--model", str(models / "small.h5"), "--recipe", "float32", "--jobs", "1"),
        *("--report", str(out), *map(str, more)),
    ]


def _report(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "conformance.json").read_text())
    return document


@pytest.mark.parametrize(
    "phase", ["import", "build", "convert", "load", "invoke", "compare", "report"]
)
def test_ctrl_c_ends_every_phase_promptly_with_a_report_and_nothing_left(
    models: Path, tmp_path: Path, phase: str
) -> None:
    temporary, out, pressed = tmp_path / "tmp", tmp_path / "report", tmp_path / "pressed"
    temporary.mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "LSTM_INTERRUPT_IN": phase,
        "LSTM_INTERRUPTED_AT": str(pressed),
    }
    selected = ("-k", "test_parity or test_conversion")
    run = subprocess.Popen(
        [*_command(models, out, "--no-cache", *selected), "-p", "tests.support.interrupting"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    started: set[psutil.Process] = set()
    while run.poll() is None and not pressed.exists():
        started |= set(psutil.Process(run.pid).children(recursive=True))
        time.sleep(0.02)
    text = run.communicate(timeout=200)[0]
    ended = time.time()
    assert pressed.exists(), text
    assert run.returncode == 2, text
    assert ended - float(pressed.read_text()) < PROMPTLY
    assert _report(out)["interrupted"] is True
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive
    assert not list(temporary.iterdir())


def _mounted(folder: Path, options: str, command: Sequence[str]) -> list[str]:
    """A command that sees a file system of its own at a folder. Root's permissions stop at no
    mode bit, but at a read-only or full file system as everybody's do."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    mount = f'mount -t tmpfs -o {options} tmpfs "$0"'
    found = shutil.which("unshare") is not None
    probe = [*own, "sh", "-c", mount, str(folder)]
    if not found or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    return [*own, "sh", "-c", f'{mount} && exec "$@"', str(folder), *command]


@pytest.mark.parametrize(
    ("options", "message"),
    [("size=1m,ro", "Read-only file system"), ("size=8k", "No space left on device")],
    ids=["read-only", "full"],
)
def test_a_disk_that_takes_nothing_is_named_and_loses_no_case(
    models: Path, tmp_path: Path, options: str, message: str
) -> None:
    """Cache and report are on it: the run goes on without the one and fails for the other. The
    case that has to write files for the device fails, too; every other agrees."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = _command(models, disk / "report", "--cache", disk / "cache")
    listing = 'status=0; "$@" || status=$?; find "$0" -type f; exit $status'
    shown = ["sh", "-c", listing, str(disk), *command]
    done = subprocess.run(
        _mounted(disk, options, shown), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    text = done.stdout.replace("\n", " ")
    assert "not all could be written" in text, done.stdout + done.stderr
    assert message in text
    assert done.returncode == 3
    assert "1 failed, 0 untested" in text
    assert "files for the device could not be written" in text
    assert ".unfinished" not in text


def _read_only_checkout(command: Sequence[str]) -> list[str]:
    """A command in a checkout that nobody may write."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0"'
    probe = [*own, "sh", "-c", mount, str(ROOT)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    return [*own, "sh", "-c", f'{mount} && exec "$@"', str(ROOT), *command]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["report elsewhere", "report within"])
def test_a_checkout_that_nobody_may_write(models: Path, tmp_path: Path, elsewhere: bool) -> None:
    """The cache, whose place is the checkout's, costs speed only; a report that is wanted there
    cannot be written, which is said. Pytest's own cache is switched on, as users have it."""
    out = tmp_path / "report"
    command = _command(models, out if elsewhere else ROOT / ".cache" / "no report")
    command = [word for word in command if word not in ("-p", "no:cacheprovider")]
    done = subprocess.run(
        _read_only_checkout([*command, "-k", "test_parity", f"--cache={ROOT / '.cache' / 'new'}"]),
        capture_output=True,
        text=True,
        timeout=300,
    )
    text = " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    assert "conversions are not kept for another run ([Errno 30] Read-only file system" in text
    assert "--cache PATH keeps them there" in text
    assert " 0 failed, 0 untested" in text, text
    if elsewhere:
        assert done.returncode == 0, text
        assert _report(out)["totals"]["agreed"] == _report(out)["totals"]["expected"] > 0
    else:
        assert done.returncode == 3
        assert "not all could be written: [Errno 30] Read-only file system" in text


def test_two_runs_share_one_cache(models: Path, tmp_path: Path) -> None:
    """Both succeed, and every entry is whole."""
    cache = tmp_path / "cache"
    runs = [
        subprocess.Popen(
            _command(models, tmp_path / f"report {k}", "--cache", cache),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for k in range(2)
    ]
    for run in runs:
        text = run.communicate(timeout=300)[0]
        assert run.returncode == 0, text
    first, second = (_report(tmp_path / f"report {k}") for k in range(2))
    assert first["totals"] == second["totals"]
    entries = [path for path in cache.rglob("*") if path.is_file()]
    assert entries
    for path in entries:
        if path.suffix == ".lock":  # who makes an entry holds it
            assert path.stat().st_size == 0
            continue
        assert path.suffix == ".npz"
        data = path.read_bytes()
        assert hashlib.sha256(data[:-32]).digest() == data[-32:]
