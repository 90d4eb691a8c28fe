"""Markdown tables that hold whatever a model is called."""

from __future__ import annotations

import pytest

from harness.support.markdown import table


def test_a_table_has_a_header_a_separator_and_its_rows() -> None:
    assert table(("name", "count"), [("`a`", 3), ("b", None)]) == [
        "| name | count |",
        "|---|---|",
        "| `a` | 3 |",
        "| b | – |",
    ]


def test_a_cell_cannot_end_itself_or_its_row() -> None:
    assert table(["x"], [["a|b\n c"]])[2] == "| a\\|b c |"


@pytest.mark.parametrize("row", [[], ["a"], ["a", "b", "c"]])
def test_a_row_of_another_length_is_refused(row: list[str]) -> None:
    with pytest.raises(ValueError, match="2 columns"):
        table(["x", "y"], [row])
