"""Say what is installed, which runtimes work, what is missing and how to get it.

Every runtime that is installed runs a model of one small LSTM in a worker, as a gate would run it,
and must answer what the float64 oracle answers; Keras builds and converts one. Nothing is written.
Exit status: 0 where all that is installed works, 1 where something does not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fixtures.runtimes import RUNTIMES, Runtime
from harness.support.project import CACHE, COMMAND, ROOT, version

#: How much a temporary folder should have free: workers write models and logs there.
_LEAST_FREE = 256 << 20
#: float32 against float64 on one LSTM of two units: a few roundings of numbers below 1.
_ALLOWED = 1e-5


@dataclass(frozen=True)
class Finding:
    """One line. cure: how to get what is missing, empty where nothing is."""

    state: Literal["ok", "absent", "bad"]
    what: str
    told: str
    cure: str = ""

    def __str__(self) -> str:
        sign = {"ok": "ok", "absent": "--", "bad": "NO"}[self.state]
        cure = f"\n     → {self.cure}" if self.cure else ""
        return f"{sign}   {self.what}: {self.told}{cure}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of conversions")
    options = parser.parse_args(arguments)
    print(f"lstm-conformance {version()} in {ROOT}")
    worst = 0
    for finding in examined(options.cache):
        print(finding, flush=True)
        worst = max(worst, int(finding.state == "bad"))
    print("all that is installed works" if not worst else "something that is installed fails")
    return worst


def examined(cache: Path) -> Iterator[Finding]:
    """Every finding, as soon as it is known."""
    yield _python()
    yield _packages()
    yield _temporary()
    yield _cache(cache)
    yield _compiler()
    yield from _guarded("runtimes", _runtimes)


def _python() -> Finding:
    machine = f"{platform.system()} {platform.machine()}"
    told = f"{platform.python_version()} on {machine}, {os.cpu_count()} cores"
    if (3, 10) <= sys.version_info[:2] < (3, 14):
        return Finding("ok", "Python", told)
    return Finding("bad", "Python", told, "3.10 to 3.13 are supported")


def _packages() -> Finding:
    """The packages of the wheel; a checkout's are pinned in requirements/run.txt."""
    names = (
        *("numpy", "ai-edge-litert", "tflite-micro", "tensorflow", "keras"),
        *("pytest", "hypothesis"),
    )
    found, lacking = [], []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lacking.append(name)
    optional = {"tensorflow", "keras"}
    told = ", ".join(found)
    if missing := [name for name in lacking if name not in optional]:
        cure = f"pip install {' '.join(missing)}"
        return Finding("bad", "packages", f"{told}; missing: {', '.join(missing)}", cure)
    return Finding("ok", "packages", told)


def _temporary() -> Finding:
    folder = tempfile.gettempdir()
    free = os.statvfs(folder)
    room = free.f_bavail * free.f_frsize
    told = f"{folder}, {room >> 20:,} MiB free"
    if room < _LEAST_FREE:
        cure = "free some, or set TMPDIR to a folder elsewhere"
        return Finding("bad", "temporary files", told, cure)
    return Finding("ok", "temporary files", told)


def _cache(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        told = f"{folder} cannot be written ({error.strerror}): every run starts from nothing"
        return Finding("absent", "kept results", told, "--cache FOLDER keeps them there")
    return Finding("ok", "kept results", str(folder))


def _compiler() -> Finding:
    from harness.device.c_array import find_compiler

    try:
        compiler = find_compiler(os.environ.get("CXX"))
    except ValueError as error:
        return Finding("bad", "C++ compiler", str(error), "correct CXX")
    if compiler is None:
        told = "none: C arrays for devices are written and not compiled"
        return Finding("absent", "C++ compiler", told, "install g++ or clang, or set CXX")
    return Finding("ok", "C++ compiler", compiler.version)


def _guarded(what: str, examine: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a package that cannot even be read raises is a finding, too."""
    try:
        yield from examine()
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        yield Finding("bad", what, told, "pip install --force-reinstall lstm-conformance")


def _runtimes() -> Iterator[Finding]:
    from harness.workers.kinds import EXTRAS, installed

    for runtime in RUNTIMES.values():
        adapter = runtime.adapter
        if not installed(adapter):
            yield Finding("absent", runtime.name, "not installed", EXTRAS[adapter.extra])
            continue
        try:
            problem = _runs(runtime) if runtime.native else _converts()
        except Exception as error:  # whatever a broken package does is told, not raised
            problem = f"{type(error).__name__}: {error}"
        if problem:
            cure = f"pip install --force-reinstall {adapter.distribution}"
            yield Finding("bad", runtime.name, problem, cure)
        else:
            done = "runs an LSTM, and answers rightly" if runtime.native else "converts an LSTM"
            yield Finding("ok", runtime.name, done)


def _runs(runtime: Runtime) -> str:
    """Why a runtime does not run one LSTM rightly, in a server of its own; empty where it does."""
    import numpy as np

    from harness.execution.operator_runs import OperatorRuntimes
    from harness.flatbuffer.lstm_builder import OperatorLstm, build
    from harness.workers.kinds import kind_of
    from harness.workers.server_handle import Server
    from reference.lstm.float64 import lstm
    from reference.lstm.weights import Gates, LstmWeights

    random = np.random.default_rng(0)

    def four(*shape: int) -> Gates:
        return Gates(*(random.uniform(-1, 1, shape).astype(np.float32) for _ in range(4)))

    weights = LstmWeights(four(2, 3), four(2, 2), four(2))
    x = random.uniform(-1, 1, (1, 1, 4, 3)).astype(np.float32)
    wanted = lstm(weights, x[0]).outputs
    server = Server((kind_of(runtime.adapter, "tensors"),))
    runtimes = OperatorRuntimes(server, server)
    try:
        run = runtimes.run(runtime, build(OperatorLstm(weights, timesteps=4)).content, [x])
    finally:
        runtimes.close()
        server.close()
    if run.result is not None:
        return f"{run.result}"
    off = float(np.abs(run.outputs[0][0] - wanted).max())
    return "" if off <= _ALLOWED else f"its answer is off by {off:.3g}"


def _converts() -> str:
    """Why Keras does not build and convert a small model; empty where it does."""
    from fixtures.recipes import RECIPES
    from fixtures.subjects import catalogue
    from fixtures.variants import VARIANTS
    from harness.conversion.converter import Converter
    from harness.support.cache import Store
    from harness.support.time_accounting import Account
    from harness.workers.server_handle import Server

    (subject,) = catalogue([VARIANTS["units-1"]])
    account = Account()
    keras, light = Server(("keras",)), Server(("inspect",))
    converter = Converter(keras, light, Store(None, account), account)
    try:
        conversion = converter.convert(subject, RECIPES["float32"], {})
    finally:
        converter.close()
        keras.close()
        light.close()
    return "" if conversion.result.agreed else str(conversion.result)
