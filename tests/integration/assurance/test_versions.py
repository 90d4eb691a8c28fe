"""The tools that measure versions run: uv is there, and a Python that does not start is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.assurance.versions import measuring
from harness.assurance.versions.installing import Installed
from harness.assurance.versions.measuring import Plan
from harness.support.project import ROOT
from tests.unit.assurance.test_versions import _row


def test_an_environment_that_does_not_start_is_a_problem_of_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "install", lambda row, folder: Installed("/bin/true", {}))
    result = measuring.measure(_row(), Plan(), tmp_path, None)
    assert result["problem"].startswith("does not start: --converter-python")


def test_uv_is_there_for_make_versions() -> None:
    """It is a development dependency: `make versions` needs nothing installed by hand."""
    requirements = ROOT / "requirements"
    assert "uv" in (requirements / "dev.in").read_text().split()
    assert sys.executable
