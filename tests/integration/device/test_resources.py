"""The suite for the device reports and writes what it says, and catches each fault."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.device import arena, c_array, resources
from harness.device.arena import ArenaBench
from harness.device.resources import Model, Timer, Unfit, model_of
from harness.pipeline.cases import Case
from harness.report import exhibits
from harness.session.session import Session
from harness.support.cache import Store
from tests.support.runs import run_suites

COMPILER = c_array.find_compiler()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


def _gate(
    tmp_path: Path, *arguments: str | Path, environment: dict[str, str] | None = None
) -> tuple[int, str, dict[str, Any]]:
    """Status, text and report of a run of this suite on a user's model."""
    variables = {k: v for k, v in os.environ.items() if k != "CXX"} | (environment or {})
    found = run_suites(
        *arguments,
        report=tmp_path / "report",
        cache=None,
        suites=("suites/test_resources.py",),
        env=variables,
    )
    return found.status, " ".join(found.text.split()), found.report


@needs_compiler
def test_a_users_model_gets_its_figures_and_files(models: Path, tmp_path: Path) -> None:
    status, text, report = _gate(
        tmp_path,
        *("--model", models / "small model.keras", "--tflite", models / "fused.tflite"),
        *("--recipe", "float32", "--recipe", "int8"),
    )
    assert status == 0, text
    assert len(report["cases"]) == 3
    (shown,) = exhibits.read(tmp_path / "report")
    assert [row[:3] for row in shown.tables[0].rows] == [
        (case["subject"], case["recipe"], case["resources"]["arena_bytes"])
        for case in report["cases"]
    ]
    assert "C arrays: 3 compiled by" in text
    for case in report["cases"]:
        found = case["resources"]
        folder = tmp_path / "report" / found["c_array"]["folder"]
        assert json.loads((folder / "resources.json").read_text()) == found
        assert f"_arena_bytes = {found['arena_bytes']};" in (folder / "model.h").read_text()
        lines = (folder / "op_resolver.inc").read_text()
        assert all(f"resolver.{name}();" in lines for name in found["op_resolver"])
        assert found["arena"]["one_step_less"]
        assert f"{found['arena_bytes']:,}" in text
        assert f"{found['macs']:,}" in text
        if case["recipe"] == "int8":
            more = found["cmsis_nn"]["extra_bytes"]
            assert found["cmsis_nn"]["arena_bytes"] == found["arena_bytes"] + more
            assert f"on a 32-bit board {found['arena_bytes'] + more:,} bytes (+{more:,})" in text
            assert f"need {more} bytes more" in (folder / "model.h").read_text()
        else:
            assert found["cmsis_nn"] is None
        size = int((folder / "model.h").read_text().split(": ")[1].split(" bytes")[0])
        assert size == found["flatbuffer_bytes"]
    tflite = next(c for c in report["cases"] if c["subject"] == "fused.tflite")
    size = (models / "fused.tflite").stat().st_size
    assert tflite["resources"]["flatbuffer_bytes"] == size


def test_without_a_compiler_the_array_is_said_to_be_untested(models: Path, tmp_path: Path) -> None:
    status, text, report = _gate(
        tmp_path, "--tflite", models / "fused.tflite", environment={"PATH": str(tmp_path)}
    )
    assert status == 0, text
    (case,) = report["cases"]
    assert case["resources"]["c_array"]["compiler"] is None
    assert "no C++ compiler was found" in case["resources"]["c_array"]["untested"]
    assert "C arrays: 1 UNTESTED, not compiled: no C++ compiler was found" in text
    assert "C arrays: 1 compiled" not in text


def test_a_compiler_that_was_named_has_to_be_there(models: Path, tmp_path: Path) -> None:
    named: list[str] = ["--cxx", "absent++"]
    for arguments, environment in ((named, {}), ([], {"CXX": "absent++"})):
        status, text, _ = _gate(
            tmp_path,
            *("--tflite", models / "fused.tflite"),
            *arguments,
            environment=environment,
        )
        assert status == 4
        assert "absent++: no C++ compiler that answers to --version" in text
        assert "Traceback" not in text


