"""Write Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table. A cell may hold markup; bars are escaped, white space becomes one
    blank, and None is a dash. Raises ValueError for a row of another length than the columns."""
    return [_line(columns), "|---" * len(columns) + "|", *(_row(row, columns) for row in rows)]


def _row(row: Sequence[object], columns: Sequence[str]) -> str:
    if len(row) != len(columns):
        raise ValueError(f"a row of {len(row)} cells in a table of {len(columns)} columns: {row}")
    return _line(["–" if cell is None else str(cell) for cell in row])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
