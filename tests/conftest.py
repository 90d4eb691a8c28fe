"""Fixtures that several of the harness's own tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The runs that these tests start are no job's summary.
os.environ.pop("GITHUB_STEP_SUMMARY", None)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("users models ü")
    script = ROOT / "tests" / "make_models.py"
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder
