"""Measure one parity case: the phases load, invoke and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from fixtures.outcomes import Outcome, Phase, StepResult, first_line
from fixtures.runtimes import RUNTIMES, Runtime
from harness.checks import original_answers
from harness.checks.arithmetic.alone import settled
from harness.checks.arithmetic.cost import quantisation_cost
from harness.checks.arithmetic.held import held as held_operators
from harness.checks.arithmetic.wording import located, wrong_operator
from harness.checks.conversion import structure_outcome
from harness.checks.fitness import decisions_of, quantization_of_case, recipe_unfit
from harness.comparison import accuracy, overrides
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed, compare
from harness.comparison.histogram import histogram
from harness.comparison.quiet_samples import without_saturated
from harness.comparison.shown_answers import shown
from harness.diagnosis import causes
from harness.diagnosis.explain import agrees, explain_without_keras, explained
from harness.flatbuffer.tensor_codec import (
    affine_of,
    from_runtime,
    largest_in_steps,
    saturated_shares,
    to_runtime,
)
from harness.pipeline.artifacts import CaseArtifacts, tflite_answer
from harness.pipeline.cases import Case, Measured
from harness.pipeline.lone import orders_that_agree
from harness.session.session import Session
from harness.workers import limits
from harness.workers.kinds import usable


def measure_parity(case: Case, session: Session) -> Measured:
    """The phases load, invoke and compare, for a case that got that far."""
    assert case.runtime is not None
    artifacts = session.artifacts(case)
    if not case.runtime.native:
        return _keras_parity(case, session, artifacts)
    outcome = structure_outcome(artifacts.conversion, case)
    if not outcome.agreed:
        return Measured(outcome)
    conversion = artifacts.conversion
    assert conversion.data is not None
    assert conversion.structure is not None
    run = artifacts.runs[case.runtime.name]
    seconds = {"load": run.load_seconds, "invoke": run.invoke_seconds}
    if run.result is not None:
        return Measured(run.result, seconds=seconds, runs_on=artifacts.runs_on)
    how = (conversion.structure, conversion.output_names, run.outputs)
    outputs = from_runtime(*how)
    held = partial(_held, case, session, artifacts, outputs, seconds)
    expected = artifacts.expected or tflite_answer(artifacts)
    if isinstance(expected, StepResult):
        alone = Measured(expected, seconds=seconds)
        return held(settled(case, session, alone, outputs, None))
    known = len(expected.outputs) == len(outputs)
    saturated = saturated_shares(*how, expected.outputs) if known else []
    if expected.missing and case.runtime.name in artifacts.rest:
        measured = replace(
            explain_without_keras(case, artifacts, expected, outputs, saturated), seconds=seconds
        )
    else:
        measured = compared(case, session, expected, outputs, seconds, saturated)
    if artifacts.keras is None and case.runtime == usable("tflite"):
        measured = _alone(measured, artifacts)
    elif not expected.missing:
        order = conversion.structure.output_positions(conversion.output_names)
        affines = [affine_of(conversion.structure.outputs[k]) for k in order]
        steps = [None if found is None else float(found.scale) for found in affines]
        spread = histogram(expected.outputs, outputs, expected.budgets, steps)
        measured = replace(measured, histogram=spread)
    measured = _swapped(artifacts, expected, measured)
    if known:
        measured = settled(case, session, measured, outputs, expected.outputs, saturated)
        lsb = largest_in_steps(*how[:2], outputs, expected.outputs)
        measured = _in_steps(measured, lsb)
    measured = held(measured)
    if (original := artifacts.original(case.runtime)) is not None:
        artifacts = replace(artifacts, expected=original)
    locate = cache(partial(_first_divergence, case, session))
    second = partial(_second_opinion, case, session)
    answers_to = cache(partial(_answers_of, case.runtime, case, session))
    kernel = partial(_wrong_operator, case, session)
    try:
        told = explained(case, artifacts, measured, locate, second, answers_to, kernel)
    except Exception as error:
        told = _unexplained(case, measured, error)
    return replace(_with_cost(case, session, told), locate=locate)


def _with_cost(case: Case, session: Session, measured: Measured) -> Measured:
    """A user's divergence with what the rounding of each tensor costs."""
    outcome = measured.result
    diverged = (outcome.phase, outcome.outcome) == (Phase.COMPARE, Outcome.DIVERGED)
    if case.subject.registered or not diverged:
        return measured
    found = quantisation_cost(case, session)
    if found is None:
        return measured
    result = replace(outcome, message=f"{outcome.message}\n{found['text']}")
    return replace(measured, result=result, quantisation_cost=found)


