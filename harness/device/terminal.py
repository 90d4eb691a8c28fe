"""Print what a device needs for each model of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.device.resources import FOLDER, exhibit
from harness.report import exhibits

#: More rows than this are a catalogue, which the report has in full.
_MOST_ROWS = 16


def show(console: Console, documents: Sequence[Mapping[str, Any]], report: Path) -> None:
    """documents: cases of the report with resources. report: the folder that has their files."""
    if len(documents) <= _MOST_ROWS:
        shown = exhibit(documents)
        console.print(_table(shown.tables[0]))
        console.print(shown.text, highlight=False, markup=False)
    else:
        arenas = sorted(document["resources"]["arena_bytes"] for document in documents)
        console.print(
            f"{len(documents)} models measured, arenas of {arenas[0]:,} to {arenas[-1]:,} bytes",
            highlight=False,
        )
    for line in [*_with_cmsis_nn(documents), *_compiled(documents), f"files: {report / FOLDER}"]:
        console.print(line, highlight=False, markup=False)


def _with_cmsis_nn(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The arena with CMSIS-NN's LSTM kernels: a line for each model, or one for a catalogue."""
    found = [d for d in documents if d["resources"].get("cmsis_nn")]
    what = "arena with CMSIS-NN's LSTM kernels on a 32-bit board"
    if len(documents) > _MOST_ROWS:
        most = max((d["resources"]["cmsis_nn"]["extra_bytes"] for d in found), default=0)
        return [f"{what}: up to {most:,} bytes more, of {len(found)} models"] if found else []
    return [
        f"{d['subject']} {d['recipe']}: {what} {d['resources']['cmsis_nn']['arena_bytes']:,} bytes "
        f"({d['resources']['cmsis_nn']['extra_bytes']:+,})"
        for d in found
    ]


def _compiled(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    arrays = [document["resources"]["c_array"] for document in documents]
    untested = [array["untested"] for array in arrays if array["untested"]]
    compilers = sorted({array["compiler"] for array in arrays if array["compiler"]})
    lines = []
    if compilers:
        count = len(arrays) - len(untested)
        by = ", ".join(compilers)
        lines.append(f"C arrays: {count} compiled by {by}, read back, and run to the same bits")
    if untested:
        lines.append(f"C arrays: {len(untested)} UNTESTED, {untested[0]}")
    return lines


def _table(table: exhibits.Table) -> Table:
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for position, name in enumerate(table.columns):
        shown.add_column(name, justify="left" if position < 2 else "right", no_wrap=True)
    for row in table.rows:
        shown.add_row(*(f"{c:,}" if isinstance(c, int) else str(c or "unknown") for c in row))
    return shown
