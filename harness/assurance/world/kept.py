"""Keep the plans that were once judged wrongly: every run begins with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.assurance.world.plan import Plan, from_document

FILE = Path(__file__).with_name("kept.json")


@dataclass(frozen=True)
class Kept:
    """A plan and what was wrong with its verdict. open: whether it still is."""

    plan: Plan
    was: str
    open: bool = False


def kept(path: Path = FILE) -> list[Kept]:
    """The plans of the file. Raises ValueError for one that cannot be made."""
    return [
        Kept(from_document(entry["plan"]), entry["was"], entry.get("open", False))
        for entry in json.loads(path.read_text())
    ]


def written(entries: list[Kept]) -> str:
    """The file's text, one plan a line."""
    lines = [
        json.dumps(
            {"was": entry.was, "plan": entry.plan.document()}
            | ({"open": True} if entry.open else {}),
            ensure_ascii=False,
        )
        for entry in entries
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"
