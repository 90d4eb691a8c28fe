"""Find the project's own files, and digest the code that a stored result depends on."""

from __future__ import annotations

from pathlib import Path

from harness.support.files import file_digest

#: The checkout: the folder that holds harness/, fixtures/ and reference/.
ROOT = Path(__file__).resolve().parents[2]


def code(*names: str) -> list[str]:
    """SHA-256 of the source of modules and packages, `harness.comparison.budgets` or `reference`.

    Part of a store's key: what was computed by other code is computed again.
    Raises FileNotFoundError for a name that is no module of the project.
    """
    return [file_digest(_source(name)) for name in names]


def _source(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path if path.is_dir() else path.with_suffix(".py")
