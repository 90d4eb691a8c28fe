"""Give fixtures that several of the harness's own tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.device.arena import ArenaBench
from harness.pipeline.settings import Settings
from harness.session.session import Session

ROOT = Path(__file__).resolve().parents[1]
# The runs that these tests start are no job's summary.
os.environ.pop("GITHUB_STEP_SUMMARY", None)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("users models ü")
    script = ROOT / "tests" / "support" / "make_models.py"
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A session without a cache; its workers start when they are asked for something."""
    found = Session(Settings(seed=1, cache=None))
    yield found
    found.close()


@pytest.fixture(scope="module")
def arena_bench(session: Session) -> Iterator[ArenaBench]:
    found = ArenaBench(session.light)
    yield found
    found.close()
