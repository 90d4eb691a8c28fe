"""Scales that contradict each other hide no other fault of a file: the repaired file shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import RUNTIMES
from harness.diagnosis import causes
from harness.diagnosis.blame import Blame
from harness.diagnosis.explain import explained
from harness.diagnosis.trial import Explanation
from harness.execution.interpreters import Run
from harness.flatbuffer.schema import pack, unpack
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.pipeline.cases import Measured
from tests.support.blamed import TFLITE, WIDE, blame_of, examined_of, model_of, part_of
from tests.support.networks import document, node
from tests.support.small_cases import case_of
from tests.support.small_models import FEATURES, STEPS, UNITS
from tests.support.small_runtimes import Runtimes

Array = NDArray[Any]
INNER = {"class": "LSTM", "config": {"units": UNITS, "return_sequences": True}}
STACK = document(
    node("first", "LSTM", units=UNITS, return_sequences=True),
    node("second", "LSTM", "first", units=UNITS),
    node("head", "Dense", "second", units=3),
    x=[STEPS, FEATURES],
)
WAYS = document(
    node("both", "Bidirectional", layer=INNER),
    node("head", "Dense", "both", units=3),
    x=[STEPS, FEATURES],
)
MODELS = pytest.mark.parametrize(
    ("model", "lstm"), [(STACK, "first"), (WAYS, "both/backward")], ids=["stack", "ways"]
)
Change = Callable[[Array], Array]


def same(x: Array) -> Array:
    return x


def turned(x: Array) -> Array:
    return np.flip(x, 2)


def contradicting(lstm: str) -> Callable[[bytes], bytes]:
    """The file whose hidden state has scales of its own, half of the output's."""

    def change(content: bytes) -> bytes:
        model = unpack(content)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name.decode() in (f"{lstm}:hidden", f"{lstm}:hidden_state"):
                tensor.quantization.scale = [0.5 * float(tensor.quantization.scale[0])]
        return pack(model)

    return change


class Given:
    """Somebody's file of a model, which reads its input changed."""

    def __init__(self, model: Any, content: Any, change: Change) -> None:
        case, artifacts = case_of(model, "int8", content=content, kind="catalogue")
        self.case = replace(case, recipe=AS_CONVERTED)
        self.change, self.ran = change, 0
        structure = artifacts.conversion.structure
        assert structure is not None
        assert artifacts.conversion.data is not None
        self.structure, self.stimulus = structure, artifacts.stimulus
        outputs = self.outputs(artifacts.conversion.data.tobytes())
        self.artifacts = replace(artifacts, runs={"tflite": Run(None, outputs)})

    def outputs(self, content: bytes) -> tuple[Array, ...]:
        samples = {name: self.change(x) for name, x in self.stimulus.items()}
        encoded = to_runtime(self.structure, list(samples), samples)
        run = Runtimes().run(RUNTIMES["tflite"], content, encoded, resize=True)
        assert run.result is None
        return run.outputs

    def answers_to(self, content: bytes) -> list[Array]:
        self.ran += 1
        return from_runtime(self.structure, (), self.outputs(content))

    def explanation(self) -> Explanation | None:
        return causes.explanation(self.case, self.artifacts, self.answers_to)

    def left(self) -> float | None:
        return causes.left_by_scales(self.case, self.artifacts, self.answers_to)


@MODELS
def test_what_the_scales_hide_is_found_in_the_repaired_file(model: Any, lstm: str) -> None:
    given = Given(model, contradicting(lstm), turned)
    found = given.explanation()
    assert found is not None
    assert found.name == "time-reversed"
    assert found.budget_used <= 1 < found.without
    assert causes.REPAIRED_ANSWERS in str(found)
    left = given.left()
    assert left == found.without
    # Without a run of the repaired file it stays hidden.
    silent = causes.explanation(given.case, given.artifacts)
    assert silent is None or silent.budget_used > 1


@MODELS
def test_a_file_whose_scales_are_all_that_is_wrong_has_no_other_fault(
    model: Any, lstm: str
) -> None:
    given = Given(model, contradicting(lstm), same)
    assert given.explanation() is None
    left = given.left()
    assert left is not None
    assert left <= 1


@MODELS
def test_where_scales_agree_nothing_is_repaired(model: Any, lstm: str) -> None:
    given = Given(model, lambda content: content, turned)
    found = given.explanation()
    assert found is not None
    assert (found.name, found.answers) == ("time-reversed", "these answers")
    assert given.left() is None
    assert given.ran == 0
    gone = replace(given.artifacts.conversion, data=None)
    without = replace(given.artifacts, conversion=gone)
    assert causes.left_by_scales(given.case, without, given.answers_to) is None


# The sentence -----------------------------------------------------------------------------------

FOUND = Explanation("time-reversed", "input 'x' is reversed", "look", 0.3, 40.0)
UNEQUAL = examined_of(part_of(model_of(output_scale=0.01)))
NO_TANH = examined_of(part_of(model_of(cell_scale=2.0**-16)))
SCALES = pytest.mark.parametrize("operators", [UNEQUAL, NO_TANH], ids=["unequal", "no tanh"])


@SCALES
def test_what_is_off_after_the_repair_and_has_no_name_is_said(operators: Any) -> None:
    alone = blame_of(TFLITE, "int8", operators)
    for few in (lambda: None, lambda: 0.4, lambda: 1.0):
        assert blame_of(TFLITE, "int8", operators, given=True, left_by_scales=few) == alone
    more: Any = {"given": True, "left_by_scales": lambda: 7.0}
    found = blame_of(TFLITE, "int8", operators, **more)
    told = "once its scales are repaired the file is still off by 7 times the budget"
    assert found.leg == "file"
    assert found.reason.startswith(f"{alone.reason}; {told}")
    assert found.reason.endswith(": something else is wrong with it too")
    ranges = blame_of(TFLITE, "int8", operators, misfits=[WIDE], **more)
    assert ranges == Blame("calibration", f"{alone.reason}; {told}: {WIDE.message}")
    # A name comes before, and what we converted ourselves is that model.
    both = Blame("file", f"{FOUND}; what is left: {alone.reason}")
    assert blame_of(TFLITE, "int8", operators, explain=lambda: FOUND, **more) == both
    assert blame_of(TFLITE, "int8", operators, left_by_scales=lambda: 7.0) == alone


def test_many_differences_and_scales_are_both_named() -> None:
    scales = blame_of(TFLITE, "int8", UNEQUAL).reason
    more: Any = {"given": True, "explain": lambda: FOUND, "differences": list("abcde")}
    found = blame_of(TFLITE, "int8", UNEQUAL, **more)
    assert found == Blame("file", f"{FOUND}; what is left: {scales}")
    assert blame_of(TFLITE, "int8", **more) == Blame("file", str(FOUND))


def test_the_whole_case_names_both() -> None:
    given = Given(WAYS, contradicting("both/backward"), turned)
    given.case = replace(given.case, subject=replace(given.case.subject, kind="tflite"))
    diverged = Measured(StepResult(Phase.COMPARE, Outcome.DIVERGED, "off"))
    found = explained(given.case, given.artifacts, diverged, answers_to=given.answers_to)
    assert found.blame is not None
    assert found.blame["leg"] == "file"
    reason = found.blame["reason"]
    assert "read with its time steps in reverse order" in reason
    assert causes.REPAIRED_ANSWERS in reason
    assert "what is left: LSTM operator" in reason
    assert "scales that must be equal differ" in reason
