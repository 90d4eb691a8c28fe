"""The site's generated parts are today's, and its entries are whole."""

from __future__ import annotations

import re

import pytest

from harness.plugins import options
from harness.support.project import ROOT
from tools.site import gallery, pictures, tables
from tools.site.failures import FAILURES, Failure

GALLERY = gallery.PAGE.read_text()


def test_the_tables_are_those_of_the_code() -> None:
    for path, content in tables.pages().items():
        assert path.read_bytes() == content, f"{path}: run `python -m tools.site --write tables`"


def test_every_option_has_a_row_with_its_setting() -> None:
    page = tables.options_page()
    for option in (*options.DECIDING, *options.OTHERS):
        assert len(re.findall(rf"^\| `{option.flag}[ `]", page, flags=re.MULTILINE)) == 1
    assert re.search(r"`--inputs PATH` \|.*\| `lstm_inputs` \|", page)


def test_a_table_without_its_markers_is_an_error() -> None:
    assert tables.between("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb", "x", "new") == (
        "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb"
    )
    with pytest.raises(ValueError, match="no <!-- x: begin -->"):
        tables.between("a", "x", "new")


@pytest.mark.parametrize("entry", FAILURES, ids=lambda entry: entry.title)
def test_the_gallery_shows_each_failure_with_what_the_gate_says(entry: Failure) -> None:
    _, found, rest = GALLERY.partition(f"## {entry.title}\n")
    section = rest.partition("\n## ")[0]
    assert found, "run `make gallery`"
    assert f"$ lstm-conformance gate {entry.options}\n" in section
    assert all(word in section for word in (entry.symptom, entry.cause, entry.cure, entry.thread))
    shown = section.partition("```console\n")[2].partition("```")[0]
    assert all(word in shown for word in entry.says)


def test_the_gallery_has_no_others() -> None:
    titles = re.findall(r"^## (.*)$", GALLERY, flags=re.MULTILINE)
    assert titles == [entry.title for entry in FAILURES]


def test_a_verdict_is_cut_out_of_a_runs_text() -> None:
    text = "dots\n== LSTM conformance ==\nDO NOT SHIP\n  cause \n\nexecuted 12 cases"
    assert gallery.verdict_of(text) == "DO NOT SHIP\n  cause"


def test_the_picture_of_the_terminal_says_what_the_gallery_says() -> None:
    drawn = re.sub(r"<[^>]*>", " ", pictures.TERMINAL.read_text()).replace("&#160;", " ")
    told = GALLERY.partition(f"gate {pictures.SHOWN.options}\n")[2].partition("```")[0]
    words = re.findall(r"[A-Za-z]{4,}", told)
    assert len(words) > 10
    assert [word for word in words if word not in drawn] == []


def test_the_picture_of_the_flow_is_drawn_from_the_code() -> None:
    assert pictures.FLOW.read_bytes() == pictures.flow(), "run `make gallery`"
    packages = {name for _, text in pictures.STEPS for name in text.split(", ")}
    assert {name for name in packages if not (ROOT / "harness" / name).is_dir()} == set()
