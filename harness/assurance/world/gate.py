"""Gate a specimen with the suites' own checks, in this very process.

Every case that `pytest suites/ --model FILE --recipe NAME --inputs … --calibration …` has of a
user's model is carried out and judged as there: conversion, parity on each runtime, structure,
scales and the laws; warnings are errors as they are there. What a device needs (test_resources)
is not: nothing of it depends on whether an answer is right.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fixtures.limitations import cases as limitations
from fixtures.limitations import laws as law_limitations
from fixtures.recipes import Recipe
from fixtures.subjects import Subject
from harness.assurance.world.making import Specimen
from harness.checks.conversion import measure_conversion
from harness.checks.findings_verdict import Checked
from harness.checks.parity import measure_parity
from harness.checks.quantization import measure_quantization
from harness.checks.structure import measure_structure
from harness.laws.cases import LawCase, law_cases, recognised, registered
from harness.laws.cases import judge as judge_law
from harness.laws.models import Inapplicable
from harness.laws.runner import LawRunner
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Asked, Case, Measured, judge
from harness.pipeline.pipeline import Pipeline
from harness.pipeline.selection import Selection, select
from harness.pipeline.settings import Settings
from harness.session.session import Session
from harness.structure.findings import text

#: Processor seconds of one invoke: the world's models take microseconds, a loop for ever this.
DEADLINE = 1.0
RAISED = "raised"


@dataclass(frozen=True)
class Said:
    """What the gate says of one case.

    runtime: empty for a case of the file itself. verdict: as the report has it, or `raised` for
    an exception. tells: message, findings and blame, for people and for the search of a name.
    """

    suite: str
    runtime: str
    verdict: str
    message: str = ""
    tells: str = ""

    @property
    def red(self) -> bool:
        return self.verdict in ("failed", RAISED)


@dataclass(frozen=True, eq=False)
class Gated:
    """How a specimen went through the gate. artifacts: of its one subject and recipe."""

    said: tuple[Said, ...]
    artifacts: CaseArtifacts | None
    subject: Subject
    recipe: Recipe

    @property
    def red(self) -> list[Said]:
        return [said for said in self.said if said.red]


class Gate:
    """One session with warm workers for many specimens. Not thread-safe. Close it."""

    def __init__(self, seed: int = 2015) -> None:
        self._plain = Settings(seed, None, deadline=DEADLINE, asked=Asked(recipes=True))
        self.session = Session(self._plain)
        session = self.session
        self.pipeline = Pipeline(
            self._plain, session.heavy, session.light, session.store, session.account
        )
        self._registry, self._laws = limitations.load(), law_limitations.load()

    def close(self) -> None:
        self.pipeline.close()
        self.session.close()

    def gate(self, specimen: Specimen) -> Gated:
        """Carry every case of a specimen out."""
        plan = specimen.plan
        flatbuffers = [specimen.tflite] if specimen.tflite is not None else []
        models = [] if plan.entry == "--tflite" and flatbuffers else [specimen.keras]
        selection = select(models, flatbuffers, [plan.recipe], [])
        settings = replace(
            self._plain,
            inputs=specimen.inputs_file,
            calibration=None if plan.entry == "--tflite" else specimen.calibration_file,
        )
        self.session.settings = self.pipeline.settings = settings
        # Of --model with --tflite the file is what is judged.
        pairs = [
            pair for pair in selection.pairs() if (pair[0].kind == "tflite") == bool(flatbuffers)
        ]
        subject, recipe = pairs[0]
        selection = replace(selection, subjects=(subject,))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return self._gated(subject, recipe, selection)

    def _gated(self, subject: Subject, recipe: Recipe, selection: Selection) -> Gated:
        runtimes = [runtime for runtime in selection.runtimes if runtime.native]
        found: list[Said] = []
        try:
            artifacts = self.pipeline.make(subject, recipe, runtimes)
        except Exception as error:
            return Gated((_raised("pipeline", "", error),), None, subject, recipe)
        self.session.admit(Case("world", subject, recipe), artifacts)
        parities = selection.parities()
        found += self._each(selection, selection.conversions(), measure_conversion)
        found += self._each(selection, parities, measure_parity)
        found += self._each(selection, selection.structures(), measure_structure)
        found += self._each(selection, selection.quantizations(), measure_quantization)
        runner = LawRunner(self.session, parities)
        try:
            found += [self._of_law(runner, case) for case in law_cases(selection)]
        finally:
            runner.close()
        return Gated(tuple(found), artifacts, subject, recipe)

    def _each(
        self,
        selection: Selection,
        cases: Iterable[Case],
        measure: Callable[[Case, Session], Measured | Checked],
    ) -> list[Said]:
        return [self._said(selection, case, measure) for case in cases]

    def _said(
        self,
        selection: Selection,
        case: Case,
        measure: Callable[[Case, Session], Measured | Checked],
    ) -> Said:
        runtime = case.runtime.name if case.runtime else ""
        try:
            found = measure(case, self.session)
            measured = found.measured if isinstance(found, Checked) else found
            findings = text(found.findings) if isinstance(found, Checked) else ""
            judged = judge(case, measured, self._registry, selection.asked)
        except Exception as error:
            return _raised(case.suite, runtime, error)
        message = judged.message or measured.result.message
        return Said(
            case.suite, runtime, judged.verdict, message, _told(message, findings, measured.blame)
        )

    def _of_law(self, runner: LawRunner, case: LawCase) -> Said:
        assert case.runtime is not None
        suite, runtime = f"law {case.law}", case.runtime.name
        try:
            examined, meter = runner.examined(case, registered(self._laws, case), None)
            known = recognised(self._laws, self._registry, case, examined)
            judged, _ = judge_law(case, examined, meter, known, 0.0)
        except Inapplicable:
            return Said(suite, runtime, "inapplicable")
        except Exception as error:
            return _raised(suite, runtime, error)
        return Said(suite, runtime, judged.verdict, judged.message, judged.message)


def command(specimen_files: Sequence[Path | None], recipe: str) -> str:
    """What a person types to see the same: model, flatbuffer, inputs and calibration."""
    options = ("--model", "--tflite", "--inputs", "--calibration")
    parts = [f"{o} {p.name}" for o, p in zip(options, specimen_files, strict=True) if p is not None]
    return " ".join(["pytest suites/", *parts, f"--recipe {recipe}"])


def _told(message: str, findings: str, blame: dict[str, Any] | None) -> str:
    leg = " ".join(str(value) for value in blame.values()) if blame else ""
    return "\n".join(part for part in (message, findings, leg) if part)


def _raised(suite: str, runtime: str, error: Exception) -> Said:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"{type(error).__name__}: {error} ({where})"
    return Said(suite, runtime, RAISED, message, message)
