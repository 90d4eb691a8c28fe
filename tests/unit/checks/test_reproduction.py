"""A failure of a user's model ends in lines that Python reads; nobody else's has any.

tests/system/test_reproduction.py carries them out.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.checks.reproduction import HEADING, reproduction
from harness.conversion.results import Conversion
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from reference.lstm.weights import LstmWeights
from tests.support.networks import lstm_weights
from tests.support.reference_models import integer_model
from tests.support.small_models import structure

_USERS = Subject("m.keras", "keras", path=Path("/models/m.keras"))
_X = np.zeros((2, 1, 5, 3), np.float32)


def _case(recipe: str, runtime: str | None, suite: str = "test_parity") -> Case:
    return Case(suite, _USERS, RECIPES[recipe], RUNTIMES[runtime] if runtime else None)


def _lines(case: Case, tmp_path: Path, **stimulus: Any) -> list[str]:
    parameters: Any = LstmWeights.from_keras(*lstm_weights(4, 3))
    if case.recipe.calibrated:
        parameters = integer_model(3)
    made = structure(build(OperatorLstm(parameters, 5, 1)).content)
    given = stimulus or {"x": _X}
    conversion = replace(Conversion(None), structure=made)  # type: ignore[arg-type]
    artifacts = CaseArtifacts(None, conversion, given, calibrated_with={"x": _X})
    settings = SimpleNamespace(inputs=None, calibration=None, report=tmp_path)
    session: Any = SimpleNamespace(settings=settings, artifacts=lambda case: artifacts)
    return reproduction(case, session).splitlines()


@pytest.mark.parametrize("recipe", ["float32", "dynamic-range", "int8", "int8-float-io"])
@pytest.mark.parametrize("runtime", ["tflite", "tflm", None])
def test_five_lines_that_python_reads(recipe: str, runtime: str | None, tmp_path: Path) -> None:
    heading, *lines = _lines(_case(recipe, runtime), tmp_path)
    assert heading == HEADING
    assert len(lines) == 5
    code = "\n".join(line.strip() for line in lines)
    ast.parse(code)
    assert "/models/m.keras" in code
    assert ("tflite_micro" in code) is (runtime == "tflm")
    assert ("representative_dataset" in code) is (recipe in ("int8", "int8-float-io"))
    assert ("inference_input_type" in code) is (recipe == "int8")
    assert (tmp_path / "samples" / "m.keras-stimulus.npz").is_file()


def test_a_finding_about_scales_prints_them(tmp_path: Path) -> None:
    lines = _lines(_case("int8", None, "test_quantization"), tmp_path)
    assert "t['quantization']" in lines[-1]


def test_what_has_no_lines(tmp_path: Path) -> None:
    assert _lines(replace(_case("float32", "tflite"), subject=replace(_USERS, kind="catalogue")),
                  tmp_path) == []  # fmt: skip
    assert _lines(_case("select-tf-ops", "tflite"), tmp_path) == []
    assert _lines(_case("float32", "tflite"), tmp_path, x=_X, z=_X) == []
    alone = Subject("f.tflite", "tflite", path=Path("f.tflite"))
    assert _lines(replace(_case("float32", "tflite"), subject=alone), tmp_path) == []
