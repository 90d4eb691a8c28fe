"""Show what boards answered: their kernels, their state, and time by their own clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from harness.report.exhibits import Cell, Exhibit, Table

NO_BOARD = (
    "boards: UNTESTED, none was given; the kernels of a board may answer otherwise, and clear the "
    "state at each invoke (--device, docs/device.md)"
)
LOG = "a log answers its samples and one stream: the laws of state are UNTESTED on it"


def exhibit(documents: Sequence[Mapping[str, Any]]) -> Exhibit:
    """The table of the page. documents: cases of the report with a board."""
    rows: list[tuple[Cell, ...]] = []
    for document in documents:
        board = document["board"]
        rows.append(
            (
                *(document["subject"], document["recipe"], document["runtime"], board["name"]),
                ", ".join(board["kernels"]) or "nobody's",
                *(board["state"], board["microseconds"]),
                *(board["arena_used_bytes"], board["arena_bytes"]),
            )
        )
    columns = ("model", "recipe", "device", "name", "kernels", "state", "µs an invoke")
    return Exhibit(
        name="boards",
        title="On devices",
        text=(
            "Asked over a wire. kernels: all whose bits the device gave; µs: by the device's own "
            "clock, unknown without one; arena: as the device reports it."
        ),
        tables=(Table(title="", columns=(*columns, "arena used", "arena"), rows=tuple(rows)),),
    )


def show(console: Console, documents: Sequence[Mapping[str, Any]], asked: bool) -> None:
    """A paragraph for each board and model. documents: cases of the report with a board. asked:
    whether a device was given at all."""
    for document in documents:
        board = document["board"]
        micros, used = board["microseconds"], board["arena_used_bytes"]
        time = "its time unknown: it has no clock" if micros is None else f"{micros:,.0f} µs"
        arena = "" if used is None else f", {used:,} bytes of arena used"
        of = f"{document['subject']}/{document['recipe']} on {document['runtime']}"
        line = f"{of} ({board['name'] or board['transport']}): {board['text']}; {time}{arena}"
        console.print(line, highlight=False, markup=False)
    if any(document["board"]["transport"] == "log" for document in documents):
        console.print(LOG, highlight=False, markup=False)
    if not asked:
        console.print(NO_BOARD, highlight=False, markup=False)
