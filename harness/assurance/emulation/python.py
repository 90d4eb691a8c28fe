"""Put a runtime's packages into an emulated Python, and make it look like a board."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from harness.assurance.emulation.architectures import Architecture, Board
from harness.assurance.emulation.debian import PYTHON, NotAvailable, run
from harness.workers.remote.wire import EMULATED

SITE = Path("lib") / PYTHON / "site-packages"


def locked(lock: str, names: Iterable[str]) -> str:
    """The entries of a lock file for these packages, with their hashes.

    Raises NotAvailable for a package that the lock does not have.
    """
    entries = {
        _canonical(block.split("==")[0]): block
        for block in re.findall(r"^\S.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
        if "==" in block and not block.startswith("#")
    }
    missing = [name for name in names if _canonical(name) not in entries]
    if missing:
        raise NotAvailable(f"{', '.join(missing)}: not among the pinned requirements")
    return "".join(entries[_canonical(name)] for name in names)


def with_dependencies(package: str) -> list[str]:
    """A package that is installed here and all that it needs, by name.

    Raises NotAvailable for one that is not installed.
    """
    found: dict[str, None] = {}
    waiting = [package]
    while waiting:
        name = _canonical(waiting.pop())
        if name in found:
            continue
        try:
            needed = requires(name) or []
        except PackageNotFoundError as error:
            raise NotAvailable(f"{name} is not installed here: its version is taken") from error
        found[name] = None
        for text in needed:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found)


def install(
    architecture: Architecture, package: str, lock: str, environment: Path, work: Path
) -> None:
    """Put a runtime's packages below `environment`, from wheels only. Raises NotAvailable.

    A package without a version is the installation's own, pinned with its hashes; one with a
    version (tflite-runtime==2.14.0) is taken alone, beside Debian's NumPy or the pinned one.
    """
    target = environment / SITE
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    words += ["--target", str(target), "--no-deps", "--only-binary=:all:"]
    words += ["--python-version", "3.11", "--implementation", "cp"]
    words += [f"--abi={abi}" for abi in ("cp311", "abi3", "none")]
    words += [f"--platform={platform}" for platform in architecture.platforms]
    pinned = [] if "==" in package else with_dependencies(package)
    if "==" in package:
        run([*words, package], f"installing {package}", work, {})
        pinned = [] if architecture.numpy_of_debian else ["numpy"]
    if pinned:
        chosen = work / "requirements.txt"
        chosen.write_text(locked(lock, pinned))
        told = [*words, "--require-hashes", "-r", str(chosen)]
        run(told, f"installing {package} for {architecture.name}", work, {})
    _byte_compile(target, work)


def _byte_compile(target: Path, work: Path) -> None:
    """Bytecode is the same on every processor: a native Python writes it in a second, where an
    emulated one would compile at each import (measured: 4.4 s instead of 1.0 s)."""
    native = shutil.which(PYTHON) or (sys.executable if sys.version_info[:2] == (3, 11) else None)
    if native is not None:
        words = [native, "-m", "compileall", "-q", "-j", "2", str(target)]
        run(words, "compiling", work, {"PYTHONDONTWRITEBYTECODE": ""})


def write(architecture: Architecture, board: Board, home: Path, emulator: Path, root: Path) -> Path:
    """The program that starts the emulated Python, and what makes it a board's; its path.

    root: Debian's files; the emulator looks there first for every absolute path, so that a board's
    /proc/cpuinfo is read instead of this machine's.
    """
    for name, text in board.files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = home / "env"
    (environment / "bin").mkdir(parents=True, exist_ok=True)
    inner = environment / "bin" / PYTHON
    shutil.copy2(root / "usr" / "bin" / PYTHON, inner)
    (environment / "pyvenv.cfg").write_text(
        f"home = {root / 'usr' / 'bin'}\ninclude-system-site-packages = false\nversion = 3.11\n"
    )
    if architecture.numpy_of_debian:
        (environment / SITE).mkdir(parents=True, exist_ok=True)
        packages = root / "usr" / "lib" / "python3" / "dist-packages"
        (environment / SITE / "debian.pth").write_text(f"{packages}\n")
    found = ":".join(str(root / folder) for folder in architecture.libraries)
    libraries = f" -E 'LD_LIBRARY_PATH={found}'" if found else ""
    program = program_of(home, board)
    program.write_text(
        textwrap.dedent(
            f"""\
            #!/bin/sh
            export {EMULATED}='{architecture.name}, {board.name} ({board.cpu})'
            exec '{emulator}' -cpu {board.cpu} -L '{root}'{libraries} -0 "$0" '{inner}' "$@"
            """
        )
    )
    program.chmod(0o755)
    return program


def program_of(home: Path, board: Board) -> Path:
    """Where the program is. Python looks for its environment (pyvenv.cfg) beside it."""
    return home / "env" / "bin" / f"python-{board.name}"


def asked(program: Path, code: str, work: Path) -> str:
    """What the emulated Python answers. Raises NotAvailable with what it printed."""
    return run([str(program), "-c", code], f"{program.name}", work, {}).strip()


def installed_version(package: str) -> str:
    """The version that will be installed. Raises NotAvailable for one that is not here."""
    if "==" in package:
        return package.partition("==")[2]
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise NotAvailable(f"{package} is not installed here: its version is taken") from error


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def module_of(package: str) -> str:
    """What a runtime's package is imported by."""
    return _canonical(package.partition("==")[0]).replace("-", "_")
