"""Show a model's conversion before and after a repair, row by row."""

from __future__ import annotations

from collections.abc import Sequence

from harness.pipeline.cases import Measured
from harness.repair.invoke_time import shown
from harness.repair.model_proof import Judged

#: What a figure is, before and after.
Row = tuple[str, str, str]


def rows(before: Judged, after: Judged) -> tuple[Row, ...]:
    """What the float32 conversion of a model was and is."""
    both = (before, after)
    found = [
        _row("fused LSTMs", [_shown(f"{one.fused} of {one.layers}", one) for one in both]),
        _row("WHILE loops", [_shown(str(one.loops), one) for one in both]),
    ]
    found += [
        (name, _outcome(before.outcomes[name]), _outcome(measured))
        for name, measured in after.outcomes.items()
    ]
    for title, key in (
        ("flatbuffer, bytes", "flatbuffer_bytes"),
        ("arena (tflm), bytes", "arena"),
        ("multiply-accumulates", "macs"),
    ):
        figures = [getattr(one, key) for one in both]
        found.append(_row(title, ["–" if one is None else str(one) for one in figures]))
    for name in after.seconds:
        times = [one.seconds.get(name) for one in both]
        if any(time is not None for time in times):
            title = f"an invoke on this host ({name})"
            found.append(_row(title, [shown(time) for time in times]))
    return tuple(found)


def columns(found: Sequence[Row]) -> list[str]:
    """The rows as lines, one below the other."""
    if not found:
        return []
    widths = [max(len(row[k]) for row in found) for k in range(2)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in found]


def _row(title: str, figures: Sequence[str]) -> Row:
    before, after = figures
    return title, before, after


def _shown(figure: str, judged: Judged) -> str:
    """A figure of a conversion; a dash where there is none."""
    return figure if judged.layers else "–"


def _outcome(measured: Measured) -> str:
    result = measured.result
    if measured.budget_used is not None:
        return f"{result.outcome.value} ({measured.budget_used:.2g} of its budget)"
    if result.agreed:
        return result.outcome.value
    return f"{result.outcome.value} in {result.phase.value}"
