"""Make an emulated ARM Python with LiteRT below .cache, for `--runtime-python`.

    python -m harness arm64 [--architecture armhf] [--board pi5]

It is made from Debian's packages and wheels alone, without root, and nothing of the machine
changes. Answers are an emulator's: no time measured in it says anything of a board, and a worker's
address space has no limit there (the emulator ignores RLIMIT_AS; deadlines hold).

Exit status: 0 for an environment that answers, 1 where something it needs is not to be had, 2 for a
wrong option.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.assurance.emulation import debian, python
from harness.assurance.emulation.architectures import ARCHITECTURES, Architecture, Board
from harness.support.project import CACHE, ROOT

_ASKED = "import platform, sys, numpy, {0}; print(platform.machine(), numpy.__version__)"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    architecture = ARCHITECTURES[options.architecture]
    try:
        board = architecture.board(options.board)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    package = options.package or architecture.package
    try:
        program, answer = make(architecture, board, package, options.folder)
    except debian.NotAvailable as error:
        print(f"error: {architecture.name} is not emulated here: {error}", file=sys.stderr)
        return 1
    print(f"{program}: {answer}, {package} {python.installed_version(package)}, emulated")
    runtime = f"{architecture.runtime}@{architecture.name}"
    print(f"use it: pytest suites/ --runtime-python {runtime}={program}")
    return 0


def make(architecture: Architecture, board: Board, package: str, folder: Path) -> tuple[Path, str]:
    """The environment's program and what it answers: its machine and NumPy.

    What is there from an earlier run is used again. Raises NotAvailable.
    """
    version = python.installed_version(package)
    home = folder / f"{architecture.name}-{python.module_of(package)}-{version}"
    asked = _ASKED.format(python.module_of(package))
    if not (home / "done").is_file():
        debian.check()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="emulation-") as scratch:
        work, root = Path(scratch), home / "root"
        if not (home / "done").is_file():
            debian.unpack_python(architecture, root, work)
            lock = (ROOT / "requirements" / "run.txt").read_text()
            python.install(architecture, package, lock, home / "env", work)
            (home / "done").touch()
        emulator = debian.emulator(architecture, home, work)
        program = python.write(architecture, board, home, emulator, root)
        return program, python.asked(program, asked, work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness arm64", description=__doc__)
    add = parser.add_argument
    add("--architecture", choices=ARCHITECTURES, default="arm64")
    add("--board", default="", help="pi3, pi4 or pi5; the first of the architecture's")
    add("--package", default="", help="another runtime, as tflite-runtime==2.14.0")
    add(
        "--folder",
        type=Path,
        default=CACHE / "emulation",
        help="where environments are kept",
    )
    return parser
