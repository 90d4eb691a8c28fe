"""Count how the gate took the world's models, and write docs/world.md and the README's table."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version

from rich.console import Console
from rich.table import Table as Printed

from harness.assurance.world import truth
from harness.assurance.world.defects import CLIPPED, CONTRADICTION, SKIPPED_TANH, UNKNOWN
from harness.assurance.world.faults import FAULTS
from harness.assurance.world.many import Result
from harness.assurance.world.verdict import Held
from harness.report.exhibits import Cell, Exhibit, Table
from harness.support.markdown import table as markdown_table
from harness.support.project import ROOT
from harness.workers.kinds import distributions

DOCUMENT, README = ROOT / "docs" / "world.md", ROOT / "README.md"
BEGIN, END = "<!-- world: begin -->", "<!-- world: end -->"
TITLE, SILENT = "A world of models", "Silently wrong int8 LSTMs"
KINDS = {
    "healthy": "right on every runtime",
    "defective": "wrong by the converter or a kernel",
    "faulty": "wrong by a fault put in",
    "unfit": "int8 rounding alone leaves nothing of the answer",
    "stopped": "refused, crashed or hung somewhere, right where it answers",
    "harmless": "a fault that changes no answer",
    "undecided": "neither near the ideal run nor far from it, or constant",
}
CONFUSION = ("kind", "what it is", "models", "green", "red", "wrong name", "false alarms", "misses")
#: Runtimes of the table of defects; one stands for those of the same kernels.
_SHOWN = ("tflite", "litert", "tflm")
_CONVERTERS = (SKIPPED_TANH, CONTRADICTION, CLIPPED)
ORDINARY = ("initial", "trained")


def exhibit(result: Result) -> Exhibit:
    """Tables of the outcomes, for the report, the terminal and the page."""
    return Exhibit(
        name="world",
        title=TITLE,
        text=summary(result),
        tables=(_confusion(result), _faults(result), defects(result), _problems(result)),
    )


def summary(result: Result) -> str:
    """One paragraph: how many models, and how often the gate was wrong."""
    held = result.held
    alarms, misses = sum(bool(h.alarms) for h in held), sum(bool(h.misses) for h in held)
    names, raised = sum(bool(h.unnamed) for h in held), sum(bool(h.raised) for h in held)
    examined = len(held) + len(result.unmakeable)
    asked = f" of the {result.asked} asked for" if examined < result.asked else ""
    return (
        f"{len(held)} models{asked} of seed {result.seed} that no catalogue has, {alarms} of them "
        "with a "
        f"false alarm, {misses} with a miss, {names} red under another name than the true one, "
        f"{raised} with an exception of the harness. Each was made by Keras, converted by a "
        "recipe, gated as a user's file, and run on every runtime beside Keras and beside a Keras "
        "whose tensors are rounded ideally; that run, and no check, says what is wrong. "
        f"({len(result.unmakeable)} more were drawn that Keras refuses.)"
    )


def _confusion(result: Result) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind, meaning in KINDS.items():
        held = [h for h in result.held if h.kind == kind]
        rows.append((kind, meaning, len(held), *_counted(held)))
    rows.append(("all", "", len(result.held), *_counted(result.held)))
    return Table(title="What the gate says", columns=CONFUSION, rows=tuple(rows))


def _counted(held: list[Held] | tuple[Held, ...]) -> tuple[int, ...]:
    return (
        sum(not h.red for h in held),
        sum(h.red for h in held),
        sum(bool(h.unnamed) for h in held),
        sum(bool(h.alarms) for h in held),
        sum(bool(h.misses) for h in held),
    )


def _faults(result: Result) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for fault in FAULTS:
        held = [h for h in result.held if h.plan.fault == fault]
        wrong = [h for h in held if h.kind == "faulty"]
        named = sum(not h.misses and not h.unnamed for h in wrong)
        missed = sum(bool(h.misses) for h in wrong)
        rows.append((fault, len(held), len(wrong), named, len(wrong) - named - missed, missed))
    columns = ("fault", "models", "that it makes wrong", "called by name", "other name", "missed")
    return Table(title="Faults put in", columns=columns, rows=tuple(rows))


def defects(result: Result) -> Table:
    """How many ordinary int8 LSTMs come out wrong without a word, and why."""
    held = [
        h
        for h in result.held
        if h.integer_lstm
        and not h.plan.fault
        and h.plan.weights in ORDINARY
        and h.kind not in ("unfit",)
        and not h.note
    ]
    rows: list[tuple[Cell, ...]] = []
    named = {defect.name for defect in _CONVERTERS}
    for defect in (*_CONVERTERS, UNKNOWN):
        has = sum(defect.name in h.defects for h in held) if defect is not UNKNOWN else None
        wrong = [sum((r, defect.name) in h.causes for h in held) for r in _SHOWN]
        rows.append((defect.title, has, *wrong))
    any_wrong = [sum(dict(h.states).get(r) == "wrong" for h in held) for r in _SHOWN]
    rows.append(("any of them", sum(bool(named & set(h.defects)) for h in held), *any_wrong))
    columns = ("why", "files with it", *(f"wrong on {name}" for name in _SHOWN))
    note = (
        f"Of {len(held)} integer conversions of fused LSTMs with initial or trained weights and "
        "no fault, converted by the documented recipes."
    )
    return Table(title=SILENT, columns=columns, rows=tuple(rows), note=note)


def _problems(result: Result) -> Table:
    """Each problem once with the number of models that have it, and one of them."""
    found: dict[str, list[Held]] = {}
    for h in result.held:
        for problem in dict.fromkeys(sort(text) for text in h.problems):
            found.setdefault(problem, []).append(h)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    rows = tuple((text, len(held), str(held[0].plan)) for text, held in ordered)
    columns = ("what is said", "models", "one of them")
    return Table(title="Where gate and truth part", columns=columns, rows=rows)


def sort(problem: str) -> str:
    """A problem without its numbers: many models have one."""
    return re.sub(r"'[^']*'|\d[\d.e+-]*", "…", problem)[:160]


def show(console: Console, shown: Exhibit) -> None:
    """Print an exhibit's tables."""
    console.print(shown.text, highlight=False, markup=False)
    for table in shown.tables:
        printed = Printed(title=table.title, caption=table.note or None)
        for column in table.columns:
            printed.add_column(column, overflow="fold")
        for row in table.rows:
            printed.add_row(*("–" if cell is None else str(cell) for cell in row))
        console.print(printed, highlight=False, markup=False)


