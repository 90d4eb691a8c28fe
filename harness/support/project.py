"""Find the project's own files, and digest the code that a stored result depends on."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from harness.support.files import file_digest

#: The folder that holds harness/, fixtures/ and reference/: a checkout, or what the wheel carries.
ROOT = Path(__file__).resolve().parents[2]
#: Whether it was installed from a wheel.
INSTALLED = ROOT.name == "tree" and ROOT.parent.name == "lstm_conformance"


def _cache() -> Path:
    """A checkout keeps its results beside its code; an installation belongs to no user, whose
    folder is that of the XDG base directory specification."""
    if not INSTALLED:
        return ROOT / ".cache"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lstm-conformance"


#: Where results are kept unless a run says otherwise.
CACHE = _cache()
#: What starts a run and the commands beside it, as a user types it.
GATE = "lstm-conformance gate" if INSTALLED else "pytest"
COMMAND = "lstm-conformance" if INSTALLED else "python -m harness"


def version() -> str:
    """The version that is installed, or of the checkout."""
    try:
        return importlib.metadata.version("lstm-conformance")
    except importlib.metadata.PackageNotFoundError:
        lines = (ROOT / "pyproject.toml").read_text().splitlines()
        found = next(line for line in lines if line.startswith("version = "))
        return found.split('"')[1]


def code(*names: str) -> list[str]:
    """SHA-256 of the source of modules and packages, `harness.comparison.budgets` or `reference`.

    Part of a store's key: what was computed by other code is computed again.
    Raises FileNotFoundError for a name that is no module of the project.
    """
    return [file_digest(_source(name)) for name in names]


def _source(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path if path.is_dir() else path.with_suffix(".py")
