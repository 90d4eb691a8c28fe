"""Choose and draw what one looks at rather than reads of a verdict: answers, ranges, the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fixtures.runtimes import RUNTIMES
from harness.report.exhibits import Plot, Series
from harness.report.page import graph, plots

Case = Mapping[str, Any]
_MOST_RANGES = 5


@dataclass(frozen=True)
class Picture:
    """A drawing with a title, and a legend of (style variable, name)."""

    title: str
    svg: str
    note: str = ""
    legend: tuple[tuple[str, str], ...] = ()


def drawn(plot: Plot) -> Picture:
    legend = tuple((plots.colour(k), series.name) for k, series in enumerate(plot.series))
    return Picture(plot.title, plots.svg(plot), plot.note, legend)


def of_verdict(
    cases: Sequence[Case], flatbuffers: Mapping[str, Any], failed: Sequence[str]
) -> list[Picture]:
    """The pictures of a model and its recipes. failed: ids of the cases that its causes cover."""
    shown = [case for case in cases if case.get("answers") and _native(case)]
    covered = [case for case in shown if case["id"] in failed]
    found = []
    if shown:
        found += answers(max(covered or shown, key=_used))
    wrong = [case for case in cases if case["id"] in failed]
    if picture := ranges(wrong):
        found.append(picture)
    diverged = next((case for case in wrong if case.get("first_divergence")), None)
    if diverged is not None and (picture := operators(diverged, flatbuffers)):
        found.append(picture)
    return found


def _native(case: Case) -> bool:
    known = RUNTIMES.get(str(case["runtime"]))
    return known is None or known.native


def _used(case: Case) -> float:
    return float(case.get("budget_used") or 0.0)


def answers(case: Case) -> list[Picture]:
    """What a runtime answered beside what it must answer; of a sequence step by step."""
    found, where = case["answers"], f"{case['runtime']}, {case['recipe']}"
    several = f" of output {found.get('output', 0)}" if found.get("of", 1) > 1 else ""
    budget = found.get("budget")
    pairs = [
        (place, want, got)
        for place, (want, got) in enumerate(zip(found["expected"], found["actual"], strict=True))
        if want is not None and got is not None
    ]
    if not pairs:
        return []
    places, wants, gots = (tuple(map(float, side)) for side in zip(*pairs, strict=True))
    if "steps" in found:
        told = f"Sample {found['sample']}, unit {found['unit']}: the one that is furthest off."
        shown = [
            Plot(
                title=f"Answers over time{several}: {where}",
                x_label="time step",
                y_label="answer",
                series=(
                    Series(name="expected", x=places, y=wants),
                    Series(name=where, x=places, y=gots),
                ),
                note=told,
            )
        ]
        errors = [(float(k), float(e)) for k, e in enumerate(found["by_step"]) if e is not None]
        if errors:
            steps, error = zip(*errors, strict=True)
            lines = [Series(name="largest error", x=steps, y=error)]
            if budget:
                lines.append(Series(name="budget", x=steps, y=(budget,) * len(steps)))
            shown.append(
                Plot(
                    title=f"Error by time step{several}",
                    x_label="time step",
                    y_label="error",
                    series=tuple(lines),
                    y_scale="log" if min(error) > 0 else "linear",
                )
            )
        return [drawn(plot) for plot in shown]
    low, high = min(*wants, *gots), max(*wants, *gots)
    right = [Series(name="right", x=(low, high), y=(low, high))]
    return [
        drawn(
            Plot(
                title=f"Answers against expected ones{several}: {where}",
                x_label="expected",
                y_label="answered",
                series=(Series(name=where, x=wants, y=gots, points=True), *right),
                note=f"Each may be off by {budget:.3g} at most." if budget else "",
            )
        )
    ]


def ranges(cases: Sequence[Case]) -> Picture | None:
    """What integer tensors hold beside what the samples reach, where a finding is about that."""
    rows: dict[str, tuple[tuple[float, float], ...]] = {}
    for case in cases:
        for finding in case.get("findings", ()):
            holds, reach = finding.get("holds"), finding.get("reach")
            if holds and reach and None not in (*holds, *reach):
                name = finding.get("layer") or ", ".join(finding.get("tensors", ()))
                rows.setdefault(name, (tuple(holds), tuple(reach)))
    if not rows:
        return None
    title = "What the tensors hold, and what the samples reach"
    legend = ((plots.colour(0), "the tensor holds"), (plots.colour(1), "the samples reach"))
    return Picture(title, plots.ranges(title, list(rows.items())[:_MOST_RANGES]), "", legend)


def operators(case: Case, flatbuffers: Mapping[str, Any]) -> Picture | None:
    """The graph of operators with the first divergence; None where there is no such picture."""
    flatbuffer = flatbuffers.get(str(case.get("flatbuffer")))
    divergence = case["first_divergence"]
    drawing = graph.svg(flatbuffer, divergence.get("tensors", ())) if flatbuffer else ""
    if not drawing:
        return None
    return Picture(f"Where it starts: {case['runtime']}", drawing, divergence["text"])
