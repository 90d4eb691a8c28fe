"""Read what every check says of a case with one part of the pipeline exchanged.

Nothing is judged here. A case goes through the functions that the suites call (structure,
quantisation, parity, laws), and what they say becomes readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from hypothesis import given, settings

from fixtures.limitations import cases
from fixtures.limitations import laws as law_limitations
from fixtures.outcomes import Phase, first_line
from fixtures.recipes import AS_CONVERTED, RECIPES, Recipe
from fixtures.runtimes import RUNTIMES, Runtime
from fixtures.subjects import Subject
from harness.assurance.certificate.injection import (
    FUZZ_SHARE,
    HEALTHY,
    NATIVE,
    Converting,
    Injection,
    Replaced,
    Running,
)
from harness.checks.arithmetic.held import whole_models
from harness.checks.conversion import measure_conversion
from harness.checks.findings_verdict import Checked
from harness.checks.parity import measure_parity
from harness.checks.quantization import measure_quantization
from harness.checks.structure import measure_structure
from harness.checks.whole_models import measure_arithmetic
from harness.conversion.converter import Converter
from harness.execution.interpreters import Interpreters
from harness.execution.operator_runs import OperatorRuntimes
from harness.laws.cases import LAWS, LawCase, registered
from harness.laws.cases import judge as judge_law
from harness.laws.runner import LawRunner
from harness.laws.search import examine as examine_law
from harness.operators.exactness import Exactness
from harness.operators.fuzz import Drawn, drawn
from harness.operators.fuzz import examine as examine_operator
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Asked, Case, Measured, judge
from harness.pipeline.pipeline import Pipeline
from harness.pipeline.settings import Settings
from harness.session.session import Session
from harness.structure.findings import errors


def _recipe(name: str) -> Recipe:
    return AS_CONVERTED if name == AS_CONVERTED.name else RECIPES[name]


@dataclass(frozen=True)
class Reading:
    """What one check says of one case.

    check: `comparison`, `exactness`, `law streaming`, `weights`, … strength: observed ÷ budget,
    over 1 is a kill; None for a check that says yes or no, and said no.
    """

    check: str
    strength: float | None = None
    says: str = ""

    @property
    def kills(self) -> bool:
        return self.strength is None or self.strength > 1


@dataclass(eq=False)
class InjectionBench:
    """The pipeline and session of one certificate, with exchangeable parts. Close it.

    Not thread-safe.
    """

    settings: Settings
    session: Session = field(init=False)
    pipeline: Pipeline = field(init=False)
    law_runner: LawRunner = field(init=False)
    registry: cases.Registry = field(init=False)
    laws: law_limitations.LawRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.session = Session(replace(self.settings, asked=Asked(recipes=True, runtimes=True)))
        session = self.session
        self.pipeline = Pipeline(
            self.settings,
            session.heavy,
            session.light,
            session.store,
            session.account,
            elsewhere=session.elsewhere,
        )
        self.law_runner = LawRunner(session)
        self.registry, self.laws = cases.load(), law_limitations.load()
        self._healthy = (
            self.pipeline.converter,
            self.pipeline.interpreters,
            self.pipeline.examiner.runtimes,
        )

    def close(self) -> None:
        self._restore()
        self.law_runner.close()
        self.pipeline.close()
        self.session.close()

    def _restore(self) -> None:
        """Put every part back as it was built."""
        pipeline = self.pipeline
        pipeline.forget()
        pipeline.converter, pipeline.interpreters, pipeline.examiner.runtimes = self._healthy

    def _inject(self, injection: Injection) -> None:
        converter, interpreters, runtimes = self._healthy
        pipeline = self.pipeline
        pipeline.forget()
        pipeline.converter = cast(Converter, Converting(converter, injection))
        pipeline.interpreters = cast(
            Interpreters, Running(interpreters, injection.run, injection.on)
        )
        pipeline.examiner.runtimes = cast(
            OperatorRuntimes, Running(runtimes, injection.run_operator, injection.on)
        )

    def artifacts(
        self,
        subject: Subject,
        recipe: str,
        injection: Injection = HEALTHY,
        runtimes: Sequence[str] = NATIVE,
        seed: int | None = None,
    ) -> CaseArtifacts:
        """What the pipeline makes of a subject when one of its parts is exchanged."""
        self._inject(injection)
        self.pipeline.settings = (
            self.settings if seed is None else replace(self.settings, seed=seed)
        )
        try:
            return self.pipeline.make(
                subject, _recipe(recipe), [RUNTIMES[name] for name in runtimes]
            )
        finally:
            self.pipeline.settings = self.settings
            self._restore()

    @contextmanager
    def given(self, **options: Path) -> Iterator[None]:
        """In the block, a user has given these files."""
        usual, of_session = self.settings, self.session.settings
        self.settings = replace(usual, **options)  # type: ignore[arg-type]
        self.session.settings = replace(of_session, **options)  # type: ignore[arg-type]
        try:
            yield
        finally:
            self.settings, self.session.settings = usual, of_session

    @contextmanager
    def asked(self, asked: Asked) -> Iterator[None]:
        """In the block, a user has named other things, or nothing."""
        usual = self.session.settings
        self.session.settings = replace(usual, asked=asked)
        try:
            yield
        finally:
            self.session.settings = usual

    def readings(
        self,
        subject: Subject,
        recipe: str,
        injection: Injection = HEALTHY,
        runtimes: Sequence[str] = NATIVE,
        seed: int | None = None,
    ) -> list[Reading]:
        """Everything that the suites of conversion, structure, quantisation and parity say."""
        artifacts = self.artifacts(subject, recipe, injection, runtimes, seed)
        case = Case("certificate", subject, _recipe(recipe))
        self.session.admit(case, artifacts)
        with self._kernels(injection):
            return self._read(case, tuple(RUNTIMES[name] for name in runtimes))

    @contextmanager
    def _kernels(self, injection: Injection) -> Iterator[None]:
        """In the block, a runtime answers otherwise where a model's tensors are read, too."""
        models = self.session.keep(whole_models)
        usual = models.runtimes
        models.close()
        models.runtimes = cast(
            OperatorRuntimes, Running(usual, injection.run_tensors, injection.on)
        )
        try:
            yield
        finally:
            models.close()
            models.runtimes = usual

    def _read(self, case: Case, chosen: Sequence[Runtime]) -> list[Reading]:
        found = self._of_conversion(case)
        if not found:
            structure = replace(case, confirm_on=tuple(chosen))
            found += self._of_arithmetic(structure)
            checked = measure_structure(structure, self.session)
            found += self._of_findings(structure, checked)
            if case.recipe.calibrated:
                checked = measure_quantization(structure, self.session)
                found += self._of_findings(structure, checked)
        for runtime in chosen:
            found += self.of_parity(replace(case, suite="test_parity", runtime=runtime))
        return found

    def _of_arithmetic(self, case: Case) -> list[Reading]:
        """What the suite of arithmetic says of every operator, on all runtimes."""
        measured = measure_arithmetic(replace(case, suite="test_arithmetic"), self.session)
        if self._fails(case, measured):
            return [Reading("arithmetic", math.inf, str(measured.result))]
        return [Reading("arithmetic", 0.0)] if measured.values else []

    def of_parity(self, case: Case) -> list[Reading]:
        """What the parity suite says of one runtime."""
        assert case.runtime is not None
        measured = measure_parity(case, self.session)
        phase, name = measured.result.phase, case.runtime.name
        if phase in (Phase.LOAD, Phase.INVOKE) and self._fails(case, measured):
            return [Reading(f"{phase.value} on {name}", None, str(measured.result))]
        found = []
        if phase is Phase.COMPARE:
            if measured.budget_used is not None:
                found.append(Reading(f"comparison on {name}", measured.budget_used))
            elif self._fails(case, measured):
                found.append(Reading(f"comparison on {name}", None, str(measured.result)))
        for entry in measured.operators:
            if entry["mismatches"]:
                strength = entry["budget_used"] or math.inf
                found.append(Reading(f"exactness on {name}", strength, entry["message"]))
            elif entry["budget_used"] is not None:
                found.append(Reading(f"exactness on {name}", entry["budget_used"]))
        silent = not any(reading.kills for reading in found)
        if silent and phase is Phase.COMPARE and self._fails(case, measured):
            found.append(Reading(f"parity on {name}", None, str(measured.result)))
        return found

    def law(
        self,
        law: str,
        variant: Subject,
        recipe: str,
        runtime: str,
        replaced: Replaced,
        form: str = "",
    ) -> list[Reading]:
        """What a law of sequences or state says of a scripted model in place of the real one.
        Raises Inapplicable for a user's model without the law's premise."""
        case = LawCase("test_laws", variant, _recipe(recipe), RUNTIMES[runtime], law=law, form=form)
        specimen = self.law_runner.specimen(case)
        specimen = replace(specimen, scripted=replaced(specimen.scripted))
        limitation = registered(self.laws, case)
        examined = examine_law(LAWS[law], specimen, limitation)
        judged, _ = judge_law(case, examined, specimen.meter, limitation, 0.0)
        budget_used, name = specimen.meter.budget_used, f"law {law} on {runtime}"
        if judged.verdict != "failed":
            # What a registered limitation breaks is broken by far more than its budget.
            return [Reading(name, budget_used if limitation is None else 0.0)]
        return [Reading(name, budget_used if budget_used > 1 else None, judged.message)]

    def fuzz(
        self, runtime: str, injection: Injection = HEALTHY, share: float = FUZZ_SHARE
    ) -> list[Reading]:
        """What the fuzz of integer LSTM operators says: the first example that is not what the
        oracle of the runtime says, to the bit. share: of the profile's number of examples."""
        runtimes = cast(
            OperatorRuntimes, Running(self.session.operators, injection.run_operator, injection.on)
        )
        wrong: list[Exactness] = []

        @settings(max_examples=int(share * settings.default.max_examples))  # type: ignore[union-attr]
        @given(drawn("int8", plain=runtime == "tflm"))
        def check(example: Drawn) -> None:
            if not wrong:
                found = examine_operator(example, RUNTIMES[runtime], runtimes)
                if not found.proven:
                    wrong.append(found)

        check()
        name = f"exactness (fuzz) on {runtime}"
        if not wrong:
            return [Reading(name, 0.0)]
        strength = math.inf if wrong[0].mismatches else None
        return [Reading(name, strength, wrong[0].message or wrong[0].problem)]

    def _fails(self, case: Case, measured: Measured) -> bool:
        return judge(case, measured, self.registry, self.session.settings.asked).verdict == "failed"

    def _of_conversion(self, case: Case) -> list[Reading]:
        measured = measure_conversion(case, self.session)
        if not self._fails(case, measured):
            return []
        phase = measured.result.phase.value
        return [Reading(phase, None, str(measured.result))]

    def _of_findings(self, case: Case, checked: Checked) -> list[Reading]:
        """The rules behind a structure case that fails, and where runs part from them."""
        if not self._fails(case, checked.measured):
            return []
        rules = {f.rule: f for f in errors(checked.findings)}
        found = [Reading(f"rule {rule}", f.share, f.message) for rule, f in rules.items()]
        if not found:
            message = first_line(checked.measured.result.message)
            found.append(Reading("prediction", None, message))
        return found
