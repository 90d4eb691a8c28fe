"""The glossary names every word that a report can say, and no field that a report lacks."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from fixtures.outcomes import Outcome, Phase
from fixtures.runtimes import RUNTIMES
from harness.pipeline.cases import Verdict
from harness.report.document import SCHEMA_PATH
from harness.support.project import ROOT

KERNELS = dict.fromkeys(each.adapter.kernel for each in RUNTIMES.values() if each.native)
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
#: What the issue of words asks for, beside what the code enumerates.
WORDS = (
    *("subject", "variant", "recipe", "runtime", "phase", "outcome", "verdict", "step result"),
    *("oracle", "profile", "budget", "budget used", "limitation", "guarded", "finding", "blame"),
    *("attribution", "first divergence", "cause", "stimulus", "calibration", "artifacts"),
    *("session", "law", "state contract", "repair", "exhibit", "consequence"),
)


def values_of(text: str, word: str) -> list[str]:
    """The values that the list below a word explains, in order."""
    bullet = r"- .*\n(?:  .*\n)*"
    entry = re.search(rf"^\*\*{word}\*\*(?:.+\n)+\n((?:{bullet})+)", text, flags=re.MULTILINE)
    assert entry is not None, word
    heads = re.findall(r"^- (`.*?`):", entry[1], flags=re.MULTILINE)
    return [value for head in heads for value in re.findall(r"`(.*?)`", head)]


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("phase", [phase.value for phase in Phase]),
        ("outcome", [outcome.value for outcome in Outcome]),
        ("verdict", list(get_args(Verdict))),
        (
            "blame",
            [
                *("recipe", "calibration", "converter", "file"),
                *KERNELS,
                *("Keras", "harness", "undecided"),
            ],
        ),
    ],
)
def test_every_value_that_the_code_knows_is_explained(word: str, known: list[str]) -> None:
    assert values_of(GLOSSARY, word) == known
    missing = GLOSSARY.replace(f"`{known[-1]}`", "`it`")
    assert values_of(missing, word) != known


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_reports_has_one_entry(word: str) -> None:
    assert len(re.findall(rf"^\*\*{word}\*\*", GLOSSARY, flags=re.MULTILINE)) == 1


def test_the_fields_that_are_named_are_those_of_the_schema() -> None:
    properties = json.loads(SCHEMA_PATH.read_text())["properties"]
    case = properties["cases"]["items"]["properties"]
    named = re.findall(r"`cases\[\]\.(\w+)", GLOSSARY)
    assert len(named) > 20
    assert set(named) <= set(case)
    top = re.findall(r"\(`(\w+)`", GLOSSARY)
    assert {"oracles", "inapplicable", "overrides"} <= set(top)
    assert set(top) <= set(properties)
