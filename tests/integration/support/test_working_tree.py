"""A trace that a run leaves in the working tree is seen, and what was there before is none."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.working_tree import changed, traces


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a report of yesterday and a file that git does not know."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("/report/\n__pycache__/\n.cache/\n")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "conformance.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    return tmp_path


def _written(name: str) -> Callable[[Path], object]:
    def write(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("[]")

    return write


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (_written("report/conformance.json"), ["report/conformance.json"]),
        (_written("report/index.html"), ["report/index.html"]),
        (_written(".cache/a/entry.npz"), [".cache/a/entry.npz"]),
        (_written("left over.tflite"), ["left over.tflite"]),
        (lambda tree: (tree / "report/conformance.json").unlink(), ["report/conformance.json"]),
        (_written("harness/__pycache__/x.pyc"), []),
        (_written(".cache/versions/2.19/pip"), []),
        (lambda tree: None, []),
    ],
)
def test_what_is_left_is_named(tree: Path, act: Callable[[Path], object], found: list[str]) -> None:
    before = traces(tree)
    act(tree)
    assert changed(before, traces(tree)) == found
