"""A user's model is held to the laws whose premise it has, and to no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.laws.cases import LAWS, LawCase, cases_of
from harness.laws.models import Inapplicable
from harness.laws.runner import LawRunner
from harness.laws.scripted_models import Action, Feed, Reset, Trace
from harness.laws.search import search
from harness.pipeline.cases import Case
from harness.pipeline.selection import select
from harness.session.session import Session

STATE = {"resetting", "allocating"}
STREAM = {"streaming", "carrying"}

#: model, recipe, runtime, and the laws that say something of it.
EXAMINED = [
    ("steps", "float32", "tflite", {*STATE, *STREAM, "fixed-length", "causality"}),
    ("steps", "float32", "tflm", {"resetting", *STREAM, "fixed-length", "causality"}),
    ("steps", "int8", "tflite", {*STATE, "fixed-length", "causality"}),
    ("steps", "dynamic-sequence", "tflite", {*STATE, *STREAM, "lengths", "causality"}),
    ("lstm", "int8", "tflite", {*STATE, *STREAM, "fixed-length", "causality"}),
    ("lstm", "int8", "tflm", {"resetting", *STREAM, "fixed-length", "causality"}),
    ("last", "float32", "tflite", {*STATE, *STREAM, "fixed-length"}),
    ("both", "float32", "tflite", {*STATE, "fixed-length"}),
    ("gru", "float32", "tflite", {*STATE, "carrying", "fixed-length"}),
    ("two", "float32", "tflite", set()),
    ("rows", "float32", "tflm", {"rows"}),
    ("wide", "dynamic-range", "tflite", {*STATE, *STREAM, "fixed-length", "causality"}),
]


@pytest.fixture(scope="module")
def made(law_models: Path) -> Path:
    return law_models


@pytest.fixture(scope="module")
def law_runner(session: Session) -> Iterator[LawRunner]:
    found = LawRunner(session)
    yield found
    found.close()


def _cases(made: Path, model: str, recipe: str, runtime: str) -> list[LawCase]:
    selection = select([made / f"{model}.keras"], (), [recipe], [runtime])
    return [case for law in LAWS for case in cases_of(law, selection)]


@pytest.mark.parametrize(("model", "recipe", "runtime", "laws"), EXAMINED)
def test_the_laws_with_a_premise_are_examined_and_hold(
    law_runner: LawRunner, made: Path, model: str, recipe: str, runtime: str, laws: set[str]
) -> None:
    examined = set()
    for case in _cases(made, model, recipe, runtime):
        try:
            found, meter = law_runner.examined(case, None, None)
        except Inapplicable:
            continue
        assert found.result.agreed, f"{case.id}: {found.result}"
        assert meter.examples > 1 or case.law in ("rows",)
        assert meter.values > 0 or case.law == "fixed-length"
        examined.add(case.law)
    assert examined == laws


def test_a_model_that_does_not_run_is_told_once(
    law_runner: LawRunner, made: Path, session: Session
) -> None:
    """By its parity case, where this session has that; else by the law itself."""
    (case,) = [c for c in _cases(made, "gru", "int8", "tflite") if c.law == "resetting"]
    alone, _ = law_runner.examined(case, None, None)
    assert alone.result.outcome.value == "crashed"
    parity = Case("test_parity", case.subject, RECIPES["int8"], RUNTIMES["tflite"])
    together = LawRunner(session, [parity])
    with pytest.raises(Inapplicable, match="parity suite"):
        together.examined(case, None, None)
    together.close()


@pytest.mark.parametrize(("model", "recipe"), [("steps", "float32"), ("wide", "dynamic-range")])
def test_a_state_that_goes_on_is_what_streaming_asks_for(
    law_runner: LawRunner, made: Path, model: str, recipe: str
) -> None:
    """The premise is no pass: a model that starts anew with every invoke breaks the law, also
    where the budget is a hybrid LSTM's."""
    (case,) = [c for c in _cases(made, model, recipe, "tflite") if c.law == "carrying"]
    specimen = law_runner.specimen(case)

    class Forgets:
        traits = specimen.scripted.traits
        real = staticmethod(specimen.scripted.real)

        def run_script(self, script: Sequence[Action]) -> Trace:
            anew: list[Action] = []
            for action in script:
                anew += [Reset(), action] if isinstance(action, Feed) else [action]
            return specimen.scripted.run_script(anew)

    broken = search(LAWS["carrying"], replace(specimen, scripted=Forgets()))
    assert not broken.result.agreed
    assert "not the oracle's value" in broken.result.message
