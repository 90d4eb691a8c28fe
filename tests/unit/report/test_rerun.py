"""The command that runs a case again: it has every option that decides the case, quoted."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import Any

import pytest

from conftest import pytest_plugins
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.laws.cases import LawCase
from harness.pipeline.cases import Case
from harness.report.rerun import OPTIONS, failure_text, rerun_command

#: Where results go and how fast they come, and what a command has for a single case.
UNDECIDING = {"report", "cache", "no_cache", "jobs", "show_quantization", "update_baseline"}
OF_A_LAW = {"example"}
SUBJECT = Subject("my.keras", "keras", path=Path("/a b/my.keras"))
CASE = Case("test_parity", SUBJECT, RECIPES["int8"], RUNTIMES["tflm"])


class Recorder:
    """Stands for pytest's parser and for its groups: the options that plugins add, by name."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def getgroup(self, name: str, description: str) -> Recorder:
        return self

    def addini(self, name: str, text: str, **how: Any) -> None:
        pass

    def addoption(self, flag: str, **how: Any) -> None:
        self.found[flag.removeprefix("--").replace("-", "_")] = how


@pytest.fixture(scope="module")
def options() -> dict[str, dict[str, Any]]:
    parser = Recorder()
    for name in pytest_plugins:
        add = getattr(importlib.import_module(name), "pytest_addoption", None)
        if add is not None:
            add(parser)
    return parser.found


def _default(how: dict[str, Any]) -> Any:
    return how.get("default", False if how.get("action") == "store_true" else None)


def test_every_option_decides_or_is_known_not_to(options: dict[str, dict[str, Any]]) -> None:
    assert set(options) == set(OPTIONS) | UNDECIDING | OF_A_LAW
    assert {name: _default(options[name]) for name in OPTIONS} == dict(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_was_given_is_in_the_command(
    name: str, options: dict[str, dict[str, Any]]
) -> None:
    """As the shell hands it on, whatever its value is made of."""
    how = options[name]
    plain = {known: _default(each) for known, each in options.items()}
    flag = f"--{name.replace('_', '-')}"
    value: Any = "it's a \"$PATH\"; b"
    if name == "budget":
        value = "my.keras/int8/*=2:it's why"
    elif how.get("type") in (int, float):
        value = 7
    elif name in ("model", "tflite"):
        value = SUBJECT.path
    words = ["pytest", "a b::c[d]", flag, str(value)]
    if how.get("action") == "store_true":
        value, words = True, words[:3]
    elif how.get("action") == "append":
        value = [value]
    command = rerun_command("a b::c[d]", CASE, {**plain, name: value})
    assert shlex.split(command) == words
    assert shlex.split(rerun_command("a b::c[d]", CASE, plain)) == words[:2]


def test_an_example_of_a_law_comes_last() -> None:
    given = {**OPTIONS, "update_baseline": False, "seed": 3}
    words = shlex.split(rerun_command("x", CASE, given, '{"lengths": [1, 2]}'))
    assert words == ["pytest", "x", "--seed", "3", "--example", '{"lengths": [1, 2]}']


def test_a_baseline_that_was_written_decides_nothing() -> None:
    given = {**OPTIONS, "baseline": Path("b.json")}
    assert "b.json" in rerun_command("x", CASE, {**given, "update_baseline": False})
    assert "b.json" not in rerun_command("x", CASE, {**given, "update_baseline": True})


def test_of_models_and_budgets_only_the_cases_own_are_named() -> None:
    given = {
        **OPTIONS,
        "update_baseline": False,
        "model": [Path("/a b/my.keras"), Path("/other.keras")],
        "budget": ["my.keras/int8/tflm=2:own", "other.keras/*/*=2:another's"],
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
