"""The matrix of versions: its rows, its installer, its store, and that the page is not stale."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fixtures.recipes import RECIPES
from harness.assurance.versions import document as page
from harness.assurance.versions import installing, measuring, results
from harness.assurance.versions.command import MATRIX, PAGE, main
from harness.assurance.versions.installing import NotInstallable
from harness.assurance.versions.measuring import PLAN, Plan
from harness.assurance.versions.rows import ROWS, Row, chosen
from harness.flatbuffer.structure import Structure
from harness.structure import fusion, version_advice

REQUIRED = ("2.15", "2.16 tf_keras", "2.19 Keras 3", "2.21 Keras 3", "2.21 tf_keras")


def test_rows_are_found_by_name_and_by_version() -> None:
    assert [row.name for row in chosen("2.19 tf_keras")] == ["2.19 tf_keras"]
    assert [row.name for row in chosen("2.19.1 TF_KERAS")] == ["2.19 tf_keras"]
    assert [row.name for row in chosen("2.15.1")] == ["2.15"]
    assert [row.name for row in chosen("2.19, 2.15")] == ["2.19 Keras 3", "2.19 tf_keras", "2.15"]
    assert len(chosen("")) == len(ROWS)
    with pytest.raises(ValueError, match=r"no row is called '2.11'; known are 2.12; 2.13"):
        chosen("2.15, 2.11")


def test_every_row_pins_what_it_installs() -> None:
    assert len({row.slug for row in ROWS.values()}) == len(ROWS)
    for row in ROWS.values():
        assert "==" in row.packages[0]
        assert (row.keras == "tf_keras") == (("TF_USE_LEGACY_KERAS", "1") in row.variables)
    minors = {row.name.split()[0] for row in ROWS.values() if row.role == "converter"}
    assert minors == {f"2.{minor}" for minor in range(12, 22)}


def _row() -> Row:
    return Row("9.9", "converter", ("tensorflow==9.9.9",))


def _fails(*arguments: Any, **named: Any) -> Any:
    return subprocess.CompletedProcess([], 1, "", "no solution: tensorflow==9.9.9 is not there")


def test_a_row_that_cannot_be_installed_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", _fails)
    result = measuring.measure(_row(), Plan(), tmp_path, None)
    assert result["problem"].startswith("not installable: no solution")
    assert result["cells"] == []
    matrix = {"harness": results.harness(), "rows": {"9.9": result}}
    assert page.cells(matrix)[0][:4] == ("9.9", "", "", "not installable")
    assert "no solution: tensorflow==9.9.9 is not there" in page.page(matrix)


def test_half_an_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / _row().slug
    home.mkdir()
    (home / "left over").touch()
    monkeypatch.setattr(subprocess, "run", _fails)
    with pytest.raises(NotInstallable):
        installing.install(_row(), tmp_path)
    assert not home.exists()


def test_an_environment_is_used_again_with_the_same_pins_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def uv(*words: str) -> str:
        calls.append(words[0])
        (tmp_path / _row().slug).mkdir(exist_ok=True)
        return json.dumps([{"name": "tensorflow", "version": "9.9.9"}])

    monkeypatch.setattr(installing, "_uv", uv)
    first = installing.install(_row(), tmp_path)
    assert first.packages == {"tensorflow": "9.9.9"}
    done = len(calls)
    assert installing.install(_row(), tmp_path) == first
    assert len(calls) == done
    installing.install(Row("9.9", "converter", ("tensorflow==9.9.8",)), tmp_path)
    assert len(calls) > done


def test_a_stored_row_is_used_until_something_that_decides_it_changes(tmp_path: Path) -> None:
    row, result = _row(), {"problem": "", "cells": []}
    assert results.read(tmp_path, row, Plan()) is None
    results.write(tmp_path, row, Plan(), result)
    assert results.read(tmp_path, row, Plan()) == result
    assert results.read(tmp_path, row, Plan(recipes=("int8",))) is None
    assert results.read(tmp_path, Row("9.9", "converter", ("tensorflow==9.9.8",)), Plan()) is None
    results.write(tmp_path, Row("9.8", "converter", ("x==1",)), Plan(), {"problem": "no"})
    assert results.read(tmp_path, Row("9.8", "converter", ("x==1",)), Plan()) is None


def test_rows_measured_beside_other_packages_are_dropped() -> None:
    old = {"harness": {"tensorflow": "0"}, "rows": {"2.12": {}}}
    assert results.merged(old, {"2.15": {}}, list(ROWS))["rows"] == {"2.15": {}}
    new = {"harness": results.harness(), "rows": {"2.21 Keras 3": {}}}
    assert list(results.merged(new, {"2.15": {}}, list(ROWS))["rows"]) == ["2.15", "2.21 Keras 3"]


def test_the_command_names_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rows", "1.0"]) == 2
    assert main(["--rows", "2.15", "--recipe", "int4"]) == 2
    assert main(["--rows", "2.15", "--subject", "nothing"]) == 2
    assert "known are" in capsys.readouterr().err
    assert main(["--list"]) == 0


def test_the_command_takes_a_stored_row_and_writes_matrix_and_exhibit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    stored = results.load(MATRIX)["rows"]["2.15"]

    def measured(row: Row, *rest: Any) -> dict[str, Any]:
        asked.append(row.name)
        return dict(stored)

    monkeypatch.setattr("harness.assurance.versions.command.measure", measured)
    words = ["--rows", "2.15", "--recipe", "float32", "--folder", str(tmp_path / "folder")]
    words += ["--report", str(tmp_path / "report")]
    for _ in range(2):
        assert main(words) == 0
    assert asked == ["2.15"]  # the second time it comes from the store
    assert (tmp_path / "report" / "exhibits" / "versions.json").is_file()
    assert main([*words, "--again"]) == 0
    assert asked == ["2.15", "2.15"]


# The page -----------------------------------------------------------------------------------


def test_the_page_is_what_its_matrix_says() -> None:
    assert PAGE.read_text() == page.page(json.loads(MATRIX.read_text())), "run `make versions`"


def test_the_required_rows_were_measured() -> None:
    rows = json.loads(MATRIX.read_text())["rows"]
    for name in REQUIRED:
        assert not rows[name]["problem"]
        found = {(cell["subject"], cell["recipe"]) for cell in rows[name]["cells"]}
        assert found == {(subject, recipe) for subject in PLAN for recipe in PLAN[subject]}


def test_the_matrix_shows_in_a_terminal() -> None:
    console = Console(width=120, record=True)
    page.show(console, json.loads(MATRIX.read_text()))
    text = console.export_text()
    assert "2.21 tf_keras" in text
    assert "agrees" in text


# Advice -------------------------------------------------------------------------------------


def test_keras_3_is_told_what_would_fuse_with_evidence() -> None:
    found = version_advice.advice({"tensorflow": "2.21.0", "keras": "3.15.1"})
    assert found is not None
    cause, cure = found
    assert "Keras 3.15.1" in cause
    assert "measured: while" in cause
    assert "tf_keras~=2.21.0 and set TF_USE_LEGACY_KERAS=1" in cure
    assert "measured: fused, TFLite Micro agrees" in cure
    assert "2.15.1" in cure
    assert "unroll=True" in cure


def test_a_version_that_was_not_measured_is_told_of_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {k: v for k, v in version_advice._matrix().items() if not k.startswith("2.19")}
    monkeypatch.setattr(version_advice, "_matrix", lambda: rows)
    found = version_advice.advice({"tensorflow": "2.19.1", "keras": "3.15.1"})
    assert found is not None
    assert "tf_keras~=2.19.0" in found[1]
    assert "2.21 tf_keras measured: fused, TFLite Micro agrees" in found[1]


def test_keras_2_and_tf_keras_need_no_advice() -> None:
    assert version_advice.advice({"tensorflow": "2.15.1", "keras": "2.15.0"}) is None
    assert version_advice.advice({"tensorflow": "2.21.0", "keras": "2.21.0"}) is None
    assert version_advice.advice({}) is None


def test_the_structure_check_gives_the_advice_in_place_of_no_reason() -> None:
    options = {"bodySubgraphIndex": 1, "condSubgraphIndex": 1}
    loop = {"name": "WHILE", "inputs": [], "outputs": [], "intermediates": [], "options": options}
    graph = {"inputs": [], "outputs": [], "tensors": [], "operators": [loop]}
    body = {**graph, "operators": []}
    structure = Structure({"version": 3, "signatures": [], "subgraphs": [graph, body]})
    document = {
        "name": "m",
        "inputs": [{"name": "x", "shape": [5, 3], "dtype": "float32"}],
        "nodes": [
            {
                "name": "lstm",
                "class": "LSTM",
                "config": {"units": 4},
                "inputs": ["x"],
                "initial_state": [],
            }
        ],
        "outputs": ["lstm"],
        "batch": 1,
        "stateful": False,
        "seed": 1,
        "weight_scale": 1.0,
    }
    recipe = RECIPES["float32"]
    versions = {"tensorflow": "2.19.1", "keras": "3.15.1"}
    (finding,) = fusion.fusion_findings(document, structure, recipe, versions)
    assert finding.rule == "keras-3"
    assert "TF_USE_LEGACY_KERAS=1" in finding.cure
    (finding,) = fusion.fusion_findings(document, structure, recipe)
    assert finding.rule == "fusion-unexplained"
