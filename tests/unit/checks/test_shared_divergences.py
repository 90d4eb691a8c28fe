"""Runtimes of one kernel that give the same bits share where they diverge, and no others do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.checks import parity
from harness.diagnosis import causes
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.support.cache import Store
from harness.support.time_accounting import Account
from tests.support.networks import document, node
from tests.support.small_cases import case_of
from tests.support.small_models import FEATURES, STEPS

MODEL = document(node("head", "Dense", units=3), x=[STEPS, FEATURES])
RAN = ("tflite", "tflite-no-xnnpack", "litert", "tflm")


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runtimes whose divergence was looked for."""
    found: list[str] = []

    def divergence(case: Case, *rest: Any) -> dict[str, Any]:
        assert case.runtime is not None
        found.append(case.runtime.name)
        return {"text": f"as {case.runtime.name} has it"}

    monkeypatch.setattr(causes, "divergence", divergence)
    monkeypatch.setattr(parity, "held_operators", lambda *args: "its operators are not looked at")
    return found


def _asked(case: Case, artifacts: CaseArtifacts, *names: str) -> list[Any]:
    kept = parity._Located(None)  # type: ignore[arg-type]
    others = SimpleNamespace(hold=lambda *_: "not asked here")
    session: Any = SimpleNamespace(
        artifacts=lambda _: artifacts,
        keep=lambda make: kept if make is parity._Located else others,
        settings=SimpleNamespace(bounds=lambda _: None),
        account=Account(),
        operators=None,
        store=Store(None),
    )
    found = []
    for name in names:
        one = replace(case, runtime=RUNTIMES[name])
        found.append(parity._first_divergence(one, session))
        other = replace(one, recipe=RECIPES["int8"])
        assert parity._first_divergence(one, session) == found[-1]
        if name == names[-1]:
            parity._first_divergence(other, session)
    return found


def test_one_kernel_and_one_answer_are_looked_for_once(searched: list[str]) -> None:
    case, artifacts = case_of(MODEL, ran=RAN)
    first, second = _asked(case, artifacts, "tflite", "tflite-no-xnnpack")
    assert first == second == {"text": "as tflite has it"}
    # The last was asked for by another recipe too, whose model is another.
    assert searched == ["tflite", "tflite-no-xnnpack"]


def test_another_kernel_is_another_search_whatever_it_answers(searched: list[str]) -> None:
    case, artifacts = case_of(MODEL, ran=RAN)
    found = _asked(case, artifacts, "tflite", "litert", "tflm")
    assert [entry["text"].split()[1] for entry in found] == ["tflite", "litert", "tflm"]


def test_one_bit_apart_is_another_search(searched: list[str]) -> None:
    case, artifacts = case_of(MODEL, ran=RAN)
    (answer,) = artifacts.runs["tflite-no-xnnpack"].outputs
    apart = answer.copy()
    apart.flat[-1] = np.nextafter(apart.flat[-1], np.float32(np.inf))
    runs = {
        **artifacts.runs,
        "tflite-no-xnnpack": replace(artifacts.runs["tflite-no-xnnpack"], outputs=(apart,)),
    }
    found = _asked(case, replace(artifacts, runs=runs), "tflite", "tflite-no-xnnpack")
    assert found[0] != found[1]
    assert searched[:2] == ["tflite", "tflite-no-xnnpack"]
