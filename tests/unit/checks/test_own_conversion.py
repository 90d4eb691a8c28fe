"""A file beside its source is never passed over in silence: what it is not held to is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.subjects import Subject
from harness.assurance.certificate.constants import edits
from harness.checks.beside_source.own_conversion import constant_findings
from harness.conversion.results import Built, Conversion
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.pipeline.twins import Twins
from tests.support.twin_models import integer, plain

SOURCE = Path("source.keras")
NO_BUILD = StepResult(Phase.BUILD, Outcome.HUNG, "no answer within 60 s")
NO_CONVERSION = StepResult(Phase.CONVERT, Outcome.HUNG, "no answer within 90 s")


def _conversion(content: bytes) -> Conversion:
    return Conversion(StepResult(Phase.CONVERT, Outcome.AGREED), np.frombuffer(content, np.uint8))


def _said(twins: Twins, built: Built | None = None, source: Path | None = SOURCE) -> list[str]:
    changed = edits.option("CONV_2D", "fusedActivationFunction", 0)(integer())
    subject = Subject("my.tflite", "tflite", path=Path("my.tflite"), keras_path=source)
    artifacts = CaseArtifacts(built, _conversion(changed), {}, twins=twins)
    case = Case("test_structure", subject, AS_CONVERTED, None)
    return [f"{one.rule} {one.level}: {one}" for one in constant_findings(case, artifacts, [])]


def test_a_file_is_held_to_its_sources_conversion() -> None:
    (said,) = _said(Twins(_conversion(plain())))
    assert said.startswith("not-the-model error")
    assert "the activation NONE" in said


@pytest.mark.parametrize(
    ("twins", "built", "why"),
    [
        (Twins(), None, "there is no conversion of the model"),
        (Twins(), Built(NO_BUILD), "no answer within 60 s"),
        (Twins(Conversion(NO_CONVERSION)), None, "no answer within 90 s"),
    ],
    ids=["without a twin", "without a model", "without a conversion"],
)
def test_a_conversion_that_is_missing_is_said(twins: Twins, built: Built | None, why: str) -> None:
    (said,) = _said(twins, built)
    assert said.startswith("audit-partial note")
    assert why in said


def test_a_file_alone_has_nothing_to_be_held_to() -> None:
    assert _said(Twins(), source=None) == []
