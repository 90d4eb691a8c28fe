"""A suite is added in one file: its cases are collected, judged, reported, and kept together."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.pipeline.suite import unit
from harness.support.project import ROOT

#: As a stranger would write it.
TOY = '''"""Is there more than one value a step?"""

from __future__ import annotations

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.pipeline.cases import Case, Measured
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.parities, unit="{unit}", of_file=True)


def test_toy(case: Case, session: Session, verdict: Verdict) -> None:
    assert case.runtime is not None
    (output,) = session.artifacts(case).runs[case.runtime.name].outputs
    narrow = StepResult(Phase.COMPARE, Outcome.DIVERGED, "one value a step")
    wide = StepResult(Phase.COMPARE, Outcome.AGREED)
    verdict(case, Measured(wide if output.shape[-1] > 1 else narrow, values=output.size))
'''
SUBJECTS = ("units-1", "units-4")


@dataclass(frozen=True)
class Run:
    status: int
    text: str
    report: dict[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The harness as it is, and one file more in suites/."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("conftest.py", "pyproject.toml", "fixtures", "harness", "reference"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "suites").mkdir()
    for path in (ROOT / "suites").glob("*.py"):
        (folder / "suites" / path.name).symlink_to(path)
    (folder / "suites" / "test_toy.py").write_text(TOY.format(unit="conversions"))
    (folder / "suites" / "test_other_toy.py").write_text(TOY.format(unit="suite"))
    return folder


def _run(project: Path, out: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "pytest", "suites/test_toy.py", "-q", "-p", "no:cacheprovider"]
    command += ["--recipe", "float32", "--runtime", "tflite", "--cache", str(project / "cache")]
    command += ["-k", " or ".join(f"{subject}/" for subject in SUBJECTS), "--report", str(out)]
    done = subprocess.run(
        [*command, *options], cwd=project, capture_output=True, text=True, timeout=300
    )
    path = out / "conformance.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    return Run(done.returncode, done.stdout + done.stderr, report)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "two-processes"])
def test_a_toy_suite_is_judged_and_reported(
    project: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    found = _run(project, tmp_path, *options)
    narrow, wide = sorted(found.report["cases"], key=lambda case: case["subject"])
    ids = [f"test_toy[{subject}/float32/tflite]" for subject in SUBJECTS]
    assert [narrow["id"], wide["id"]] == ids, found.text
    assert found.status == 1
    assert (narrow["verdict"], wide["verdict"]) == ("failed", "agreed")
    assert narrow["rerun"].startswith(
        "pytest 'suites/test_toy.py::test_toy[units-1/float32/tflite]'"
    )
    assert narrow["rerun"] in found.text
    assert wide["flatbuffer"] in found.report["flatbuffers"]
    assert "executed 2 of 2 cases: 1 agreed, 0 limitations, 1 failed, 0 untested" in " ".join(
        found.text.split()
    )


def test_its_unit_is_what_it_says(project: Path) -> None:
    name = "test_toy[last/int8/tflm]"
    assert unit(f"suites/test_toy.py::{name}", project) == "last"
    assert unit(f"suites/test_other_toy.py::{name}", project) == "test_other_toy last"


def test_a_toy_suite_of_models_judges_a_users_too(
    project: Path, models: Path, tmp_path: Path
) -> None:
    found = _run(project, tmp_path, "--tflite", str(models / "fused.tflite"), "-k", "toy")
    ran = {(case["subject"], case["runtime"]) for case in found.report["cases"]}
    assert ran == {("fused.tflite", "tflite")}, found.text
    assert "skipped" not in found.text
    found = _run(
        project, tmp_path, "--model", str(models / "small.h5"), "-k", "toy", "--runtime", "tflm"
    )
    assert {case["subject"] for case in found.report["cases"]} == {"small.h5"}, found.text
