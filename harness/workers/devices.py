"""Make runtimes of the devices that `--device` names, and give each to one speaker at a time."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock

from fixtures.runtimes import Runtime
from fixtures.runtimes.device import DEVICE, device
from harness.workers.remote.board import transport

_LABEL = re.compile(r"([0-9A-Za-z_.-]+)=(.+)\Z", re.DOTALL)


def devices(entries: Sequence[str]) -> tuple[Runtime, ...]:
    """The runtimes of `--device [LABEL=]TRANSPORT`: `device`, or `device@LABEL`.

    Raises ValueError, naming what was expected, for another form.
    """
    found: dict[str, Runtime] = {}
    for entry in entries:
        labelled = _LABEL.match(entry)
        label, wire = labelled.groups() if labelled else ("", entry)
        try:
            scheme, rest = transport.split(wire)
            if scheme == "serial":
                transport.port_of(rest)
        except ValueError as error:
            raise ValueError(f"--device {entry}: {error}") from error
        if scheme == "log" and not Path(rest).is_file():
            raise ValueError(f"--device {entry}: no such file; expected a captured serial log")
        name = f"{DEVICE.name}@{label}" if label else DEVICE.name
        if name in found:
            raise ValueError(
                f"--device: there are two of the name {name}; expected LABEL=TRANSPORT for one"
            )
        found[name] = device(name, wire)
    return tuple(found.values())


def holds_one_model(runtime: Runtime) -> bool:
    """Whether it is a device that is not started with the model that it is to run."""
    started = runtime.transport.startswith("exec:") and transport.PLACE in runtime.transport
    return bool(runtime.transport) and not started


def recorded(runtime: Runtime) -> bool:
    """Whether a device is a log: it answers only what it was asked then."""
    return runtime.transport.startswith("log:")


@contextlib.contextmanager
def alone(runtime: Runtime) -> Iterator[None]:
    """Nobody else of this machine speaks to the device meanwhile, where it is on a port. Every
    other runtime needs no such thing."""
    scheme = transport.split(runtime.transport)[0] if runtime.transport else ""
    if scheme != "serial":
        yield
        return
    name = hashlib.sha256(runtime.transport.partition("@")[0].encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"lstm-device-{name}.lock"):
        yield
