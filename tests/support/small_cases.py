"""Whole cases of small models: what the pipeline hands to the diagnosis, without its workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed
from harness.conversion.results import Built, Conversion
from harness.execution.interpreters import Run
from harness.flatbuffer.operator_extraction import exposing, parts, read_by_lstms
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import to_runtime
from harness.operators.exactness import Exactness
from harness.operators.examination import Examined
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.workers.limits import Limits
from reference.budgets.monte_carlo import budgets
from reference.network import evaluate
from tests.support.small_models import (
    Form,
    Weights,
    converted,
    ranges_of,
    sampled,
    structure,
    weights_of,
)
from tests.support.small_runtimes import Runtimes

Array = NDArray[Any]


def agreed(phase: Phase) -> StepResult:
    return StepResult(phase, Outcome.AGREED)


def subject_of(document: Mapping[str, Any], kind: Any = "catalogue") -> Subject:
    """A subject whose model has this description, whatever its kind."""
    variant: Any = SimpleNamespace(document=lambda: document)
    return Subject("small", kind, variant=variant, path=Path("small"))


def case_of(
    document: Mapping[str, Any],
    form: Form = "float32",
    runtime: str = "tflite",
    runtimes: Runtimes | None = None,
    *,
    broken: Callable[[Weights], Weights] = lambda weights: weights,
    content: Callable[[bytes], bytes] = lambda content: content,
    stimulus: Mapping[str, Array] | None = None,
    calibrated: Mapping[str, Array] | None = None,
    kind: str = "catalogue",
    ran: Sequence[str] = ("tflite", "tflm"),
    exact: bool = True,
) -> tuple[Case, CaseArtifacts]:
    """A case whose flatbuffer was made from broken weights, calibrated with other samples, or
    broken itself. exact: whether every LSTM is said to be what its oracle says."""
    runtimes = runtimes or Runtimes()
    weights = weights_of(document)
    samples = dict(stimulus or sampled(document))
    made = content(converted(document, broken(dict(weights)), calibrated or samples, form))
    of_model = structure(made)
    scheme: Any = "float32" if form == "float32" else "int8"
    ranges = None if form == "float32" else ranges_of(document, weights, samples)
    derived = budgets(document, weights, samples, scheme, ranges)
    encoded = to_runtime(of_model, list(samples), samples)
    runs = {name: _run(name, made, of_model, encoded, runtimes) for name in ran}
    operators = _examined(made, of_model, encoded, exact, ran)
    artifacts = CaseArtifacts(
        Built(agreed(Phase.BUILD), weights=weights),
        Conversion(agreed(Phase.CONVERT), np.frombuffer(made, np.uint8), of_model),
        samples,
        samples,
        runs=runs,
        expected=Expectation(
            tuple(evaluate(document, weights, samples)),
            tuple(Allowed(budget.value, budget.rms) for budget in derived),
            "",
        ),
        operators=operators,
    )
    case = Case("test_parity", subject_of(document, kind), RECIPES[form], RUNTIMES[runtime])
    return case, artifacts


def _run(
    name: str, content: bytes, of_model: Structure, encoded: Sequence[Array], runtimes: Runtimes
) -> Run:
    outputs = len(of_model.outputs)
    ran = runtimes.run(RUNTIMES[name], content, encoded, outputs=outputs, resize=True)
    return Run(ran.result, ran.outputs)


def _examined(
    content: bytes,
    of_model: Structure,
    encoded: Sequence[Array],
    exact: bool,
    ran: Sequence[str],
) -> Examined:
    inputs = dict(zip([t.index for t in of_model.inputs], encoded, strict=True))
    wanted = [k for k in read_by_lstms(content) if k not in inputs]
    if wanted:
        exposed = exposing(content, wanted)
        found = (
            Runtimes()
            .run(RUNTIMES["tflite"], exposed, encoded, len(wanted), Limits(), resize=True)
            .outputs
        )
        inputs |= dict(zip(wanted, found, strict=True))
    cut = tuple(parts(content, inputs, seed=1))
    entries = tuple(entry_of(k, exact) for k in range(len(cut)))
    return Examined(of_model.fused_lstms, cut, dict.fromkeys(ran, entries))


def entry_of(position: int, exact: bool = True) -> Exactness:
    """What the examination says of an operator that is, or is not, what its oracle says."""
    if exact:
        return Exactness(position, "float", "rule", values=9)
    message = f"LSTM operator {position}: 1 of 9 values are not"
    return Exactness(position, "float", "rule", values=9, mismatches=1, message=message)
