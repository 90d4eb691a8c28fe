"""Hold what the cases of one subject and recipe share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fixtures import stimuli
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import Runtime
from harness.comparison import budgets
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed
from harness.comparison.recorded_answers import Recorded
from harness.conversion.results import Built, Conversion, KerasRun
from harness.execution.interpreters import Run
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import from_runtime
from harness.operators.agreement import Agreement
from harness.operators.examination import Examined
from harness.pipeline.twins import Twins
from harness.workers.kinds import usable


@dataclass(frozen=True)
class CaseArtifacts:
    """All that the cases of one subject and recipe share.

    calibration: the samples that the budgets of integer recipes are calibrated with.
    keras: the function this recipe hands to the converter, run on the stimulus; None where
    there is no Keras model. runs: what each native runtime gave, by its name. expected: what
    the converted model must answer, and expected_of_keras what Keras must; None where a
    flatbuffer alone is held to TFLite's answer. operators: its LSTM operators, each by itself.
    rest: of a quantised flatbuffer alone the other operators, by runtime. rounding: how far it may
    move each output of a float flatbuffer alone; empty where that was not needed.
    recalibrated: what a user's model becomes with the same calibration samples in another order,
    and with half of them.
    """

    built: Built | None
    conversion: Conversion
    stimulus: stimuli.Arrays
    calibration: stimuli.Arrays = field(default_factory=dict)
    keras: KerasRun | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    expected: Expectation | None = None
    expected_of_keras: Expectation | None = None
    operators: Examined = field(default_factory=Examined)
    rest: dict[str, Agreement] = field(default_factory=dict)
    rounding: tuple[float, ...] = ()
    recalibrated: dict[str, Structure | None] = field(default_factory=dict)
    #: The samples that the conversion was calibrated with; empty where somebody else converted.
    calibrated_with: stimuli.Arrays = field(default_factory=dict)
    #: What the original model of a flatbuffer alone answered, and then with its budgets by family
    #: of kernels.
    recorded: Recorded | None = None
    originals: dict[str, Expectation] = field(default_factory=dict)
    #: Conversions of the Keras model beside a user's flatbuffer, which it is held to.
    twins: Twins = field(default_factory=Twins)

    def original(self, runtime: Runtime) -> Expectation | None:
        """What the original model answered, with the budgets of this runtime's kernels."""
        found = self.originals.get(runtime.adapter.kernels)
        return found or self.originals.get(usable("tflite").adapter.kernels)

    @property
    def runs_on(self) -> tuple[str, ...]:
        """The native runtimes that ran it, or loaded what cannot be judged, by name."""
        return tuple(
            name
            for name, run in self.runs.items()
            if run.result is None or run.result.outcome is Outcome.NOT_JUDGED
        )


def tflite_answer(artifacts: CaseArtifacts) -> Expectation | StepResult:
    """What a flatbuffer without a Keras model is held to: TFLite's answer (LiteRT's where that is
    not installed), or why there is none."""
    anchor = usable("tflite")
    whose = anchor.adapter.kernel.removesuffix(" kernel")
    run, structure = artifacts.runs[anchor.name], artifacts.conversion.structure
    if run.result is not None:
        if run.result.outcome is not Outcome.REFUSED:
            return run.result
        return _nothing(f"{whose} does not run it ({run.result})")
    assert structure is not None
    outputs = from_runtime(structure, (), run.outputs)
    if any(output.size == 0 for output in outputs):
        return _nothing(f"{whose}'s answer is empty")
    if any(not np.isfinite(output).all() for output in outputs if output.dtype.kind in "fc"):
        return _nothing(f"{whose}'s answer holds NaN or infinity")
    why = "a flatbuffer without its Keras model"
    expected = budgets.against_another_runtime(outputs, quantization_of(structure), why)
    if not artifacts.rounding or expected.missing:
        return expected
    pairs = zip(expected.budgets, artifacts.rounding, strict=True)
    allowed = tuple(Allowed(max(known.largest, moved)) for known, moved in pairs)
    return replace(expected, budgets=allowed, rule=f"{expected.rule}, its own response to rounding")


def _nothing(why: str) -> StepResult:
    message = f"{why}: there is nothing to hold another runtime to"
    return StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, message)
