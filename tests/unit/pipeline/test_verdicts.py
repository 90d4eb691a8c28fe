"""A user's model fails for what is wrong with it, and for what was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.limitations.cases import Registry, load
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.pipeline.cases import Asked, Case, Judged, Measured, judge
from harness.pipeline.selection import select

USERS = Subject("my.tflite", "tflite", path=Path("my.tflite"))
REFUSED = StepResult(Phase.LOAD, Outcome.REFUSED, "Failed to get registration from op code CUSTOM")
UNJUDGED = StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, "no int8 budget can be derived")
NOBODY = Registry([])


def _judged(
    outcome: StepResult,
    asked: Asked = Asked(),  # noqa: B008 (a value)
    runtime: str = "tflm",
    runs_on: tuple[str, ...] = ("tflite",),
    registry: Registry = NOBODY,
) -> Judged:
    case = Case("test_parity", USERS, AS_CONVERTED, RUNTIMES[runtime])
    return judge(case, Measured(outcome, runs_on=runs_on), registry, asked)


def test_what_a_runtime_lacks_that_was_not_asked_for_is_no_failure() -> None:
    found = _judged(REFUSED)
    assert (found.verdict, found.limitation) == ("limitation", None)
    assert "tflm does not run it (tflite can)" in found.message
    assert "--runtime tflm makes this fail" in found.message


def test_what_a_runtime_lacks_that_was_asked_for_fails() -> None:
    assert _judged(REFUSED, Asked(runtimes=True)).verdict == "failed"


def test_a_model_that_no_runtime_runs_fails() -> None:
    assert _judged(REFUSED, runs_on=()).verdict == "failed"


@pytest.mark.parametrize("kind", [Outcome.DIVERGED, Outcome.CRASHED, Outcome.HUNG])
def test_a_wrong_answer_a_crash_and_a_hang_fail_whoever_was_asked_for(kind: Outcome) -> None:
    assert _judged(replace(REFUSED, phase=Phase.INVOKE, outcome=kind)).verdict == "failed"


def test_what_cannot_be_judged_is_counted_and_fails_with_strict_only() -> None:
    assert _judged(UNJUDGED).verdict == "not judged"
    assert "no int8 budget" in _judged(UNJUDGED).message
    assert _judged(UNJUDGED, Asked(strict=True)).verdict == "failed"


def test_of_the_catalogue_everything_is_judged() -> None:
    variant = VARIANTS["last"]
    subject = Subject("last", "catalogue", variant=variant)
    case = Case("test_parity", subject, AS_CONVERTED, RUNTIMES["tflm"])
    for outcome in (UNJUDGED, REFUSED):
        assert judge(case, Measured(outcome, runs_on=("tflite",)), NOBODY, Asked()).verdict == (
            "failed"
        )


def test_of_a_given_file_a_limitation_is_known_whatever_its_recipe() -> None:
    """An int8 file with REVERSE_V2 is refused by the reference kernels, which no device runs."""
    message = "Didn't find op for builtin opcode 'REVERSE_V2' version '3'"
    outcome = StepResult(Phase.LOAD, Outcome.REFUSED, message)
    found = _judged(outcome, runtime="tflite-reference", registry=load())
    assert found.limitation is not None
    assert (found.verdict, found.limitation.id) == ("limitation", "reference-unregistered")
    asked = Asked(runtimes=True)
    assert _judged(outcome, asked, "tflite-reference", registry=load()).verdict == "failed"


def test_a_given_file_is_what_is_judged(tmp_path: Path) -> None:
    model, file = tmp_path / "my.h5", tmp_path / "my.tflite"
    model.touch()
    file.touch()
    (only,) = select([model], [file]).subjects
    assert (only.kind, only.keras_path) == ("tflite", model.resolve())
    assert {s.kind for s in select([model], [file], ["int8"]).subjects} == {"keras", "tflite"}
    assert [s.kind for s in select([model]).subjects] == ["keras"]


def test_tflite_runs_a_file_without_its_model_too(tmp_path: Path) -> None:
    file = tmp_path / "my.tflite"
    file.touch()
    runtimes = {case.runtime.name for case in select([], [file]).parities() if case.runtime}
    assert runtimes == set(RUNTIMES) - {"keras"}
