"""Gate a world of ordinary models and hold each verdict to the truth.

    python -m harness world --count 1000

Models as users build them are drawn, made by Keras, converted, and gated as a user's file, the
kept ones first. What is true of each is measured apart: its answers on every runtime beside
Keras's and beside an ideal rounding. The exit status says whether anything healthy was called
faulty, anything wrong passed, or an exception escaped. `--write` rewrites docs/world.md and the
README's table, `--shrink` makes each plan that was judged wrongly small, `--one` examines a plan
that a table or a line has, and leaves its files where `--files` says.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.assurance.world import report
from harness.assurance.world.gate import command as gate_command
from harness.assurance.world.generator import drawn
from harness.assurance.world.kept import Kept, kept, written
from harness.assurance.world.making import Unmakeable
from harness.assurance.world.many import Result, examined
from harness.assurance.world.plan import Plan, from_document
from harness.assurance.world.run import World
from harness.assurance.world.shrinking import shrunk
from harness.assurance.world.verdict import Held
from harness.report import exhibits
from harness.support import files


def parsed(text: str) -> Plan:
    """A plan from how it prints: `units 4, layer GRU, recipe int8`. Raises ValueError."""
    document: dict[str, object] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition(" ")
        document[name] = int(value) if re.fullmatch(r"\d+", value) else value
    return from_document(document)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m harness world", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--count", type=int, default=100, help="models beside the kept ones (100)")
    parser.add_argument("--seed", type=int, default=2015)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many")
    parser.add_argument("--report", type=Path, default=Path("report"))
    parser.add_argument("--write", action="store_true", help="rewrite docs/world.md and README.md")
    parser.add_argument("--shrink", action="store_true", help="shrink what was judged wrongly")
    parser.add_argument("--one", metavar="PLAN", help="only this plan, as the tables print it")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="of --one: keep its files")
    option = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if option.one is not None:
        return _one(parsed(option.one), option.files, console)
    plans = [*(entry.plan for entry in kept()), *drawn(option.count, option.seed)]

    def keep(result: Result) -> None:
        """What there is, so that a run that is killed has left its tables."""
        shown = report.exhibit(result)
        exhibits.write(shown, option.report)
        if option.write:
            _write(option, result)

    result = examined(plans, option.seed, option.jobs, True, option.minutes, keep)
    keep(result)
    report.show(console, report.exhibit(result))
    wrong = [held for held in result.held if held.problems]
    if option.shrink and wrong:
        _shrink(wrong, option.report, console)
    return 1 if wrong else 0


def _write(option: argparse.Namespace, result: Result) -> None:
    """docs/world.md and the README's table."""
    typed = f"python -m harness world --count {option.count} --seed {option.seed} --write"
    if option.minutes < math.inf:
        typed += f" --minutes {option.minutes:g}"
    shown = report.exhibit(result)
    files.write(report.DOCUMENT, report.document(shown, typed, result.seconds).encode())
    text = report.replaced(report.README.read_text(), report.for_readme(shown))
    files.write(report.README, text.encode())


def _one(plan: Plan, folder: Path | None, console: Console) -> int:
    """Everything that is known of one plan."""
    world = World()
    try:
        found, specimen, gated, truth = world.examined(plan, keep=folder is not None)
        console.print(f"{found.kind}; {plan}", highlight=False, markup=False)
        for runtime, seen in truth.seen.items():
            console.print(f"  {runtime}: {seen}", highlight=False, markup=False)
        console.print(f"  defects: {', '.join(found.defects) or 'none'}", markup=False)
        for said in gated.said:
            if said.verdict not in ("agreed", "inapplicable"):
                text = f"{said.suite} {said.runtime} {said.verdict}: {said.message}"
                console.print(text, highlight=False, markup=False)
        for problem in found.problems:
            console.print(problem, style="red", highlight=False, markup=False)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            paths = (
                specimen.keras if plan.entry != "--tflite" else None,
                *(specimen.tflite, specimen.inputs_file, specimen.calibration_file),
            )
            for path in (path for path in paths if path is not None):
                shutil.copy(path, folder)
            recipe = plan.recipe
            console.print(gate_command(paths, recipe), highlight=False, markup=False)
    finally:
        world.close()
    return 1 if found.problems else 0


def _shrink(wrong: Sequence[Held], folder: Path, console: Console) -> None:
    """The smallest plan of each sort of problem, as lines for `kept.json`."""
    sorts: dict[str, Held] = {}
    for held in wrong:
        sorts.setdefault(report.sort(held.problems[0]), held)
    world = World()
    found: list[Kept] = []
    try:
        for sort, held in sorts.items():

            def still(plan: Plan, sort: str = sort) -> bool:
                try:
                    problems = world.held(plan).problems
                except Unmakeable:
                    return False
                return any(report.sort(problem) == sort for problem in problems)

            small = shrunk(held.plan, still)
            found.append(Kept(small, held.problems[0][:300], open=True))
            console.print(f"{small}\n    {held.problems[0][:300]}", markup=False, highlight=False)
    finally:
        world.close()
    files.write(folder / "world-kept.json", written(found).encode())


if __name__ == "__main__":
    sys.exit(main())
