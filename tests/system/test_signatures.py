"""A file's signature is held to its model's outputs, and what is not judged of a file is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import Run, run_suites


@pytest.fixture
def gate(structure_models: Path, cache: Path, tmp_path: Path) -> Any:
    def run(file: str, *arguments: str | Path) -> Run:
        return run_suites(
            *("--tflite", structure_models / file, "--runtime=tflite", *arguments),
            report=tmp_path,
            cache=cache,
            suites=("suites/test_parity.py", "suites/test_structure.py"),
        )

    return run


def test_right_names_in_another_order_than_keras_are_green(
    gate: Any, structure_models: Path
) -> None:
    found = gate("right_names.tflite", "--model", structure_models / "two_outputs.keras")
    assert found.status == 0, found.text
    case = found.cases["test_parity[right_names.tflite/as-converted/tflite]"]
    assert case["verdict"] == "agreed"
    assert "float64 oracle" in case["budget_rule"]
    assert "other-signatures" not in found.text


def test_swapped_names_are_red_and_named(gate: Any, structure_models: Path) -> None:
    found = gate("swapped_names.tflite", "--model", structure_models / "two_outputs.keras")
    assert found.status == 1
    case = found.cases["test_parity[swapped_names.tflite/as-converted/tflite]"]
    assert (case["outcome"], case["verdict"]) == ("diverged", "failed")
    assert "'beta' has what 'zeta' should; 'zeta' has what 'beta' should" in case["message"]
    assert "whoever reads them by name gets the wrong one" in case["message"]


def test_the_function_that_is_not_judged_is_noted(gate: Any) -> None:
    found = gate("two_functions.tflite")
    assert found.status == 0, found.text
    told = [line for line in found.text.splitlines() if "[other-signatures]" in line]
    assert told[0].startswith("note: "), found.text
    assert "the file has 2 signatures, and only signature '" in told[0]
