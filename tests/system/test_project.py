"""A repository lists its models once and runs bare `pytest`: settings, overrides, baseline."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.report import document as report
from harness.report.merge import merge
from harness.support.project import ROOT
from tests.support.runs import Run, run_suites

PAGE = (ROOT / "docs" / "ci.md").read_text()


class Project(Run):
    """How a bare run in the repository ended."""

    @property
    def summary(self) -> str:
        """Of the job, as GitHub would show it."""
        return (self.folder / "summary.md").read_text()

    def of_suite(self, suite: str) -> list[dict[str, Any]]:
        return [case for case in self.cases.values() if case["suite"] == suite]


@pytest.fixture(scope="module")
def repository(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Keras model, and the configuration as docs/ci.md has it."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "model.keras").write_bytes((models / "small model.keras").read_bytes())
    (folder / "samples.npz").write_bytes((models / "inputs.npz").read_bytes())
    (folder / "lstm-conformance").symlink_to(ROOT, target_is_directory=True)
    (block,) = re.findall(r"```toml\n(\[tool\.pytest.*?)```", PAGE, flags=re.DOTALL)
    (folder / "pyproject.toml").write_text(block)
    return folder


@pytest.fixture(scope="module")
def run(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Callable[..., Project]:
    def ran(*arguments: str) -> Project:
        out = tmp_path_factory.mktemp("report")
        found = run_suites(
            *arguments,
            report=out,
            cache=cache,
            suites=(),
            cwd=repository,
            env={**os.environ, "GITHUB_STEP_SUMMARY": str(out / "summary.md")},
        )
        return Project(found.status, found.text, found.folder)

    return ran


def test_bare_pytest_gates_the_model_of_a_five_line_configuration(
    run: Callable[..., Project], repository: Path
) -> None:
    lines = (repository / "pyproject.toml").read_text().strip().splitlines()
    assert len(lines) == 1 + 5
    found = run()
    assert found.status == 0, found.text
    totals = found.report["totals"]
    assert totals["expected"] == totals["agreed"] == totals["executed"] > 15
    assert {case["subject"] for case in found.report["cases"]} == {"model.keras"}
    assert {case["recipe"] for case in found.of_suite("test_parity")} == {"float32", "int8"}
    assert found.summary.startswith("## ✅ LSTM conformance")
    native = [c for c in found.of_suite("test_parity") if c["runtime"] != "keras"]
    for case in native:
        assert found.report["flatbuffers"][case["flatbuffer"]]["bytes"] > 1000
        assert sum(case["histogram"]["counts"].values()) == case["values"]
    units = {case["recipe"]: case["histogram"]["unit"] for case in native}
    assert units == {"float32": "budget", "int8": "steps"}


def test_the_command_line_wins(run: Callable[..., Project]) -> None:
    found = run("--recipe=float32", "--runtime=tflm", "-k", "parity")
    assert found.status == 0, found.text
    assert [c["id"] for c in found.of_suite("test_parity")] == [
        "test_parity[model.keras/float32/tflm]"
    ]


def test_a_budget_is_overridden_with_its_reason(run: Callable[..., Project]) -> None:
    narrow = "model.keras/float32/tflm=1e-6:to see it fail | <b>"
    found = run("-k", "parity", "--recipe=float32", "-o", f"lstm_budgets={narrow}")
    assert found.status == 1
    (case,) = [c for c in found.of_suite("test_parity") if c["verdict"] == "failed"]
    assert case["override"] == "budget × 1e-06: to see it fail | <b>"
    assert found.report["overrides"][0]["cases"] == 1
    assert "to see it fail | <b>" in found.text
    assert r"to see it fail \| &lt;b&gt;" in found.summary
    assert "first_divergence" in case
    assert "--budget" in case["rerun"]
    wide = run("-k", "parity", "--recipe=float32", "--budget=model.keras/*/tflm=3:sensor")
    (native,) = [c for c in wide.of_suite("test_parity") if c["runtime"] == "tflm"]
    assert wide.status == 0
    assert native["budget"] == pytest.approx(3e6 * case["budget"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--budget=model.keras/float32/tflm", "expected SUBJECT/RECIPE/RUNTIME=FACTOR:REASON"),
        ("--budget=model.keras/float32/tflm=2:", "say why"),
        ("--budget=a/b/c=two:why", "'two' is no number"),
        ("--budget=a/b/c=-1:why", "must be above 0 and finite"),
        ("--budget=other.keras/*/*=2:why", "other.keras/*/*: selects no case"),
        ("--update-baseline", "add --baseline PATH"),
        ("--baseline=missing.json", "missing.json: no such file; --update-baseline stores one"),
        ("--baseline=pyproject.toml", "pyproject.toml: not JSON"),
    ],
)
def test_a_wrong_setting_is_named(run: Callable[..., Project], argument: str, message: str) -> None:
    found = run(argument)
    assert found.status == 4
    assert message in found.text
    assert "Traceback" not in found.text


def test_a_wrong_ini_setting_is_named(run: Callable[..., Project]) -> None:
    found = run("-o", "lstm_inputs=a.npz b.npz")
    assert (found.status, "lstm_inputs: one path is expected" in found.text) == (4, True)
    found = run("-o", "lstm_models=missing.keras")
    assert (found.status, "missing.keras: no such file" in found.text) == (4, True)


def test_the_baseline_is_stored_held_and_breaks_what_is_worse(
    run: Callable[..., Project], tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    only = ("-k", "parity", "--recipe=int8", "--runtime=tflm", f"--baseline={path}")
    assert run(*only, "--update-baseline").status == 0
    stored = json.loads(path.read_text())
    assert stored["cases"][0]["budget_used"] > 0
    assert run(*only).status == 0
    better = copy.deepcopy(stored)
    (key,) = better["flatbuffers"]
    better["flatbuffers"][key]["bytes"] -= 1
    better["cases"][0]["budget_used"] /= 100
    path.write_text(json.dumps(better))
    found = run(*only)
    assert found.status == 1
    (case,) = found.of_suite("test_parity")
    assert (case["outcome"], case["verdict"], len(case["worse"])) == ("agreed", "failed", 2)
    assert re.search(r"worse than the baseline: error ÷ budget [\d.]+, was [\d.e-]+", found.text)
    assert re.search(r"flatbuffer [\d,]+ bytes, was [\d,]+", found.text)
    before = path.read_text()
    refused = run(*only, "--update-baseline", "--budget=model.keras/int8/tflm=1e-6:fails")
    assert refused.status != 0
    assert "are no baseline; nothing was stored" in refused.text
    assert path.read_text() == before


def test_updating_keeps_the_cases_that_the_run_did_not_have(
    run: Callable[..., Project], tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    for recipe in ("float32", "int8"):
        found = run(
            *("-k", "parity", f"--recipe={recipe}", "--runtime=tflm"),
            *(f"--baseline={path}", "--update-baseline"),
        )
        assert found.status == 0, found.text
    cases = json.loads(path.read_text())["cases"]
    assert [case["recipe"] for case in cases] == ["float32", "int8"]


def test_two_shards_of_a_run_merge_into_its_report(
    run: Callable[..., Project], tmp_path: Path
) -> None:
    """But for the times, and the command line, which were others."""
    folders = []
    for number, selection in enumerate(("parity or conversion", "parity", "conversion")):
        out = tmp_path / str(number)
        assert run("-k", selection, f"--report={out}").status == 0
        folders.append(out)
    whole, *shards = [report.read(folder) for folder in folders]
    merged = merge([("parity", shards[0]), ("conversion", shards[1])])
    for document in (whole, merged):
        document.pop("seconds")
        document["environment"].pop("command")
        for case in document["cases"]:
            case.pop("seconds")
    assert merged == whole
    assert {case["suite"] for case in merged["cases"]} == {"test_parity", "test_conversion"}
