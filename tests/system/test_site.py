"""The documentation builds as a site without a warning, and its gallery is what the gate says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.support.project import ROOT
from tools.site import gallery
from tools.site.failures import FAILURES


def _built(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = _built(ROOT / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").glob("*.md"):
        name = "" if page.stem == "index" else page.stem
        assert (tmp_path / "site" / name / "index.html").exists(), page
    reference = (tmp_path / "site" / "reference" / "index.html").read_text()
    assert "Scale and zero point of one tensor." in reference  # docstrings are there


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](nowhere.md)")
    text = (ROOT / "mkdocs.yml").read_text().partition("nav:")[0]
    (tmp_path / "mkdocs.yml").write_text(text.replace("extra_css: [site.css]", ""))
    done = _built(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    gallery.make_models(folder)
    return folder


@pytest.mark.parametrize("entry", [FAILURES[0], FAILURES[-1]], ids=lambda entry: entry.title)
def test_the_gallery_is_what_the_gate_says_today(entry: object, broken: Path) -> None:
    """Two of them; `make gallery` runs all."""
    told = gallery.told(entry, broken)  # type: ignore[arg-type]
    assert told in gallery.PAGE.read_text(), "run `make gallery`"