def document(shown: Exhibit, command: str, seconds: float) -> str:
    """docs/world.md, whole."""
    packages = ", ".join(f"{name} {version(name)}" for name in distributions())
    system = f"{platform.machine()} {platform.system()}, Python {platform.python_version()}"
    lines = [f"# {shown.title}", "", f"Generated by `{command}` with {packages} on {system} "]
    lines[-1] += f"in {seconds / 60:.0f} minutes."
    lines += ["", shown.text, "", _measure()]
    for table in shown.tables:
        lines += ["", f"## {table.title}", ""]
        lines += markdown_table(table.columns, table.rows) if table.rows else ["None."]
        lines += ["", table.note] if table.note else []
    return "\n".join(lines) + "\n"


def _measure() -> str:
    """What is called right and wrong, with the figures that decide it."""
    return (
        "An answer is measured as its rms distance from Keras's, in spreads of the output over the "
        f"samples. A quantised one is right up to {truth.RIGHT:g} times the distance of the ideal "
        f"rounding (but {truth.UNFIT / 2:g} spreads) or {truth.NEGLIGIBLE:g} spreads, and wrong "
        f"from {truth.WRONG:g} times and {truth.MATTERS:g} spreads on; a float one up to "
        f"{truth.FLOAT_RIGHT:g} times the distance that the last bit of inputs and weights "
        f"makes or {truth.FLOAT_NEGLIGIBLE:g} spreads, and "
        f"from {truth.FLOAT_WRONG:g} times and {truth.FLOAT_MATTERS:g} spreads on. Between the "
        "two, and where the output is constant on the samples, nothing is said of the model. A "
        f"recipe is unfit for it where the ideal rounding alone is {truth.UNFIT:g} spreads away."
    )


def for_readme(shown: Exhibit) -> str:
    """What the README has of it: the confusion in one line and the converter's defects."""
    table = next(t for t in shown.tables if t.title == SILENT)
    return "\n".join([*markdown_table(table.columns, table.rows), "", table.note])


def in_readme(text: str) -> str:
    """The part of a README between the markers. Raises ValueError when they are gone."""
    _, begin, rest = text.partition(BEGIN)
    part, end, _ = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no table between {BEGIN} and {END}")
    return part.strip()


def replaced(readme: str, part: str) -> str:
    """The README with another table."""
    in_readme(readme)
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{part}\n{END}{after}"
