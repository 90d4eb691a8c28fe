"""The lab with a runtime that dies: each case ends in its outcome, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import material
from fixtures.cases import Case
from fixtures.lab import Lab
from fixtures.material import Settings
from fixtures.outcomes import Kind, Phase
from fixtures.recipes import AS_CONVERTED, RECIPES
from fixtures.runtimes import RUNTIMES, Interpreters
from fixtures.subjects import Subject
from fixtures.workers.client import Server, Worker


class _Mortal(Interpreters):
    """TFLite Micro's worker is one that dies of every model."""

    def __init__(self, heavy: Server, light: Server) -> None:
        super().__init__(heavy, light)
        self.drill = Server(("drill",))
        self._workers["tflm"] = Worker(self.drill, "drill")

    def close(self) -> None:
        super().close()
        self.drill.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(Settings(seed=1, cache=tmp_path))
    yield found
    found.close()


def test_a_runtime_that_dies_costs_its_own_case_only(
    lab: Lab, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "Interpreters", _Mortal)
    subject = Subject("small.h5", "keras", path=models / "small.h5")
    recipe = RECIPES["float32"]
    outcomes = {
        name: lab.parity(Case("test_parity", subject, recipe, runtime)).outcome
        for name, runtime in RUNTIMES.items()
    }
    dead = outcomes.pop("tflm")
    assert (dead.phase, dead.kind) == (Phase.LOAD, Kind.CRASHED)
    assert (dead.message, dead.native) == ("SIGSEGV", "loading")
    assert all(outcome.agreed for outcome in outcomes.values()), outcomes


def test_a_missing_python_refuses_and_says_so(lab: Lab, models: Path) -> None:
    lab.light.python = "/nowhere/python"
    subject = Subject("fused.tflite", "tflite", path=models / "fused.tflite")
    outcome = lab.conversion(Case("test_conversion", subject, AS_CONVERTED)).outcome
    assert outcome.kind is Kind.REFUSED
    assert "/nowhere/python" in outcome.message


def test_the_time_is_accounted_for(lab: Lab, models: Path) -> None:
    subject = Subject("small.h5", "keras", path=models / "small.h5")
    lab.conversion(Case("test_conversion", subject, RECIPES["float32"]))
    kinds = {"import", "build", "convert", "invoke", "structure", "oracle", "idle", "threads"}
    assert kinds <= set(lab.seconds)
    assert lab.seconds["idle"] >= lab.seconds["convert"]  # the test waited for its conversion
    assert 0 < lab.seconds["processor convert"] <= 2 * lab.seconds["convert"]
