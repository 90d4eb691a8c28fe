"""Say what a run of the tests left in the working tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: Where a user's runs and measurements go; environments of other versions are no run's.
GENERATED = (
    "report",
    ".benchmarks",
    ".hypothesis/examples",
    "mutants",
    "examples/digits/out",
    ".cache",
)
NOT_LOOKED_AT = ("versions",)

Traces = dict[str, tuple[int, int]]


def traces(root: Path) -> Traces:
    """Time and size of each generated file, and of each that git does not know."""
    found = [Path(line) for line in _unknown(root)]
    for name in GENERATED:
        for folder, folders, files in os.walk(root / name):
            folders[:] = [each for each in folders if each not in NOT_LOOKED_AT]
            found += [Path(folder, file).relative_to(root) for file in files]
    return {str(path): _state(root / path) for path in found if (root / path).is_file()}


def changed(before: Traces, after: Traces) -> list[str]:
    """Files that are new, gone or written again."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def _unknown(root: Path) -> list[str]:
    listed = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=root, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name]


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
