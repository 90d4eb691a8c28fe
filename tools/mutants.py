"""Say what became of the mutants: the score of each module, and every survivor with its reason.

`python -m tools.mutants --write` rewrites docs/mutants.md from the folder mutants/, which
`python -m tools.mutate` (or `mutmut run`) fills. Fails under 90 %, and on a survivor for which
tests/mutants.toml has no reason; a reason that fits nothing any more is named.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.support.markdown import table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
FOLDER, DOCUMENT = ROOT / "mutants", ROOT / "docs" / "mutants.md"
REASONS = ROOT / "tests" / "mutants.toml"
LEAST = 0.9

#: mutmut's exit codes (mutmut/stats.py, 3.8): what became of a mutant. A mutant that makes the
#: tests hang or crash is as dead as one that fails them.
KILLED = frozenset({1, 3, 24, -24, 36, 152, 255, -11, -9})
SURVIVED, NO_TESTS = frozenset({0}), frozenset({5, 33})


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test fails on: removed and added lines. reason: why that is so."""

    name: str
    removed: str
    added: str
    reason: str = ""


@dataclass(frozen=True)
class Module:
    """One mutated file. unchecked: mutants that the run did not come to."""

    path: str
    killed: int
    survivors: tuple[Survivor, ...]
    untested: int
    unchecked: int

    @property
    def judged(self) -> int:
        return self.killed + len(self.survivors) + self.untested

    @property
    def score(self) -> float:
        return self.killed / self.judged if self.judged else 1.0


@dataclass(frozen=True)
class Reason:
    """Why mutants survive. where: pattern of names; line: pattern of the lines as removed and
    added, joined by " → "."""

    why: str
    where: re.Pattern[str]
    line: re.Pattern[str]


def reasons(path: Path) -> list[Reason]:
    found = tomllib.loads(path.read_text())["reason"]
    return [
        Reason(r["why"], re.compile(r.get("where", "")), re.compile(r.get("line", "")))
        for r in found
    ]


def modules(folder: Path, known: Sequence[Reason]) -> list[Module]:
    """What a run left in its folder, module by module. Raises ValueError for an empty folder."""
    found = []
    for meta in sorted(folder.rglob("*.py.meta")):
        codes: Mapping[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
        if not codes:
            continue
        source = meta.with_suffix("").read_text()
        alive = [name for name, code in codes.items() if code in SURVIVED]
        untested = [name for name, code in codes.items() if code in NO_TESTS]
        survivors = tuple(_explained(s, known) for s in _survivors(source, alive))
        found.append(
            Module(
                str(meta.with_suffix("").relative_to(folder)),
                sum(code in KILLED for code in codes.values()),
                survivors,
                len(untested),
                sum(code not in KILLED | SURVIVED | NO_TESTS for code in codes.values()),
            )
        )
    if not found:
        raise ValueError(f"no results of mutmut in {folder}: run `make mutants` first")
    return found


def _survivors(source: str, names: Sequence[str]) -> Iterator[Survivor]:
    """The changed lines of each mutant: mutmut keeps original and mutants side by side."""
    for name in names:
        function = name.rpartition(".")[2]
        original = _body(source, function.rpartition("__mutmut_")[0] + "__mutmut_orig")
        removed, added = [], []
        for line in difflib.ndiff(original, _body(source, function)):
            if line.startswith("- "):
                removed.append(line[2:].strip())
            if line.startswith("+ "):
                added.append(line[2:].strip())
        yield Survivor(name, " ".join(removed), " ".join(added))


def _body(source: str, function: str) -> list[str]:
    """The lines of a function after its first, whose name differs from mutant to mutant."""
    lines = source.splitlines()
    start = next((k for k, line in enumerate(lines) if f"def {function}(" in line), None)
    if start is None:
        return []
    indent = len(lines[start]) - len(lines[start].lstrip())
    found: list[str] = [lines[start].replace(function, "def")]
    for line in lines[start + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent and line.strip()[0] not in ")":
            break
        found.append(line)
    return [line for line in found if line.strip()]


def _explained(survivor: Survivor, known: Sequence[Reason]) -> Survivor:
    text = f"{survivor.removed} → {survivor.added}"
    for reason in known:
        if reason.where.search(survivor.name) and reason.line.search(text):
            return Survivor(survivor.name, survivor.removed, survivor.added, reason.why)
    return survivor


_COLUMNS = ("module", "mutants", "killed", "survived", "without a test", "not examined", "score")


def _row(m: Module) -> tuple[object, ...]:
    score = f"{m.score:.1%}" if m.judged else None
    return m.path, m.judged, m.killed, len(m.survivors), m.untested, m.unchecked, score


def markdown(found: Sequence[Module]) -> str:
    killed, judged = sum(m.killed for m in found), sum(m.judged for m in found)
    unchecked = sum(m.unchecked for m in found)
    lines = [
        "# Mutants",
        "",
        "Generated by `make mutants`: mutmut makes the mutants, `tools/mutate.py` holds each to "
        "the tests that reach it, `tools/mutants.py` writes this page. No test behind it needs a "
        "runtime: what only the suites and the certificate would notice counts as a survivor.",
        "",
        f"{judged} mutants of the oracles and of the comparison, {killed} killed: "
        f"{killed / max(judged, 1):.1%}. {unchecked} were not examined: a run that is stopped "
        "goes on where it was, and counts nothing that it did not come to.",
        "",
        *table(_COLUMNS, [_row(m) for m in found]),
        *("", "## Survivors", ""),
    ]
    by_reason: dict[str, list[Survivor]] = {}
    for m in found:
        for survivor in m.survivors:
            by_reason.setdefault(survivor.reason or "no reason is known", []).append(survivor)
    for why, survivors in sorted(by_reason.items(), key=lambda pair: -len(pair[1])):
        lines += [f"### {why} ({len(survivors)})", ""]
        for s in survivors:
            lines.append(f"- `{_short(s.name)}`: `{_quoted(s.removed)}` → `{_quoted(s.added)}`")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _short(name: str) -> str:
    return name.replace("ǁ", ".").replace(".x_", ".").replace(".x.", ".").replace("__mutmut_", " #")


def _quoted(line: str) -> str:
    return line.replace("`", "'")[:120]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite docs/mutants.md")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where mutmut ran")
    options = parser.parse_args(arguments)
    known = reasons(REASONS)
    found = modules(options.folder, known)
    text = markdown(found)
    if options.write:
        DOCUMENT.write_text(text)
    print(text.split("## Survivors")[0])
    killed, judged = sum(m.killed for m in found), sum(m.judged for m in found)
    survivors = [s for m in found for s in m.survivors]
    unexplained = [s for s in survivors if not s.reason]
    for why in {reason.why for reason in known} - {s.reason for s in survivors}:
        print(f"tests/mutants.toml: nothing survives any more for this reason: {why}")
    for s in unexplained:
        print(f"survives, and tests/mutants.toml has no reason: {s.name}: {s.removed} → {s.added}")
    if killed < LEAST * judged:
        print(f"{killed / max(judged, 1):.1%} killed, at least {LEAST:.0%} are needed")
    return int(bool(unexplained) or killed < LEAST * judged)


if __name__ == "__main__":
    sys.exit(main())
