"""The map of the harness, the layers and the tree say the same."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from harness.support.project import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAP = (ROOT / "harness" / "README.md").read_text()
#: Package, sentence and what it may import, as the map's tables have them.
ROWS = re.findall(r"^\| `([\w/]+)` \| (.*?) \|(?: (.*?) \|)?$", MAP, flags=re.MULTILINE)


def _layers() -> list[str]:
    """The packages of the harness in the order of the data flow."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [c["layers"] for c in contracts["contracts"] if c["type"] == "layers"]
    return list(reversed(layers))


def _packages(folder: str) -> list[str]:
    """Every package below a top-level folder, itself left out, by its path in it."""
    found = [path.parent for path in (ROOT / folder).rglob("__init__.py")]
    return sorted(str(p.relative_to(ROOT / folder)) for p in found if p != ROOT / folder)


def _sentence(package: str) -> str | None:
    return ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))


def test_the_map_names_every_package_once_in_the_order_of_the_layers() -> None:
    layers = _layers()
    expected = sorted(_packages("harness"), key=lambda p: (layers.index(p.split("/")[0]), p))
    assert [name for name, _, allowed in ROWS if allowed] == expected


def test_the_map_says_what_each_layer_may_import() -> None:
    before = "nothing"
    allowed = {name: text for name, _, text in ROWS}
    for layer in _layers():
        assert allowed[layer] == before, layer
        before = f"up to `{layer}`"


def test_the_map_names_what_the_harness_works_on() -> None:
    expected = []
    for folder in ("fixtures", "reference"):
        expected += [folder, *(f"{folder}/{package}" for package in _packages(folder))]
    assert [name for name, _, allowed in ROWS if not allowed] == expected


@pytest.mark.parametrize(("name", "text", "allowed"), ROWS)
def test_a_package_says_of_itself_what_the_map_says(name: str, text: str, allowed: str) -> None:
    sentence = _sentence(f"harness/{name}" if allowed else name)
    assert sentence == text
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")
