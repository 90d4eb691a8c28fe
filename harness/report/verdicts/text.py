"""Write verdicts as lines of text: a paragraph each, and one line for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.report.verdicts import verdict as verdicts

Document = Mapping[str, Any]
#: How a verdict is shouted.
SHOUTED = {
    verdicts.SHIP: "SHIP IT",
    verdicts.KEEP: "DO NOT SHIP",
    verdicts.UNDECIDED: "UNDECIDED",
    verdicts.UNFIT: "RECIPE UNFIT",
    verdicts.REGISTERED: "AS REGISTERED",
    verdicts.CHANGED: "NOT AS REGISTERED",
}
#: Verdicts that nobody has to do anything about.
GOOD = (verdicts.SHIP, verdicts.REGISTERED)
#: A line of a paragraph: what it is, and its text.
Line = tuple[str, str]
_SUITES = {"sequences": "laws of sequences", "state": "laws of state"}
_MOST_CAUSES = 4


def title(entry: Document) -> str:
    """Model and recipes, as a reader calls them."""
    if not entry["subject"]:
        return "this installation"
    return verdicts.titled(entry["subject"], entry["recipes"])


def headline(entry: Document) -> str:
    return f"{SHOUTED[entry['verdict']]}: {title(entry)}"


def paragraph(entry: Document, most: int = _MOST_CAUSES) -> Iterator[Line]:
    """What follows a headline, the cause before its cure, evidence and cover."""
    causes = entry["causes"]
    if not causes or not entry["subject"]:
        yield "", entry["says"]
    for cause in causes[:most]:
        yield "cause", cause["says"]
        for name in ("cure", "evidence"):
            if cause[name]:
                yield name, cause[name]
        yield "seen in", covers(cause, entry)
        if cause["rerun"]:
            yield "again", cause["rerun"]
    if len(causes) > most:
        yield "", f"{len(causes) - most} more causes; the report has them all."
    for remark in entry["remarks"]:
        yield "", remark


def covers(cause: Document, entry: Document) -> str:
    """The suites and runtimes that a cause covers, and how many cases."""
    parts = []
    for suite, names in cause["covers"].items():
        called = suite.removeprefix("test_").replace("_", " ")
        runtimes = f" on {verdicts.named(names)}" if names else ""
        parts.append(f"{_SUITES.get(called, called)}{runtimes}")
    count = len(cause["cases"])
    return f"{'; '.join(parts)} ({count:,} of {entry['cases']:,} cases)"


def last_line(entries: Sequence[Document]) -> str:
    """All verdicts in a line, to be read at the end of a log."""
    if len(entries) <= 1:
        return "".join(map(headline, entries))
    by_word: dict[str, list[str]] = {}
    for entry in entries:
        by_word.setdefault(entry["verdict"], []).append(title(entry))
    bad_first = sorted(by_word, key=lambda word: word in GOOD)
    return "; ".join(
        f"{SHOUTED[word]}: {', '.join(by_word[word][:3])}"
        + (f" and {len(by_word[word]) - 3} more" if len(by_word[word]) > 3 else "")
        for word in bad_first
    )
