"""Repair a Keras model that does not fuse, and tell what that changes on each runtime."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.runtimes import Runtime
from fixtures.subjects import Subject, users_models
from harness.conversion.rewriting import keras_file
from harness.pipeline.artifacts import CaseArtifacts
from harness.repair.model_proof import (
    Judged,
    cases_of,
    difference,
    judge,
    loops_of,
    masked_steps,
    masks_taken,
    not_as_rewritten,
    samples,
    shortcomings,
    state_faults,
    state_taken,
    timed,
)
from harness.repair.rules.document import Document
from harness.repair.rules.table import refusals, rewritten, unfused
from harness.repair.state_proof import not_carried
from harness.repair.table import Row, columns, rows
from harness.repair.unloadable import without_states_of_zeros
from harness.session.session import Session
from harness.workers.answers import Failure
from reference.network import UnsupportedLayer

Rewrite = Callable[[Document, bool], Document]


@dataclass(frozen=True)
class Repaired:
    """What became of a repair: whether its result is proven (or nothing was to do), and the lines
    for the terminal."""

    proven: bool
    lines: tuple[str, ...]
    before: Judged | None = None
    after: Judged | None = None
    #: What was rewritten and what proves it, and what speaks against it.
    told: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The table of before and after; empty where the proof did not come as far."""
        return () if self.before is None or self.after is None else rows(self.before, self.after)


def repair(
    session: Session,
    path: Path,
    out: Path,
    runtimes: Sequence[Runtime],
    unmasked: bool = False,
    rewrite: Rewrite = rewritten,
) -> Repaired:
    """Write the repaired .keras file where it is proven; a model that needs none, byte for byte.

    unmasked: the user says that no step is masked; the samples of --inputs are held to it.
    rewrite: the rules, as `rules.table.rewritten` applies them.
    Raises ValueError for a file that is no Keras model, and OSError where something cannot be read
    or written.
    """
    (subject,) = users_models([path], [])
    with tempfile.TemporaryDirectory() as folder:
        artifacts, before = _read(session, subject, runtimes, Path(folder))
        if not unfused(before):
            if loops := loops_of(artifacts):
                left = f"{loops} WHILE loops, of layers inside of another, such as TimeDistributed"
                return _refused([f"{path}: 0 rewritings"], out, "no rule is for", [left])
            return _nothing(path, out)
        after = rewrite(before, unmasked)
        lines = [f"{path}: {len(after.rewritings)} rewritings"]
        lines += [f"  {rewriting}" for rewriting in after.rewritings]
        if refused := refusals(after):
            return _refused(lines, out, "no repair is the same function:", refused)
        try:
            faults, told = _same_function(session, artifacts, before, after)
        except UnsupportedLayer as error:
            faults, told = [f"the oracle does not know the model: {error}"], ""
        if faults:
            return _refused(lines, out, "not proven:", faults)
        written = keras_file(session.keras, after.config, after.weights)
        if isinstance(written, Failure):
            return _refused(lines, out, "Keras cannot write the model:", [written.message])
        # Another name than the original's: workers keep models by name.
        new = Path(folder) / f"{path.stem}.repaired.keras"
        new.write_bytes(written)
        was = judge(session, subject, runtimes)
        now, faults = _proof(session, new, before, after, was, runtimes)
        if not faults:
            was, now = timed(session, runtimes, was, now)
    table = columns([("float32", "before", "after"), *rows(was, now)])
    lines += [told, "", *(f"  {line}" for line in table)]
    if faults:
        return _refused([*lines, ""], out, "not proven:", faults, was, now)
    out.write_bytes(written)
    lines += [f"{out}: written; gate it with pytest suites/ --model {out}"]
    shown = (*map(str, after.rewritings), told)
    return Repaired(True, tuple(lines), was, now, shown)


def _read(
    session: Session, subject: Subject, runtimes: Sequence[Runtime], folder: Path
) -> tuple[CaseArtifacts, Document]:
    """A model's artifacts and document. One that Keras cannot load for its constant states of
    zeros is loaded without them; the document has them."""
    cases = cases_of(subject, runtimes)
    session.plan(cases)
    artifacts = session.artifacts(cases[0])
    config, assumed = _config(artifacts), artifacts
    path = subject.path
    if config is None and path and (found := without_states_of_zeros(path)):
        new = folder / f"{path.stem}.loadable.keras"
        new.write_bytes(found[1])
        cases = cases_of(users_models([new], [])[0], runtimes)
        session.plan(cases)
        assumed = session.artifacts(cases[0])
        config = found[0].config if _config(assumed) is not None else None
    if config is None or assumed.built is None:
        built = artifacts.built
        said = artifacts.conversion.result if built is None else built.result
        raise ValueError(f"{path}: {said}")
    return assumed, Document.of(config, assumed.built.weights)


def _config(artifacts: CaseArtifacts) -> dict[str, Any] | None:
    built = artifacts.built
    return built.config if built is not None and built.result.agreed else None


def _proof(
    session: Session,
    new: Path,
    before: Document,
    after: Document,
    was: Judged,
    runtimes: Sequence[Runtime],
) -> tuple[Judged, list[str]]:
    """How the file that was written fares, and what speaks against it."""
    (subject,) = users_models([new], [])
    now = judge(session, subject, runtimes)
    read = session.artifacts(cases_of(subject, runtimes)[0])
    if _config(read) is None or read.built is None:
        return now, ["the file that was written cannot be read"]
    faults = not_as_rewritten(after, read.built.config, read.built.weights)
    faults += shortcomings(was, now)
    if not faults and state_taken(before, after):
        faults = not_carried(session, subject, runtimes)
    return now, faults


def _same_function(
    session: Session, artifacts: CaseArtifacts, before: Document, after: Document
) -> tuple[list[str], str]:
    """What speaks against two documents being the same function, and the figure that speaks for
    it."""
    unmasked = masks_taken(before, after)
    if unmasked and session.settings.inputs is None:
        return ["--no-masked-steps is held to your samples: give --inputs"], ""
    stimulus = samples(session, artifacts, drawn=not unmasked)
    if unmasked and (masked := masked_steps(before, stimulus)):
        return [f"--no-masked-steps does not hold for --inputs: {one}" for one in masked], ""
    if state_taken(before, after) and (faults := state_faults(before)):
        return faults, ""
    found = difference(session.store, before, after, stimulus)
    count = len(next(iter(stimulus.values())))
    told = f"the same function: at most {found.largest:.3g} apart in float64, {count} samples"
    return list(found.faults), told


def _nothing(path: Path, out: Path) -> Repaired:
    said = f"{path}: every recurrent layer meets the conditions of fusing"
    if path.is_dir() or path.suffix != out.suffix:
        return Repaired(True, (f"{said}; use it as it is, {out} is not written",))
    if path.resolve() != out.resolve():
        shutil.copyfile(path, out)
    return Repaired(True, (said, f"{out}: written, byte for byte"))


def _refused(
    lines: Sequence[str],
    out: Path,
    why: str,
    faults: Sequence[str],
    before: Judged | None = None,
    after: Judged | None = None,
) -> Repaired:
    told = [f"{out} is not written, {why}", *(f"  {fault}" for fault in faults)]
    return Repaired(False, (*lines, *told), before, after, faults=(why, *faults))