def _held(
    case: Case,
    session: Session,
    artifacts: CaseArtifacts,
    outputs: Sequence[Any],
    seconds: dict[str, float],
    alone: Measured,
) -> Measured:
    """What is measured of a flatbuffer alone, held to its original model's answers, too, where the
    user gave those."""
    assert case.runtime is not None
    original, structure = artifacts.original(case.runtime), artifacts.conversion.structure
    if original is None or structure is None:
        return alone
    against = compared(case, session, original, outputs, seconds)
    affines = [affine_of(tensor) for tensor in structure.outputs]
    if all(want.shape == got.shape for want, got in zip(original.outputs, outputs, strict=True)):
        steps = [None if found is None else float(found.scale) for found in affines]
        if original.budgets:
            spread = histogram(original.outputs, outputs, original.budgets, steps)
            against = replace(against, histogram=spread)
        lsb = largest_in_steps(structure, (), outputs, original.outputs)
        against = _in_steps(against, lsb)
    return original_answers.held(artifacts, original, outputs, against, alone)


def _unexplained(case: Case, measured: Measured, error: Exception) -> Measured:
    """What explains a user's failure must not take it away when it fails itself."""
    if case.subject.registered or measured.result.agreed:
        raise error
    why = f"not explained: {type(error).__name__}: {first_line(str(error))}"
    message = f"{measured.result.message}\n{why}"
    return replace(measured, result=replace(measured.result, message=message))


def _swapped(artifacts: CaseArtifacts, expected: Expectation, measured: Measured) -> Measured:
    """A divergence of several outputs with the order in which they would agree; an agreement with
    how it was found out which output is which, where no name says it."""
    conversion = artifacts.conversion
    if conversion.structure is None or expected.missing or len(expected.outputs) < 2:
        return measured
    if measured.result.agreed:
        if conversion.matched_by == "values":
            told = ", ".join(conversion.output_names)
            rule = f"{measured.budget_rule}; nothing names the outputs, they agree as {told}"
            return replace(measured, budget_rule=rule)
        return measured
    if measured.result.outcome is not Outcome.DIVERGED:
        return measured
    for order in orders_that_agree(conversion.structure, expected, artifacts.runs):
        if order == (conversion.output_names or conversion.structure.output_names):
            continue
        pairs = zip(conversion.output_names, order, strict=False)
        told = "; ".join(f"{right!r} has what {name!r} should" for name, right in pairs)
        message = (
            f"the outputs are swapped: {told} → whoever reads them by name gets the wrong one: "
            f"convert again with the names in the model's order\n{measured.result.message}"
        )
        return replace(measured, result=replace(measured.result, message=message))
    return measured


def _alone(measured: Measured, artifacts: CaseArtifacts) -> Measured:
    """TFLite on a flatbuffer without its Keras model: it runs, and gives finite numbers. Beside
    that its LSTM operators are held to their arithmetic, and other runtimes to its answer."""
    agreed = StepResult(Phase.COMPARE, Outcome.AGREED)
    left = [entry for entry in artifacts.operators.of(usable("tflite")) if entry.problem]
    if left:
        found = "; ".join(dict.fromkeys(entry.problem for entry in left))
        message = f"{len(left)} of {artifacts.operators.count} LSTM operators: {found}"
        agreed = StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, message)
    whose = usable("tflite").adapter.kernel.removesuffix(" kernel")
    rule = f"{whose}'s own answer: it is there, and finite"
    return replace(
        measured, result=agreed, error=None, budget=None, budget_used=None, budget_rule=rule
    )


