"""`--repair` judges what it made of a model beside the model, and goes on where it made nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.assurance.certificate.faults.repair_documents import (
    document,
    functional,
    lstm,
    weights_of_lstm,
)
from harness.assurance.certificate.faults.repair_faults import unrolled
from harness.conversion.rewriting import keras_file
from harness.repair.rules.document import Document
from harness.session.session import Session
from tests.support.runs import Run, run_suites


def healthy() -> Document:
    return document(functional(lstm()), weights_of_lstm("lstm"))


def of_another_activation() -> Document:
    return document(functional(lstm(activation="relu")), weights_of_lstm("lstm"))


@pytest.fixture
def written(session: Session, tmp_path: Path) -> Callable[[str, Document], Path]:
    def write(name: str, made: Document) -> Path:
        content = keras_file(session.keras, made.config, made.weights)
        assert isinstance(content, bytes), content
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return write


def _of(found: Run, subject: str) -> dict[str, Any]:
    return {
        f"{case['suite']} {case['recipe']} {case['runtime']}": case
        for case in found.cases.values()
        if case["subject"] == subject
    }


def test_a_repaired_model_is_judged_beside_its_original(
    written: Callable[[str, Document], Path], tmp_path: Path, cache: Path
) -> None:
    paths = [
        written("unrolled.keras", unrolled()),
        written("healthy.keras", healthy()),
        written("relu.keras", of_another_activation()),
    ]
    (tmp_path / "torn.keras").write_bytes(b"no zip")
    words = [word for path in (*paths, tmp_path / "torn.keras") for word in ("--model", path)]
    found = run_suites(
        *words,
        *("--repair", "--recipe", "float32", "--runtime", "tflite", "--runtime", "tflm"),
        report=tmp_path / "report",
        cache=cache,
        suites=("suites/test_parity.py", "suites/test_structure.py"),
    )
    told = {entry["of"]: entry for entry in found.report["repairs"]}
    assert told["unrolled.keras"]["outcome"] == "repaired"
    assert told["healthy.keras"]["outcome"] == "needs no repair"
    assert told["relu.keras"]["outcome"] == told["torn.keras"]["outcome"] == "not repaired"
    assert "another activation is another function" in "".join(told["relu.keras"]["told"])
    rows = {row[0]: row[1:] for row in told["unrolled.keras"]["rows"]}
    assert rows["fused LSTMs"] == ["0 of 1", "1 of 1"]
    assert int(rows["arena (tflm), bytes"][0]) > int(rows["arena (tflm), bytes"][1]) > 0
    assert {"an invoke on this host (tflite)", "an invoke on this host (tflm)"} <= set(rows)
    fresh = _of(found, "unrolled-repaired.keras")
    assert fresh
    assert {case["verdict"] for case in fresh.values()} == {"agreed"}
    assert set(fresh) == set(_of(found, "unrolled.keras"))
    assert not any("healthy-repaired" in case["subject"] for case in found.cases.values())
    assert {case["verdict"] for case in _of(found, "torn.keras").values()} == {"failed"}
    kept = [path.name for path in (tmp_path / "report" / "repaired").glob("*.keras")]
    assert kept == ["unrolled-repaired.keras"]
    assert "healthy.keras: needs no repair" in found.text
    assert "Traceback" not in found.text


def test_two_files_of_one_name_are_two_models(
    written: Callable[[str, Document], Path], tmp_path: Path, cache: Path
) -> None:
    """Each is repaired, and judged, by its own numbers."""
    other = unrolled()
    other.weights = {name: value * 0.5 for name, value in other.weights.items()}
    paths = [written("a/my.keras", unrolled()), written("b/my.keras", other)]
    words = [word for path in paths for word in ("--model", path)]
    found = run_suites(
        *(*words, "--repair", "--recipe", "float32", "--runtime", "tflite", "--runtime", "keras"),
        report=tmp_path / "report",
        cache=cache,
        suites=("suites/test_parity.py",),
    )
    assert found.status == 0, found.text
    assert len(found.cases) == 8
    files = sorted((tmp_path / "report" / "repaired").glob("*.keras"))
    assert len({path.read_bytes() for path in files}) == len(files) == 2


def test_a_repair_of_nothing_is_an_error(tmp_path: Path) -> None:
    found = run_suites("--repair", report=tmp_path / "report", cache=None)
    assert found.status == 4
    assert "--repair is for your own model: add --model or --tflite" in found.text
