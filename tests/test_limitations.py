"""The registry is strict both ways, and each way of breaking it is an error that names itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.limitations import cases as limitations
from fixtures.limitations.cases import Limitation, Registry, Selector
from fixtures.limitations.registry import RegistryError
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject, catalogue
from fixtures.variants import VARIANTS
from harness.pipeline.cases import Case, Measured, judge
from harness.pipeline.selection import select

ENTRY = Limitation(
    id="gru-int8",
    phase=Phase.CONVERT,
    outcome=Outcome.CRASHED,
    match="SIGSEGV",
    reason="the calibrator crashes",
    source="measured",
    versions="tensorflow 2.15.1",
    cases=(Selector(subjects=("gru",), recipes=("int8",)),),
)
GRU, LSTM = catalogue([VARIANTS["gru"], VARIANTS["sequences"]])
INT8, FLOAT32 = RECIPES["int8"], RECIPES["float32"]
TFLM = RUNTIMES["tflm"]
CRASH = StepResult(Phase.CONVERT, Outcome.CRASHED, "SIGSEGV")
AGREED = StepResult(Phase.COMPARE, Outcome.AGREED)


def _verdict(
    outcome: StepResult, subject: Subject = GRU, asked_for: bool = False
) -> tuple[str, str]:
    case = Case("test_parity", subject, INT8, TFLM)
    judged = judge(case, Measured(outcome), Registry([ENTRY]), asked_for)
    return judged.verdict, judged.message


def test_the_registered_outcome_is_a_limitation() -> None:
    assert _verdict(CRASH)[0] == "limitation"


def test_a_limitation_that_is_gone_fails() -> None:
    verdict, message = _verdict(AGREED)
    assert verdict == "failed"
    assert "limitation gone, remove it: gru-int8" in message


@pytest.mark.parametrize(
    "outcome",
    [
        replace(CRASH, message="SIGABRT"),
        replace(CRASH, outcome=Outcome.REFUSED),
        replace(CRASH, phase=Phase.LOAD),
    ],
)
def test_another_end_than_the_registered_one_fails(outcome: StepResult) -> None:
    verdict, message = _verdict(outcome)
    assert verdict == "failed"
    assert "gru-int8 expected crashed in convert" in message


def test_an_outcome_nobody_registered_fails() -> None:
    assert _verdict(CRASH, LSTM)[0] == "failed"


def test_the_native_text_may_hold_the_message() -> None:
    assert _verdict(replace(CRASH, message="", native="caught SIGSEGV"))[0] == "limitation"


def test_a_users_model_names_the_limitation_and_fails_where_asked_for(tmp_path: Path) -> None:
    users = Subject("my.keras", "keras", path=tmp_path / "my.keras")
    verdict, message = _verdict(CRASH, users, asked_for=True)
    assert verdict == "failed"
    assert "known limitation gru-int8: the calibrator crashes" in message
    assert _verdict(CRASH, users, asked_for=False)[0] == "limitation"
    assert _verdict(AGREED, users)[0] == "agreed"


def test_conversion_limitations_reach_every_native_runtime_and_not_keras() -> None:
    registry = Registry([ENTRY])
    for name, runtime in RUNTIMES.items():
        found = registry.of(GRU, INT8, runtime)
        assert (found is None) == (name == "keras")
    assert registry.of(GRU, INT8, None) is ENTRY
    assert registry.of(GRU, FLOAT32, None) is None


def test_the_earliest_phase_decides() -> None:
    later = replace(ENTRY, id="later", phase=Phase.LOAD)
    assert Registry([later, ENTRY]).of(GRU, INT8, TFLM) is ENTRY


def test_two_entries_for_one_case_are_an_error() -> None:
    with pytest.raises(RegistryError, match="gru/int8/tflm is selected by gru-int8, other"):
        Registry([ENTRY, replace(ENTRY, id="other")]).of(GRU, INT8, TFLM)


def test_exclusions_take_out() -> None:
    selector = Selector(subjects=("*", "!gru"))
    assert not selector.selects("gru", "while", "int8")
    assert selector.selects("simple-rnn", "while", "int8")


def test_a_limitation_of_one_runtime_leaves_the_others_alone() -> None:
    entry = replace(ENTRY, phase=Phase.LOAD, cases=(Selector(runtimes=("tflm",)),))
    registry = Registry([entry])
    assert registry.of(GRU, INT8, TFLM) is entry
    assert registry.of(GRU, INT8, RUNTIMES["tflite"]) is None
    assert registry.of(GRU, INT8, None) is None


def test_an_entry_that_matches_nothing_is_found() -> None:
    useless = replace(ENTRY, id="useless", cases=(Selector(recipes=("float16",)),))
    (found,) = Registry([ENTRY, useless]).unused([(GRU, INT8, TFLM)])
    assert found.startswith("useless: ")


VALID = """
[[limitation]]
id = "x"
phase = "convert"
outcome = "refused"
match = "no"
reason = "because"
source = "measured"
versions = "2.15.1"
cases = [{ recipes = ["int8"] }]
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VALID + 'recipe = "int8"', "unknown keys recipe"),
        (VALID.replace('reason = "because"', ""), "missing reason"),
        (VALID.replace('"convert"', '"converting"'), "converting"),
        (VALID.replace('"no"', '"("'), "parenthesis|unterminated"),
        (VALID.replace("int8", "int4"), "no recipe is called int4"),
        (VALID.replace("recipes", "subjects"), "no variant is called int8"),
        (VALID.replace("recipes", "recipe"), "unknown keys recipe"),
        (VALID + VALID, "registered twice: x"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "limitations.toml"
    path.write_text(text)
    with pytest.raises(RegistryError, match=message):
        limitations.load(path)


def test_every_entry_of_the_registry_decides_a_case_and_no_case_has_two() -> None:
    registry = limitations.load()
    selection = select(full=True)
    cases = [(c.subject, c.recipe, c.runtime) for c in selection.conversions()]
    cases += [(c.subject, c.recipe, c.runtime) for c in selection.parities()]
    cases += [(c.subject, c.recipe, c.runtime) for c in selection.operators()]
    cases += [(c.subject, c.recipe, c.runtime) for c in selection.goldens()]
    unused = registry.unused(cases)
    assert not unused, f"limitations that match nothing: {unused}"
    assert len(registry.limitations) > 5
