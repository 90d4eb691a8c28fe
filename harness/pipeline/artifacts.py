"""Hold what the cases of one subject and recipe share."""

from __future__ import annotations

from dataclasses import dataclass, field

from fixtures import stimuli
from fixtures.outcomes import Outcome, Phase, StepResult
from harness.comparison import budgets
from harness.comparison.budgets import Expectation
from harness.conversion.results import Built, Conversion, KerasRun
from harness.execution.interpreters import Run
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import from_runtime
from harness.operators.agreement import Agreement
from harness.operators.examination import Examined


@dataclass(frozen=True)
class CaseArtifacts:
    """All that the cases of one subject and recipe share.

    calibration: the samples that the budgets of integer recipes are calibrated with.
    keras: the function this recipe hands to the converter, run on the stimulus; None where
    there is no Keras model. runs: what each native runtime gave, by its name. expected: what
    the converted model must answer, and expected_of_keras what Keras must; None where a
    flatbuffer alone is held to TFLite's answer. operators: its LSTM operators, each by itself.
    rest: of a quantised flatbuffer alone the other operators, by runtime. recalibrated: what a
    user's model becomes with the same calibration samples in another order, and with half of
    them.
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
    recalibrated: dict[str, Structure | None] = field(default_factory=dict)
    #: The samples that the conversion was calibrated with; empty where somebody else converted.
    calibrated_with: stimuli.Arrays = field(default_factory=dict)


def tflite_answer(artifacts: CaseArtifacts) -> Expectation | StepResult:
    """What a flatbuffer without a Keras model is held to: TFLite's answer, or how TFLite failed."""
    run, structure = artifacts.runs["tflite"], artifacts.conversion.structure
    if run.result is not None:
        return run.result
    assert structure is not None
    outputs = from_runtime(structure, (), run.outputs)
    if any(output.size == 0 for output in outputs):
        message = "TFLite's answer is empty: there is nothing to hold another runtime to"
        return StepResult(Phase.COMPARE, Outcome.REFUSED, message)
    why = "a flatbuffer without its Keras model"
    return budgets.against_another_runtime(outputs, quantization_of(structure), why)
