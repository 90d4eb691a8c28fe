"""The command that runs a case again: it has every option that decides the case, quoted."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.laws.cases import LawCase
from harness.pipeline.cases import Case
from harness.plugins.options import DECIDING, OTHERS, Option, deciding
from harness.report.rerun import failure_text, rerun_command
from harness.support.project import ROOT

OPTIONS = (*DECIDING, *OTHERS)
PLAIN = {"plugins": ["no:cacheprovider"]} | {option.name: option.default for option in OPTIONS}
SUBJECT = Subject("my.keras", "keras", path=Path("/a b/my.keras"))
CASE = Case("test_parity", SUBJECT, RECIPES["int8"], RUNTIMES["tflm"])


def test_only_these_do_not_decide() -> None:
    """Whoever adds an option has to say here that no case ends otherwise for it."""
    known = {"report", "cache", "no_cache", "jobs", "show_quantization", "update_baseline"}
    assert {option.name for option in OTHERS} == known | {"example"}


def test_every_option_of_ours_is_in_the_table(pytestconfig: pytest.Config) -> None:
    """pytest has them all, and no plugin adds one beside the table."""
    assert all(hasattr(pytestconfig.option, option.name) for option in OPTIONS)
    for path in (ROOT / "harness" / "plugins").glob("*.py"):
        assert "addoption(" not in path.read_text() or path.stem in ("options", "project"), path


@pytest.mark.parametrize("option", DECIDING, ids=lambda option: option.name)
def test_an_option_that_was_given_is_in_the_command(option: Option) -> None:
    """As the shell hands it on, whatever its value is made of."""
    value: Any = 'it\'s a "$PATH"; b'
    if option.name == "budget":
        value = "my.keras/int8/*=2:it's why"
    elif option.how.get("type") in (int, float):
        value = 7
    elif option.name in ("model", "tflite"):
        value = SUBJECT.path
    words = ["pytest", "a b::c[d]", option.flag, str(value)]
    if option.how.get("action") == "store_true":
        value, words = True, words[:3]
    elif option.how.get("action") == "append":
        value = [value]
    options = {**PLAIN, option.name: value}
    if option.name == "repair":  # of a model that was given; what a repair made is not made again
        options["model"] = [SUBJECT.path]
        words[2:2] = ["--model", str(SUBJECT.path)]
    given = deciding(SimpleNamespace(**options))
    assert shlex.split(rerun_command("a b::c[d]", CASE, given)) == words


def test_what_is_as_by_itself_is_left_out() -> None:
    assert deciding(SimpleNamespace(**PLAIN)) == {}
    given = {**PLAIN, **{option.name: "other" for option in OTHERS}}
    assert deciding(SimpleNamespace(**given)) == {}


def test_an_example_of_a_law_comes_last() -> None:
    words = shlex.split(rerun_command("x", CASE, {"--seed": 3}, '{"lengths": [1, 2]}'))
    assert words == ["pytest", "x", "--seed", "3", "--example", '{"lengths": [1, 2]}']


def test_of_models_and_budgets_only_the_cases_own_are_named() -> None:
    given = {
        "--model": [Path("/a b/my.keras"), Path("/other.keras")],
        "--budget": ["my.keras/int8/tflm=2:own", "other.keras/*/*=2:another's"],
    }
    law = LawCase("test_state", SUBJECT, CASE.recipe, CASE.runtime, law="streaming")
    structure = Case("test_structure", SUBJECT, CASE.recipe, confirm_on=(RUNTIMES["tflm"],))
    for case in (CASE, law, structure):  # whether a law is examined depends on parity
        words = shlex.split(rerun_command("x", case, given))
        assert words[2:] == ["--model", "/a b/my.keras", "--budget", "my.keras/int8/tflm=2:own"]


def test_a_failure_tells_where_it_starts_and_how_to_see_it_again() -> None:
    entry = {
        "first_divergence": {"text": "step 3", "cause": "gate order"},
        "example": "{}",
        "rerun": "pytest x",
    }
    lines = failure_text("wrong", entry, "law carrying: …").splitlines()
    assert lines == [
        "law carrying: …",
        "wrong",
        "starts at: step 3",
        "cause: gate order",
        "minimal example: {}",
        "rerun: pytest x",
    ]
    assert failure_text("wrong", {"rerun": "pytest x"}).splitlines() == ["wrong", "rerun: pytest x"]
