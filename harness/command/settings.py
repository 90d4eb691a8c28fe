"""Read what a project promises of its models: the table [tool.lstm-conformance].

Settings among pytest's own, [tool.pytest.ini_options] with the prefix lstm_, are read too.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.support.project_settings import MODELS, PREFIX, REST, TABLE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KINDS = {name: kind for name, (_, kind, _) in {**MODELS, **REST}.items()}


def read(path: Path) -> dict[str, Any]:
    """The settings of a pyproject.toml by name, paths absolute; empty where there are none.

    Raises ValueError, naming what was expected, for a file or a setting that cannot be meant.
    """
    if not path.is_file():
        return {}
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: {error}") from error
    pytests = tools.get("pytest", {})
    given = {
        name.removeprefix(PREFIX): value
        for name, value in {**pytests, **pytests.get("ini_options", {})}.items()
        if name.startswith(PREFIX)
    }
    own = tools.get(TABLE, {})
    unknown = [name for name in (*given, *own) if name not in _KINDS]
    if unknown:
        raise ValueError(
            f"{path}: [tool.{TABLE}] {', '.join(unknown)}: unknown; known are {', '.join(_KINDS)}"
        )
    found = {**given, **own}
    return {name: _valid(path, name, value) for name, value in found.items()}


def _valid(path: Path, name: str, value: Any) -> Any:
    """A setting as a flag, a number, or a list of words."""
    kind = _KINDS[name]
    wrong = ValueError(f"{path}: {name} = {value!r}: expected {_EXPECTED[kind]}")
    if kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if kind == "number":
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise wrong
        return number
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise wrong
    if kind in ("path", "paths"):
        return [str(path.resolve().parent / word) for word in words]
    return words


_EXPECTED = {
    "bool": "true or false",
    "number": "a number of bytes above 0",
    "path": "a path",
    "paths": "a list of paths",
    "args": "a list of names",
    "linelist": "a list of lines",
}


def names_models(project: Mapping[str, Any]) -> bool:
    return bool(project.get("models") or project.get("tflite"))


def overrides(project: Mapping[str, Any]) -> Sequence[str]:
    """The settings as pytest takes them on its command line."""
    return [f"{PREFIX}{name}={_text(name, value)}" for name, value in project.items()]


def _text(name: str, value: Any) -> str:
    if isinstance(value, (bool, int)):
        return str(value).lower()
    return "\n".join(value) if _KINDS[name] == "linelist" else shlex.join(value)
