"""Take a Python of another architecture, and an emulator for it, out of Debian's packages.

Nothing is installed and nothing of the machine changes: apt works with a state of its own, and the
packages are unpacked below one folder, so that no privilege is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.assurance.emulation.architectures import Architecture

#: One update or download from a slow mirror.
SECONDS = 900
PYTHON = "python3.11"


class NotAvailable(Exception):
    """Something that an emulated Python needs cannot be had here; the message says what."""


def run(words: Sequence[str], what: str, folder: Path, variables: dict[str, str]) -> str:
    """What a program prints. Raises NotAvailable with what it printed where it fails."""
    try:
        done = subprocess.run(
            list(words),
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise NotAvailable(f"{what}: {words[0]} was not found") from error
    except subprocess.TimeoutExpired as error:
        raise NotAvailable(f"{what} took more than {SECONDS} seconds") from error
    if done.returncode != 0:
        printed = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise NotAvailable(f"{what} failed with status {done.returncode}:\n{printed}")
    return done.stdout


def check() -> None:
    """Raises NotAvailable where this machine has no Debian tools."""
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise NotAvailable(
            f"{' and '.join(missing)} not found: an emulated Python is made from Debian's "
            "packages, on a machine with apt (Debian, Ubuntu); as root or not"
        )


def unpack_python(architecture: Architecture, root: Path, work: Path) -> None:
    """Python and its libraries of an architecture below `root`. Raises NotAvailable."""
    packages = [PYTHON, f"lib{PYTHON}-stdlib", "libstdc++6"]
    if architecture.numpy_of_debian:
        packages.append("python3-numpy")
    for archive in _download(packages, architecture.debian, work / architecture.debian):
        run(["dpkg-deb", "-x", str(archive), str(root)], f"unpacking {archive.name}", work, {})


def emulator(architecture: Architecture, home: Path, work: Path) -> Path:
    """The emulator: the machine's own, or one taken from Debian's packages into `home`.

    Raises NotAvailable where neither is to be had.
    """
    for name in (architecture.emulator, f"{architecture.emulator}-static"):
        if found := shutil.which(name):
            return Path(found)
    kept = home / f"{architecture.emulator}-static"
    if not kept.is_file():
        unpacked = work / "emulator"
        (archive,) = _download(["qemu-user-static"], "", work / "host", alone=True)
        run(["dpkg-deb", "-x", str(archive), str(unpacked)], "unpacking the emulator", work, {})
        shutil.copy2(unpacked / "usr" / "bin" / kept.name, kept)
    return kept


def _download(packages: list[str], debian: str, work: Path, alone: bool = False) -> list[Path]:
    """Archives of packages with all that they depend on, or alone.

    debian: the architecture, none for the machine's own.
    """
    variables = _private_state(debian, work)
    # One index of many that fails (a third party's, say) must not stop the rest; a package that
    # is missing then is told by the download.
    subprocess.run(
        ["apt-get", "update"],
        env={**os.environ, **variables},
        capture_output=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    archives = work / "cache" / "archives"
    if alone:
        run(["apt-get", "download", *packages], "apt-get download", work, variables)
        return sorted(work.glob("*.deb"))
    words = ["apt-get", "--yes", "--no-install-recommends", "--download-only", "install"]
    run([*words, *packages], f"downloading {packages[0]} for {debian}", work, variables)
    return sorted(archives.glob("*.deb"))


def _private_state(debian: str, work: Path) -> dict[str, str]:
    """A state of apt's own below `work`, with the machine's list of sources."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    lines = [
        f'Dir::State "{work / "state"}";',
        f'Dir::State::status "{work / "status"}";',
        f'Dir::Cache "{work / "cache"}";',
        'Debug::NoLocking "1";',
        'APT::Sandbox::User "";',
    ]
    if debian:
        lines += [f'APT::Architecture "{debian}";', f'APT::Architectures {{ "{debian}"; }};']
    path = work / "apt.conf"
    path.write_text("\n".join([*lines, ""]))
    return {"APT_CONFIG": str(path)}
