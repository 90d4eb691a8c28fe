"""Exhibits come back as they were written, and a damaged one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import exhibits
from harness.report.exhibits import Exhibit, Plot, Series, Table

EXHIBIT = Exhibit(
    name="speed",
    title="Speed",
    text="Lower is better.",
    tables=(Table(title="t", columns=("runtime", "µs"), rows=(("TFLite", 1.5), ("TFLM", None))),),
    plots=(
        Plot(
            title="p",
            x_label="T",
            y_label="µs",
            series=(Series(name="TFLite", x=(1.0, 10.0), y=(2.0, 20.0)),),
            x_scale="log",
        ),
    ),
)


def test_an_exhibit_comes_back_as_it_was_written(tmp_path: Path) -> None:
    exhibits.write(EXHIBIT, tmp_path)

    assert exhibits.read(tmp_path) == [EXHIBIT]


def test_a_report_without_exhibits_has_none(tmp_path: Path) -> None:
    assert exhibits.read(tmp_path) == []


@pytest.mark.parametrize("content", ["{", "{}", '{"tables": 3}', "[]"])
def test_a_damaged_exhibit_is_named(tmp_path: Path, content: str) -> None:
    exhibits.write(EXHIBIT, tmp_path).write_text(content)

    with pytest.raises(ValueError, match=r"speed\.json: not an exhibit"):
        exhibits.read(tmp_path)


def test_rows_and_series_have_to_fit() -> None:
    with pytest.raises(ValueError, match=r"a row of 1 cells, expected 2"):
        Table(title="t", columns=("a", "b"), rows=(("x",),))
    with pytest.raises(ValueError, match=r"1 x for 2 y"):
        Series(name="s", x=(1.0,), y=(1.0, 2.0))
    with pytest.raises(ValueError, match="expected linear or log"):
        Plot(title="p", x_label="", y_label="", series=(), x_scale="cubic")
