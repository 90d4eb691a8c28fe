"""Print verdicts in the terminal: a paragraph each, wrapped to its width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.report.verdicts import text, verdict

Document = Mapping[str, Any]
_STYLES = {
    verdict.SHIP: "bold green",
    verdict.REGISTERED: "bold green",
    verdict.UNDECIDED: "bold yellow",
    verdict.UNFIT: "bold red",
    verdict.KEEP: "bold red",
    verdict.CHANGED: "bold red",
}
_LABEL_WIDTH = 9
#: More paragraphs than this are a list, which the report has in full.
_MOST = 12
_PLAIN: Any = {"highlight": False, "markup": False}


def show(console: Console, verdicts: Sequence[Document]) -> None:
    """What is bad first; of several that are good, a line each."""
    ordered = sorted(verdicts, key=lambda entry: entry["verdict"] in text.GOOD)
    for entry in ordered[:_MOST]:
        console.print(Text(text.headline(entry), _STYLES[entry["verdict"]]), soft_wrap=True)
        for label, told in text.paragraph(entry):
            _line(console, label, told)
    if len(ordered) > _MOST:
        rest = ordered[_MOST:]
        good = sum(entry["verdict"] in text.GOOD for entry in rest)
        told = f"and {len(rest)} more models and recipes, {good} of them to ship: see the report"
        console.print(told, **_PLAIN)


def last(console: Console, verdicts: Sequence[Document]) -> None:
    """The line that a reader of a log's end sees."""
    if verdicts:
        bad = [entry for entry in verdicts if entry["verdict"] not in text.GOOD]
        style = _STYLES[(bad or verdicts)[0]["verdict"]]
        console.print(Text(text.last_line(verdicts), style), soft_wrap=True)


def _line(console: Console, label: str, told: str) -> None:
    """A label and its text beside it. A command stays one line, to be copied."""
    if label == "again":
        console.print(f"  {label:{_LABEL_WIDTH}}{told}", soft_wrap=True, **_PLAIN)
        return
    head = f"  {label:{_LABEL_WIDTH}}" if label else "  "
    width = max(30, console.width - len(head))
    lines = wrap(" ".join(told.split()), width, break_on_hyphens=False) or [""]
    for line in lines:
        console.print(Text(head, "dim").append(line, "not dim"), soft_wrap=True)
        head = " " * len(head)
