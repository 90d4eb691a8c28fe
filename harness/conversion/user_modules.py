"""Find the modules that define a user's custom layers, which a worker imports.

The harness itself imports none of them: their code runs in a worker only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from harness.support.files import file_digest


@dataclass(frozen=True)
class UserModule:
    """A module by the name that it is imported by.

    root: the folder that its own imports start from. file: its source.
    """

    name: str
    root: Path
    file: Path

    def document(self) -> dict[str, str]:
        """As a worker's request has it."""
        return {"name": self.name, "root": str(self.root), "file": str(self.file)}

    def key(self) -> list[str]:
        """What decides what it defines: its file, and those beside it, which it may import."""
        beside = sorted(self.file.parent.glob("*.py"))
        return [self.name, *(f"{path.name} {file_digest(path)}" for path in beside)]


def find(given: Sequence[str]) -> tuple[UserModule, ...]:
    """The module of each name or .py file.

    Raises ValueError for one that is not there.
    """
    return tuple(_of_file(Path(one)) if one.endswith(".py") else _named(one) for one in given)


def _of_file(path: Path) -> UserModule:
    if not path.is_file():
        raise ValueError(f"--import {path}: no such file; expected a .py file or a module's name")
    path = path.absolute()
    return UserModule(path.stem, path.parent, path)


def _named(name: str) -> UserModule:
    """Found as importing would find it, without importing the packages around it."""
    folders: list[str] | None = None
    root: Path | None = None
    spec = None
    parts = name.split(".")
    for part in parts:
        spec = PathFinder.find_spec(part, folders)
        if spec is None or spec.origin is None:
            spec = None
            break
        if root is None:
            origin = Path(spec.origin)
            root = origin.parent.parent if spec.submodule_search_locations else origin.parent
        folders = list(spec.submodule_search_locations or ())
    if spec is None or spec.origin is None or root is None or not Path(spec.origin).is_file():
        raise ValueError(
            f"--import {name}: no such module on the path; expected a module's name or a .py file"
        )
    return UserModule(name, root, Path(spec.origin))
