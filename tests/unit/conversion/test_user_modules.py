"""A user's module is found without being imported, by its name or its file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.conversion.user_modules import find


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path, each of whose files would fail to be imported."""
    package = tmp_path / "own_package"
    (package / "inner").mkdir(parents=True)
    for file in ("__init__.py", "layers.py", "inner/__init__.py", "inner/cells.py"):
        (package / file).write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("own_package", "own_package/__init__.py"),
        ("own_package.layers", "own_package/layers.py"),
        ("own_package.inner.cells", "own_package/inner/cells.py"),
    ],
)
def test_a_name_is_found_on_the_path(folder: Path, name: str, file: str) -> None:
    (found,) = find([name])
    assert (found.name, found.root, found.file) == (name, folder, folder / file)
    assert "own_package" not in sys.modules


def test_a_file_is_named_by_its_stem(folder: Path) -> None:
    path = folder / "own_package" / "layers.py"
    (found,) = find([str(path)])
    assert (found.name, found.root, found.file) == ("layers", path.parent, path)


def test_what_it_may_import_is_part_of_the_key(folder: Path) -> None:
    path = folder / "own_package" / "layers.py"
    before = find([str(path)])[0].key()
    assert find([str(path)])[0].key() == before
    (path.parent / "helper.py").write_text("FACTOR = 2\n")
    with_helper = find([str(path)])[0].key()
    (path.parent / "helper.py").write_text("FACTOR = 3\n")
    assert len({str(key) for key in (before, with_helper, find([str(path)])[0].key())}) == 3


@pytest.mark.parametrize("given", ["nowhere.py", "no_such_module", "own_package.nothing", "sys"])
def test_what_is_not_there_is_refused(folder: Path, given: str) -> None:
    with pytest.raises(ValueError, match=rf"^--import {given}: no such"):
        find([given])
