"""Repair the scales of an integer flatbuffer, and tell what that changes on each runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.outcomes import Outcome
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import Runtime
from fixtures.subjects import users_models
from harness.flatbuffer.int16_rewriter import to_int16x8
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.scale_repair import Change, repaired
from harness.pipeline.cases import Case, Measured
from harness.repair.scale_proof import (
    SUITE,
    File,
    cells_reached,
    examine,
    keeping_own_scale,
    other_changes,
    worse,
)
from harness.repair.table import Row, columns
from harness.session.session import Session
from reference.lstm.integer_weights import IntegerLstm


@dataclass(frozen=True)
class Told:
    """What became of a repair: whether its result is proven (or nothing was to do), and the lines
    for the terminal."""

    proven: bool
    lines: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    before: File | None = None
    after: File | None = None
    #: What speaks against the result.
    faults: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """What other scales, or calibration, leave wrong of the whole file; empty for nothing."""
        whole = {} if self.after is None else self.after.whole
        return tuple(
            f"left: {name} is still beyond the budget of the whole model: {measured.result}"
            for name, measured in whole.items()
            if measured.result.outcome is Outcome.DIVERGED
        )

    @property
    def rows(self) -> tuple[Row, ...]:
        """Errors before and after: each LSTM's, and the whole file's against Keras."""
        if self.before is None or self.after is None:
            return ()
        return (*_errors(self.before, self.after), *_of_whole(self.before, self.after))


def repair(
    session: Session,
    path: Path,
    keras: Path | None,
    out: Path,
    runtimes: Sequence[Runtime],
    int16x8: bool = False,
) -> Told:
    """Write the repaired file where it is proven; a file that needs no repair, byte for byte.

    int16x8: write the int16x8 form of the repaired file, which only TensorFlow Lite Micro runs.
    Raises ValueError for a file that is no integer flatbuffer with LSTMs, and OSError where
    something cannot be read or written.
    """
    (subject,) = users_models([], [path]) if keras is None else users_models([keras], [path])[1:]
    content = path.read_bytes()
    artifacts = session.artifacts(Case(SUITE, subject, AS_CONVERTED))
    if not artifacts.conversion.result.agreed or artifacts.conversion.data is None:
        raise ValueError(f"{path}: {artifacts.conversion.result}")
    parts = artifacts.operators.parts
    parameters = [found.parameters for found in lstm_operators(content)]
    cells = cells_reached(parts) if session.settings.inputs is not None else {}
    fixed, changes = repaired(content, cells, keeping_own_scale(content, parts))
    title = f"{path}: {len(changes)} tensors" if changes else f"{path}: no scale needs a repair"
    lines = [title, *(f"  {change}" for change in changes)]
    before = after = None
    if changes:
        before = examine(session, subject, runtimes)
        numbers = [model if isinstance(model, IntegerLstm) else None for model in parameters]
        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder) / path.name
            new.write_bytes(fixed)
            (again,) = (
                users_models([], [new]) if keras is None else users_models([keras], [new])[1:]
            )
            after = examine(session, again, runtimes, numbers)
        lines += ["", *_figures(before, after)]
        lines += Told(True, (), changes, before, after).left
        if faults := [*other_changes(content, fixed, changes), *worse(before, after)]:
            told = [f"not proven, and {out} is not written:", *(f"  {fault}" for fault in faults)]
            return Told(False, (*lines, "", *told), changes, before, after, tuple(faults))
    written = to_int16x8(fixed) if int16x8 else fixed
    out.write_bytes(written)
    how = " in its int16x8 form" if int16x8 else "" if changes else ", byte for byte"
    lines += [f"{out}: written{how}; gate it with pytest suites/ --tflite {out}"]
    return Told(True, tuple(lines), changes, before, after)


def _figures(before: File, after: File) -> list[str]:
    """Each LSTM's error against the float64 value of its numbers, and the whole file's against
    Keras, on each runtime."""
    lines = ["root mean square error of each LSTM against the float64 value of its numbers:"]
    lines += [f"  {line}" for line in columns(_errors(before, after))]
    if after.whole:
        lines += ["", *(f"  {line}" for line in columns(_of_whole(before, after)))]
    return lines


def _errors(before: File, after: File) -> list[Row]:
    was = {(error.number, error.runtime): error for error in before.operators}
    found = []
    for error in after.operators:
        old, new = (
            "–" if one is None or one.error is None else f"{one.error:.3g}"
            for one in (was.get((error.number, error.runtime)), error)
        )
        title = f"LSTM {error.number} {error.runtime}, rms (outputs spread {error.spread:.3g})"
        found.append((title, old, new))
    return found


def _of_whole(before: File, after: File) -> list[Row]:
    title = "error against Keras (of its budget)"
    return [
        (f"{name}, {title}", _used(before.whole, name), _used(after.whole, name))
        for name in after.whole
    ]


def _used(whole: Mapping[str, Measured], name: str) -> str:
    measured = whole[name]
    if measured.error is None or measured.budget_used is None:
        return f"{measured.result.outcome.value} in {measured.result.phase.value}"
    return f"{measured.error:.3g} ({measured.budget_used:.2g})"