class _Located:
    """Where divergences start: runtimes of one kernel that give the same bits part at one place,
    and to find it may take as long as all the rest."""

    def __init__(self, session: Session) -> None:
        self.found: dict[Any, dict[str, Any] | None] = {}

    def close(self) -> None:
        self.found.clear()


def _first_divergence(case: Case, session: Session) -> dict[str, Any] | None:
    """Where the answer of a case that diverged leaves the model's, for the report."""
    assert case.runtime is not None
    run = session.artifacts(case).runs.get(case.runtime.name)
    if run is None or case.runtime.python:
        return _searched(case, session)
    known = session.keep(_Located).found
    answer = tuple(output.tobytes() for output in run.outputs)
    key = (case.subject, case.recipe, case.runtime.adapter.kernel, hash(answer))
    if key not in known:
        known[key] = _searched(case, session)
    return known[key]


def _wrong_operator(case: Case, session: Session) -> str:
    """Which operator is not what its own arithmetic says on the case's runtime; empty for none."""
    assert case.runtime is not None
    found = held_operators(case, session, case.runtime)
    return "" if isinstance(found, str) else wrong_operator(found)


def _searched(case: Case, session: Session) -> dict[str, Any] | None:
    assert case.runtime is not None
    with session.account.time("divergence"):
        found = causes.divergence(
            case, session.artifacts(case), session.operators, limits.INVOKE, session.store
        )
    return located(found, held_operators(case, session, case.runtime))


def _second_opinion(case: Case, session: Session) -> dict[str, bool]:
    """Whether a runtime of another family, which no case asked for, answers rightly: by family,
    empty where it does not run the file. What is said of a file has to hold for both."""
    assert case.runtime is not None
    name = "tflm" if case.runtime.adapter.kernels == "tflite" else usable("tflite").name
    artifacts = session.artifacts(case)
    data = artifacts.conversion.data
    if data is None or artifacts.expected is None or name in artifacts.runs:
        return {}
    outputs = _answers_of(RUNTIMES[name], case, session, data.tobytes())
    verdict = None if outputs is None else agrees(artifacts.expected, outputs)
    return {} if verdict is None else {RUNTIMES[name].adapter.kernels: verdict}


def _answers_of(runtime: Runtime, case: Case, session: Session, content: bytes) -> list[Any] | None:
    """What a runtime answers to a file with the inputs and outputs of the case's, in Keras's order
    as real numbers; None where it does not run it."""
    artifacts = session.artifacts(case)
    structure = artifacts.conversion.structure
    if structure is None:
        return None
    samples = to_runtime(
        structure, list(artifacts.stimulus), artifacts.stimulus, case.subject.kind == "tflite"
    )
    with session.account.time("divergence"):
        run = session.operators.run(
            runtime,
            content,
            samples,
            outputs=len(structure.outputs),
            resize=runtime.adapter.kernels == "tflite",
        )
    if run.result is not None:
        return None
    return from_runtime(structure, artifacts.conversion.output_names, run.outputs)


def _keras_parity(case: Case, session: Session, artifacts: CaseArtifacts) -> Measured:
    """Keras itself: the function a recipe converts, held to the oracle."""
    if artifacts.keras is None:
        return Measured(artifacts.conversion.result)
    if not artifacts.keras.result.agreed:
        return Measured(artifacts.keras.result)
    assert artifacts.expected_of_keras is not None
    seconds = {"invoke": artifacts.keras.seconds}
    expected, outputs = artifacts.expected_of_keras, artifacts.keras.outputs
    return explained(case, artifacts, compared(case, session, expected, outputs, seconds))


