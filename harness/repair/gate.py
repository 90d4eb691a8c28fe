"""Repair the models of a gate's run, which then judges each beside what became of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fixtures.outcomes import first_line
from fixtures.recipes import RECIPES, Recipe
from fixtures.runtimes import Runtime
from fixtures.subjects import Subject
from harness.pipeline.cases import Case
from harness.repair import models, scales
from harness.repair.model_proof import SUITE
from harness.repair.table import Row, columns
from harness.report.exhibits import Exhibit, Table
from harness.session.session import Session
from harness.support.names import printable

#: The folder of a report that gets the repaired files.
FOLDER = "repaired"
NOT_NEEDED: Literal["needs no repair"] = "needs no repair"


@dataclass(frozen=True)
class GateRepair:
    """What became of the repair of one model or conversion.

    of: the subject's name, with the recipe where a conversion of it was looked at. told: what was
    rewritten, or why nothing was. rows: the table of before and after. name, path, keras: the
    subject that the repaired file is; empty where there is none.
    """

    of: str
    outcome: Literal["repaired", "needs no repair", "not repaired"]
    told: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    name: str = ""
    path: str = ""
    keras: str = ""

    @property
    def subject(self) -> Subject | None:
        """What is judged beside the original; None where nothing was repaired."""
        if not self.name:
            return None
        path = Path(self.path)
        if path.suffix != ".tflite":
            return Subject(self.name, "keras", path=path)
        return Subject(
            self.name, "tflite", path=path, keras_path=Path(self.keras) if self.keras else None
        )

    def document(self) -> dict[str, Any]:
        """Its entry in the report."""
        return {**asdict(self), "told": list(self.told), "rows": [list(row) for row in self.rows]}

    @classmethod
    def of_document(cls, found: Mapping[str, Any]) -> GateRepair:
        rows = tuple((row[0], row[1], row[2]) for row in found["rows"])
        return cls(**{**found, "told": tuple(found["told"]), "rows": rows})

    def lines(self) -> list[str]:
        """For the terminal: one where there was nothing to repair."""
        if self.outcome == NOT_NEEDED:
            return [f"{self.of}: {NOT_NEEDED}: {'; '.join(self.told)}"]
        beside = f"judged beside it as {self.name}" if self.name else "judged as it is"
        heading = f"{self.of}: {self.outcome}, {beside}"
        table = [f"  {line}" for line in columns(self.rows)]
        return [heading, *(f"  {line}" for line in self.told), *table]


def repairs(
    session: Session,
    subjects: Sequence[Subject],
    recipes: Sequence[Recipe],
    runtimes: Sequence[Runtime],
    folder: Path,
    unmasked: bool = False,
) -> Iterator[GateRepair]:
    """What becomes of each subject, and of its integer conversions by these recipes.

    folder: gets the repaired files. A model that cannot be repaired ends nothing: the reason is
    told, and the other models go on.
    """
    native = [runtime for runtime in runtimes if runtime.native and not runtime.transport]
    for subject in subjects:
        if subject.kind == "tflite":
            yield _of_flatbuffer(session, subject, native, folder)
            continue
        of_model = _guarded(
            subject.name, partial(_of_model, session, subject, native, folder, unmasked)
        )
        yield of_model
        for recipe in recipes:
            if recipe.quantization in ("int8", "int8-float-io") and recipe.name in RECIPES:
                converted = of_model.subject or subject
                found = _of_conversion(session, converted, recipe, native, folder)
                if found is not None:
                    yield found


def _guarded(name: str, repair: Callable[[], GateRepair]) -> GateRepair:
    """What fails on one model is told of it: the gate of all others goes on."""
    try:
        return repair()
    except (OSError, ValueError) as error:
        return GateRepair(name, "not repaired", (str(error),))
    except Exception as error:
        what = f"{type(error).__name__}: {first_line(str(error), 200)}"
        told = f"the harness failed on it, which says nothing of the model: {what}"
        return GateRepair(name, "not repaired", (told,))


def _of_model(
    session: Session, subject: Subject, runtimes: Sequence[Runtime], folder: Path, unmasked: bool
) -> GateRepair:
    assert subject.path is not None
    name = _repaired_name(subject.name, ".keras")
    out = folder / _file_name(name)
    found = models.repair(session, subject.path, out, runtimes, unmasked)
    if found.before is None and found.proven:
        out.unlink(missing_ok=True)  # the same file: judging it twice says nothing more
        return GateRepair(subject.name, NOT_NEEDED, ("every LSTM meets the conditions of fusing",))
    if not found.proven:
        return GateRepair(subject.name, "not repaired", found.faults, found.rows)
    return GateRepair(subject.name, "repaired", found.told, found.rows, name, str(out.resolve()))


def _of_flatbuffer(
    session: Session, subject: Subject, runtimes: Sequence[Runtime], folder: Path
) -> GateRepair:
    assert subject.path is not None
    path, keras = subject.path, subject.keras_path
    name = _repaired_name(subject.name, ".tflite")
    repair = partial(_scales, session, subject.name, path, keras, name, runtimes, folder)
    return _guarded(subject.name, repair)


def _of_conversion(
    session: Session,
    subject: Subject,
    recipe: Recipe,
    runtimes: Sequence[Runtime],
    folder: Path,
) -> GateRepair | None:
    """Of a model's conversion by a recipe; None where it does not convert, as its case says, or
    has no fused LSTM, so that it has no scales of one."""
    artifacts = session.artifacts(Case(SUITE, subject, recipe))
    structure, data = artifacts.conversion.structure, artifacts.conversion.data
    if structure is None or data is None or not structure.fused_lstms:
        return None
    base = _without_ending(subject.name)
    suffix = recipe.name if base.endswith("-repaired") else f"{recipe.name}-repaired"
    name = f"{base}-{suffix}.tflite"
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / f"{_file_name(base)}-{recipe.name}.tflite"
        path.write_bytes(data.tobytes())
        of = f"{subject.name} by {recipe.name}"
        repair = partial(_scales, session, of, path, subject.path, name, runtimes, folder)
        return _guarded(of, repair)


def _scales(
    session: Session,
    of: str,
    path: Path,
    keras: Path | None,
    name: str,
    runtimes: Sequence[Runtime],
    folder: Path,
) -> GateRepair:
    out = folder / _file_name(name)
    found = scales.repair(session, path, keras, out, runtimes)
    if not found.changes:
        out.unlink(missing_ok=True)
        return GateRepair(of, NOT_NEEDED, ("the scales of its LSTMs are as the kernels want them",))
    told = (*(f"{change}" for change in found.changes), *found.left)
    if not found.proven:
        return GateRepair(of, "not repaired", found.faults, found.rows)
    keras_name = "" if keras is None else str(keras)
    file = str(out.resolve())
    return GateRepair(of, "repaired", told, found.rows, name, file, keras_name)


def exhibit(found: Sequence[GateRepair]) -> Exhibit:
    """The tables of before and after, for the page."""
    tables = tuple(
        Table(
            title=f"{one.of} → {one.name or one.outcome}",
            columns=("", "before", "after"),
            rows=one.rows,
            note="; ".join(one.told),
        )
        for one in found
        if one.rows
    )
    rest = [f"{one.of}: {one.outcome}: {'; '.join(one.told)}." for one in found if not one.rows]
    text = " ".join(
        [
            "What --repair made of the models; each repaired file was judged beside its original.",
            *rest,
        ]
    )
    return Exhibit(name="repair", title="Repairs", text=text, tables=tables)


def emptied(folder: Path) -> Path:
    """The folder of repaired files, without those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*-repaired*"):
        if path.suffix in (".keras", ".tflite"):
            path.unlink()
    return folder


def _repaired_name(name: str, suffix: str) -> str:
    return f"{_without_ending(name)}-repaired{suffix}"


def _without_ending(name: str) -> str:
    return re.sub(r"\.(keras|h5|hdf5|tflite)$", "", name)


def _file_name(name: str) -> str:
    """A subject's name as the name of a file: two subjects of one file name have their folders."""
    return printable(name.strip("/").replace("/", "-"))