def test_a_compiler_that_refuses_fails_the_gate(models: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken++"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit 0\n'
                      "echo 'error: no space left' >&2; exit 1\n")  # fmt: skip
    broken.chmod(0o755)
    status, text, report = _gate(
        tmp_path, "--tflite", models / "fused.tflite", "--cxx", str(broken)
    )
    assert status == 1
    (case,) = report["cases"]
    assert (case["phase"], case["outcome"]) == ("compare", "refused")
    assert "the compiler refused the C array: error: no space left" in text


def test_other_runtimes_have_no_such_case(models: Path, tmp_path: Path) -> None:
    """And the table of an earlier run goes."""
    stale = tmp_path / "report" / "exhibits" / "resources.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    status, text, report = _gate(
        tmp_path,
        *("suites/test_conversion.py", "--tflite", models / "fused.tflite"),
        *("--runtime", "tflite-reference"),
    )
    assert status == 0, text
    assert [case["suite"] for case in report["cases"]] == ["test_conversion"]
    assert "skipped" not in text
    assert not stale.exists()


@pytest.fixture(scope="module")
def model(session: Session) -> Model:
    subject = Subject("last", "catalogue", variant=VARIANTS["last"])
    case = Case("test_resources", subject, RECIPES["int8"], RUNTIMES["tflm"])
    session.prefetch([case])
    artifacts = session.artifacts(case)
    return model_of(case, artifacts, artifacts.runs["tflm"].outputs)


def _measure(model: Model, arena_bench: ArenaBench, report: Path) -> dict[str, Any]:
    return resources.resources(model, arena_bench, COMPILER, report, Timer(), Store(None))


@needs_compiler
def test_a_healthy_model_is_measured(model: Model, arena_bench: ArenaBench, tmp_path: Path) -> None:
    found = _measure(model, arena_bench, tmp_path)
    assert found["arena_bytes"] >= found["arena"]["recorded_bytes"]
    assert found["op_resolver"] == ["AddStridedSlice", "AddUnidirectionalSequenceLSTM"]


@needs_compiler
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:], "byte 99 of the C array"),
        (lambda data: data[:-1], "the C array has"),
        (lambda data: data + b"\0", "the C array has"),
        (lambda data: data[::-1], "byte 0 of the C array"),
    ],
)
def test_an_array_of_other_bytes_is_caught(
    model: Model,
    arena_bench: ArenaBench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[bytes], bytes],
    message: str,
) -> None:
    healthy = c_array.source_text
    monkeypatch.setattr(
        c_array,
        "source_text",
        lambda symbol, content, title: healthy(symbol, fault(content), title),
    )
    with pytest.raises(Unfit, match=message):
        _measure(model, arena_bench, tmp_path)


@pytest.mark.parametrize("off", [-16, 16])
def test_an_arena_that_is_off_by_one_step_is_caught(
    model: Model, arena_bench: ArenaBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    search = arena.smallest

    def wrong(*arguments: Any) -> Any:
        found = search(*arguments)
        return replace(found, size=found.size + off)

    monkeypatch.setattr(resources, "smallest", wrong)
    with pytest.raises(Unfit, match="are too few" if off < 0 else "are not the fewest"):
        _measure(model, arena_bench, tmp_path)


def test_an_answer_that_is_not_the_known_one_is_caught(
    model: Model, arena_bench: ArenaBench, tmp_path: Path
) -> None:
    other = replace(model, outputs=tuple(output + np.int8(1) for output in model.outputs))
    with pytest.raises(Unfit, match="another answer the second time"):
        _measure(other, arena_bench, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(
    model: Model, arena_bench: ArenaBench, tmp_path: Path
) -> None:
    (tmp_path / "device").write_text("a file where a folder should be")
    with pytest.raises(Unfit, match="could not be written"):
        _measure(model, arena_bench, tmp_path)