def compared(
    case: Case,
    session: Session,
    expected: Expectation,
    outputs: Sequence[Any],
    seconds: dict[str, float],
    saturated: Sequence[float] = (),
) -> Measured:
    """The phase compare: outputs in Keras's order as real numbers, within the budgets."""
    if expected.missing:
        return Measured(
            StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, expected.missing), seconds=seconds
        )
    idle = _without_numbers(expected)
    if idle and not case.subject.registered:
        return Measured(StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, idle), seconds=seconds)
    override = overrides.of(session.settings.budgets, case.id)
    factor = override.factor if override else 1.0
    allowed = [Allowed(factor * b.largest, factor * b.rms) for b in expected.budgets]
    if not case.subject.registered:
        # A user's calibration may leave outputs at the ends of their range: what that costs is
        # weighed with the calibration (harness/checks/calibration.py), beside chance.
        saturated = ()
    with session.account.time("compare"):
        comparison = compare(expected.outputs, outputs, allowed, saturated)
        comparison = without_saturated(expected, outputs, comparison, factor)
    result = comparison.result
    if result.agreed and comparison.idle and not case.subject.registered:
        result = StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, comparison.idle)
    measured = Measured(
        result,
        comparison.error,
        comparison.budget,
        comparison.budget_used,
        comparison.values,
        seconds,
        f"{expected.rule}; {comparison.measure}",
        override=override.text if override else "",
    )
    if not (case.subject.registered and result.agreed):
        measured = replace(measured, answers=shown(expected.outputs, outputs, allowed))
    known = comparison.budget_used is not None
    if known and result.agreed and not case.subject.registered:
        with session.account.time("oracle"):
            unfit = recipe_unfit(case, session, expected.outputs, outputs, allowed)
        if unfit:
            result = StepResult(Phase.COMPARE, Outcome.DIVERGED, unfit)
            leg = {"leg": "recipe", "reason": "its rounding is as large as what the answers tell"}
            leg["kind"] = "unfit"
            measured = replace(measured, result=result, blame=leg)
    if known:
        decided = decisions_of(case, session, expected.outputs, outputs)
        measured = replace(measured, decisions=decided.document() if decided else None)
    return _with_accuracy(case, session, measured, outputs, expected.outputs)


def _without_numbers(expected: Expectation) -> str:
    """Why a model's own answer is none to hold a runtime to; empty where it is one."""
    total = sum(output.size for output in expected.outputs)
    bad = sum(int(np.count_nonzero(~np.isfinite(output))) for output in expected.outputs)
    if not bad:
        return ""
    return f"{bad} of {total} values of the model's own answer are NaN or infinite on these samples"


def _with_accuracy(
    case: Case,
    session: Session,
    measured: Measured,
    outputs: Sequence[Any],
    expected: Sequence[Any],
) -> Measured:
    """Accuracy on the user's labels, and whether it is lost on the way to this runtime."""
    if session.settings.labels is None or not outputs:
        return measured
    try:
        labels = accuracy.load_labels(session.settings.labels, len(outputs[0]))
        found = accuracy.top1(outputs[0], labels)
    except ValueError as error:
        return replace(measured, result=StepResult(Phase.COMPARE, Outcome.REFUSED, str(error)))
    quantization = quantization_of_case(case, session.artifacts(case))
    of_keras = accuracy.top1(expected[0], labels)
    lost = accuracy.fault(found, of_keras, quantization, len(labels))
    if lost and measured.result.agreed:
        outcome = StepResult(Phase.COMPARE, Outcome.DIVERGED, lost)
        measured = replace(measured, result=outcome)
    return replace(measured, accuracy=found)


def _in_steps(measured: Measured, lsb: float | None) -> Measured:
    """With the largest difference of an integer output in its own steps."""
    outcome = measured.result
    if lsb is not None and not outcome.agreed and measured.error is not None:
        outcome = replace(outcome, message=f"{outcome.message}; {lsb:.3g} LSB of the output")
    return replace(measured, result=outcome, lsb=lsb)
