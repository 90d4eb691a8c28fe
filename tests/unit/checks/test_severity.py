"""An error is what a run has proven; the catalogue keeps every rule at its level."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.checks.severity import CONSEQUENCES, Evidence, decided
from harness.pipeline.cases import Case, Judged, Measured
from harness.quantization.calibration_share import Share
from harness.structure.findings import BOTH, Finding

_SUBJECT = Subject("m.keras", "keras", path=Path("m.keras"))
_FAMILIES = {"tflite": "tflite", "litert": "tflite", "tflm": "tflm"}


def _judged(name: str, verdict: Any) -> Judged:
    outcome = Outcome.AGREED if verdict == "agreed" else Outcome.DIVERGED
    case = Case("test_parity", _SUBJECT, RECIPES["int8"], RUNTIMES.get(name))
    measured = Measured(StepResult(Phase.COMPARE, outcome), budget_used=0.37)
    return Judged(case, measured, None, verdict)


def _evidence(certifying: bool = False, share: Share | None = None, **verdicts: Any) -> Evidence:
    runs = {name: _judged(name, verdict) for name, verdict in verdicts.items()}
    return Evidence(certifying, runs, _FAMILIES, share)


def _finding(rule: str, predicts: Any = None, level: Any = "error") -> Finding:
    return Finding(rule, level, f"{rule} it is", predicts=predicts or {})


def _level(finding: Finding, evidence: Evidence) -> str:
    (found,) = decided([finding], evidence)
    return found.level


def test_a_wrong_answer_makes_an_error_of_what_explains_it() -> None:
    told = _finding("hidden-scale", {"tflite": "wrong"})
    assert _level(told, _evidence(tflite="failed", tflm="agreed")) == "error"
    assert _level(told, _evidence(litert="failed")) == "error"  # the same kernels
    assert _level(told, _evidence(tflite="agreed", tflm="failed")) == "warning"


def test_what_no_runtime_shows_is_a_warning_with_its_figure() -> None:
    told = _finding("hidden-scale", BOTH)
    (found,) = decided([told], _evidence(tflite="agreed", tflm="agreed"))
    assert found.level == "warning"
    assert "tflite uses 0.37 of its budget, tflm uses 0.37 of its budget" in found.message


@pytest.mark.parametrize(("changed", "level"), [(0, "warning"), (2, "warning"), (3, "error")])
def test_turned_decisions_are_a_wrong_answer(changed: int, level: str) -> None:
    told = _finding("hidden-scale", {"tflite": "wrong"})
    run = _judged("tflite", "agreed")
    decisions = {"changed": changed, "of": 100, "share": changed / 100, "rule": "largest score"}
    run = replace(run, measured=replace(run.measured, decisions=decisions))
    (found,) = decided([told], Evidence(False, {"tflite": run}, _FAMILIES, None, 2))
    assert found.level == level
    assert level == "error" or f"turns {changed} of 100 decisions" in found.message


def test_a_known_limitation_proves_where_it_is_asked_to() -> None:
    told = _finding("hidden-scale", {"tflite": "wrong"})
    runs = {"tflite": _judged("tflite", "limitation")}
    assert _level(told, Evidence(False, runs, _FAMILIES)) == "warning"
    both = ("failed", "limitation")
    assert _level(told, Evidence(False, runs, _FAMILIES, proving=both)) == "error"  # type: ignore[arg-type]


def test_another_file_is_an_error_whatever_comes_of_it() -> None:
    for rule in ("not-the-model", "float-island", "bias-scale", "initial-state-dropped"):
        assert _level(_finding(rule), _evidence(tflite="agreed")) == "error"


def test_without_a_comparison_the_operators_own_run_decides() -> None:
    """A flatbuffer alone: what is predicted of a runtime was measured on the operator."""
    assert _level(_finding("hidden-scale", BOTH), _evidence()) == "error"
    assert _level(_finding("calibrated-range"), _evidence()) == "warning"


def test_a_runtime_that_was_not_asked_for_proves_nothing() -> None:
    told = _finding("tflm-hybrid-lstm", {"tflm": "wrong"})
    assert _level(told, _evidence(tflite="failed")) == "warning"


@pytest.mark.parametrize("rule", ["too-narrow", "too-wide"])
def test_a_calibration_is_judged_by_its_share_of_the_error(rule: str) -> None:
    large, small = Share(0.01, 0.02), Share(0.01, 0.005)
    runs: Any = {"tflite": "agreed"}
    assert _level(_finding(rule), _evidence(share=large, **runs)) == "error"
    assert _level(_finding(rule, level="warning"), _evidence(share=large, **runs)) == "error"
    assert _level(_finding(rule), _evidence(share=small, **runs)) == "warning"
    (found,) = decided([_finding(rule)], _evidence(share=small, **runs))
    assert "its share of the error of output 0 is 0.005" in found.message


@pytest.mark.parametrize("rule", ["too-narrow", "too-wide"])
def test_without_a_share_a_divergence_makes_it_an_error(rule: str) -> None:
    assert _level(_finding(rule), _evidence(tflite="failed")) == "error"
    assert _level(_finding(rule), _evidence(tflite="agreed")) == "warning"


def test_the_catalogue_keeps_every_level() -> None:
    findings = [_finding(rule, level) for rule in CONSEQUENCES for level in (None, BOTH)]
    assert decided(findings, _evidence(certifying=True, tflite="agreed")) == findings


def test_warnings_and_notes_stay() -> None:
    for level in ("warning", "note"):
        told = _finding("hidden-scale", BOTH, level)
        assert decided([told], _evidence(tflite="failed")) == [told]


def test_every_rule_that_may_be_an_error_states_its_consequence() -> None:
    """Read from the source: the rules that are given the level `error`."""
    folder = Path(harness.__file__).parent
    rules: set[str] = set()
    for path in [*folder.glob("structure/*.py"), *folder.glob("quantization/*.py")]:
        text = path.read_text()
        rules |= set(re.findall(r'Finding\(\s*"([a-z0-9-]+)",\s*"error"', text))
    assert len(rules) > 20
    assert rules <= set(CONSEQUENCES)


@pytest.mark.parametrize(("added", "level"), [(0.005, "warning"), (0.02, "error")])
def test_scales_that_cost_more_than_the_recipe_are_an_error(added: float, level: str) -> None:
    told = _finding("same-scale", BOTH)
    evidence = replace(_evidence(tflite="agreed", tflm="agreed"), scales=Share(0.01, added))
    (found,) = decided([told], evidence)
    assert found.level == level
    assert ("once the scales are repaired" in found.message) == (level == "error")
    # They say nothing of another rule.
    assert _level(_finding("multiplier-range", BOTH), evidence) == "warning"
