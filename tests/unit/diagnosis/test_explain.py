"""A compared case is told its operators, factors and blame; nothing where it agrees."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES
from harness.comparison.budgets import Expectation
from harness.comparison.compare import compare
from harness.conversion.results import KerasRun
from harness.diagnosis.explain import explain_without_keras, explained
from harness.execution.interpreters import Run
from harness.flatbuffer.schema import pack, unpack
from harness.flatbuffer.tensor_codec import from_runtime
from harness.operators.agreement import Agreement
from harness.operators.examination import Examined
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case, Measured
from reference.attribution import Attribution
from tests.support import breaking
from tests.support.networks import document, node
from tests.support.small_cases import agreed, case_of, entry_of
from tests.support.small_models import FEATURES, STEPS, UNITS
from tests.support.small_runtimes import Runtimes, at, late

Array = NDArray[Any]
MODEL = document(
    node("first", "LSTM", units=UNITS, return_sequences=True),
    node("second", "LSTM", "first", units=UNITS),
    node("head", "Dense", "second", units=3, activation="tanh"),
    x=[STEPS, FEATURES],
)
AGREED = Measured(agreed(Phase.COMPARE), error=0.1, budget=0.2)
DIVERGED = Measured(StepResult(Phase.COMPARE, Outcome.DIVERGED, "output 0 differs"))


def _measured(case: Case, artifacts: CaseArtifacts) -> Measured:
    """The comparison that the pipeline makes before it asks for an explanation."""
    assert case.runtime is not None
    assert artifacts.expected is not None
    assert artifacts.conversion.structure is not None
    run = artifacts.runs[case.runtime.name]
    outputs = from_runtime(artifacts.conversion.structure, (), run.outputs)
    found = compare(artifacts.expected.outputs, outputs, artifacts.expected.budgets)
    return Measured(found.result, found.error)


def _with(artifacts: CaseArtifacts, **operators: Any) -> CaseArtifacts:
    return replace(artifacts, operators=replace(artifacts.operators, **operators))


# A case with its model --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
def test_a_healthy_case_stays_agreed_and_has_its_operators(form: Any, runtime: str) -> None:
    case, artifacts = case_of(MODEL, form, runtime)
    found = explained(case, artifacts, _measured(case, artifacts))
    assert found.result == agreed(Phase.COMPARE)
    assert found.blame is None
    assert [entry["position"] for entry in found.operators] == [0, 1]
    keys = [part.key[:16] for part in artifacts.operators.parts]
    assert [entry["key"] for entry in found.operators] == keys
    assert found.attribution == ()


def test_an_operator_that_is_wrong_makes_an_agreed_case_diverge() -> None:
    """Budgets of a whole model may hide it; its own oracle does not."""
    case, artifacts = case_of(MODEL, exact=False)
    found = explained(case, artifacts, AGREED)
    assert found.result.outcome is Outcome.DIVERGED
    lines = found.result.message.splitlines()
    assert lines[:2] == [entry_of(k, exact=False).message for k in (0, 1)]
    assert lines[2] == f"blame: TFLite kernel: {lines[0]}"
    assert found.blame == {
        "leg": "TFLite kernel",
        "reason": lines[0],
        "kind": "an-operator-is-not-its-oracle",
    }
    assert (found.error, found.budget) == (AGREED.error, AGREED.budget)


def test_what_the_comparison_said_stays_behind_the_operators() -> None:
    case, artifacts = case_of(MODEL, exact=False)
    lines = explained(case, artifacts, DIVERGED).result.message.splitlines()
    assert lines[2:] == ["output 0 differs", f"blame: TFLite kernel: {lines[0]}"]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.COMPARE])
def test_a_case_that_was_not_compared_is_not_blamed(phase: Phase) -> None:
    case, artifacts = case_of(MODEL, exact=False)
    measured = Measured(StepResult(phase, Outcome.CRASHED, "SIGSEGV"))
    found = explained(case, artifacts, measured)
    assert found.result == measured.result
    assert found.blame is None
    assert len(found.operators) == 2


def test_keras_has_no_operators() -> None:
    case, artifacts = case_of(MODEL, runtime="keras", exact=False)
    assert explained(case, artifacts, AGREED).operators == ()
    found = explained(case, artifacts, DIVERGED)
    assert found.blame is not None
    alone = explained(case, replace(artifacts, runs={}), DIVERGED)
    assert alone.blame is not None
    assert alone.blame["leg"] == "undecided"  # nobody else's answer is there
    assert artifacts.expected is not None
    wrong = KerasRun(agreed(Phase.INVOKE), tuple(y + 1 for y in artifacts.expected.outputs))
    both = replace(artifacts, keras=wrong, expected_of_keras=artifacts.expected)
    found = explained(case, both, DIVERGED)
    assert found.blame is not None
    assert found.blame["leg"] == "Keras"  # the runtimes give what it does not


def test_factors_are_told_of_tflite_micro_alone() -> None:
    first, second = Attribution(20, 3, {"cell": 3}, 0), Attribution(20, 0, {"cell": 0}, 0)
    for runtime, told in (("tflm", True), ("tflite", False)):
        case, artifacts = case_of(MODEL, "int8", runtime)
        artifacts = _with(artifacts, attributions={1: second, 0: first})
        found = explained(case, artifacts, AGREED)
        assert found.result == AGREED.result
        assert [entry["position"] for entry in found.attribution] == [0, 1] * told
        lines = explained(case, artifacts, DIVERGED).result.message.splitlines()
        texts = [line for line in lines if "TFLite and TFLM differ in" in line]
        assert len(texts) == 2 * told
        if told:
            assert found.attribution[0]["by_factor"] == {"cell": 3}
            assert texts[0].startswith("LSTM operator 0: TFLite and TFLM differ in 3 of 20")


@pytest.mark.parametrize(("residual", "diverges"), [(0, False), (None, False), (1, True)])
def test_a_residual_makes_an_agreed_case_diverge(residual: int | None, diverges: bool) -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    left = {0: Attribution(20, 3, {"cell": 3}, residual), 1: Attribution(20, 0, {"cell": 0}, 0)}
    found = explained(case, _with(artifacts, attributions=left), AGREED)
    assert (found.result.outcome is Outcome.DIVERGED) is diverges
    if diverges:
        assert found.result.message.startswith("LSTM operator 0: TFLite and TFLM differ in 3 of 20")
        assert "residual 1" in found.result.message.splitlines()[0]


# Who is blamed ----------------------------------------------------------------------------------


def _leg(case: Case, artifacts: CaseArtifacts) -> str:
    measured = _measured(case, artifacts)
    assert measured.result.outcome is Outcome.DIVERGED
    found = explained(case, artifacts, measured)
    assert found.blame is not None
    assert found.result.message.splitlines()[-1].startswith(f"blame: {found.blame['leg']}: ")
    return found.blame["leg"]


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
@pytest.mark.parametrize("damage", [breaking.one_scale, breaking.another_activation])
@pytest.mark.parametrize("form", ["float32", "int8"])
def test_a_flatbuffer_that_is_not_the_model_is_the_converters(
    runtime: str, damage: Any, form: Any
) -> None:
    assert _leg(*case_of(MODEL, form, runtime, content=damage)) == "converter"


def test_a_narrow_calibration_is_the_calibrations() -> None:
    narrow = {"x": np.float32(0.05) * np.ones((4, 2, STEPS, FEATURES), np.float32)}
    narrow["x"][:, :, ::2] *= -1
    assert _leg(*case_of(MODEL, "int8", calibrated=narrow)) == "calibration"


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize(
    ("runtime", "leg"), [("tflite", "TFLite kernel"), ("litert", "LiteRT kernel"), ("tflm", "TFLM")]
)
def test_a_kernel_that_is_alone_with_its_answer(runtime: str, leg: str, form: Any) -> None:
    """Behind the LSTMs, where no oracle of its own shows it."""
    runtimes = Runtimes(at(3, lambda y: y // 2 if y.dtype.kind == "i" else y / 2, runtime=runtime))
    case, artifacts = case_of(
        MODEL, form, runtime, runtimes, ran=("tflite", "tflite-reference", "litert", "tflm")
    )
    assert _leg(case, artifacts).startswith(leg)
    alone = replace(artifacts, runs={runtime: artifacts.runs[runtime]})
    unknown = "recipe" if form == "int8" else "undecided"
    assert _leg(case, alone) == unknown


def test_interpreters_of_one_family_are_evidence_for_each_other() -> None:
    wrong = Runtimes(at(3, lambda y: y / np.float32(2), runtime="tflite"))
    case, artifacts = case_of(MODEL, "float32", "tflite", wrong, ran=("tflite", "tflite-reference"))
    assert _leg(case, artifacts) == "TFLite kernel"
    both = Runtimes(at(3, lambda y: y / np.float32(2)))
    case, artifacts = case_of(MODEL, "float32", "tflite", both, ran=("tflite", "tflm"))
    assert _leg(case, artifacts) == "converter"


def test_a_runtimes_own_agreement_is_none_elsewhere() -> None:
    """A case can diverge by its residual though its answer is within the budget."""
    case, artifacts = case_of(MODEL, "int8", "tflm", ran=("tflm",))
    left = {0: Attribution(20, 3, {"cell": 3}, 1)}
    found = explained(case, _with(artifacts, attributions=left), AGREED)
    assert found.blame is not None
    assert "agrees on" not in found.blame["reason"]


def test_a_runtime_in_another_version_is_of_its_family() -> None:
    wrong = Runtimes(at(3, lambda y: y / np.float32(2), runtime="tflite"))
    case, artifacts = case_of(MODEL, "float32", "tflite", wrong, ran=("tflite", "tflm"))
    runs = {"tflite": artifacts.runs["tflite"], "tflm@oldest": artifacts.runs["tflm"]}
    found = explained(case, replace(artifacts, runs=runs), DIVERGED)
    assert found.blame == {
        "leg": "TFLite kernel",
        "reason": "the same flatbuffer agrees on tflm",
        "kind": "it-agrees-elsewhere",
    }


def test_a_runtime_that_gave_nothing_is_no_evidence() -> None:
    case, artifacts = case_of(MODEL, content=breaking.one_weight)
    failed = Run(StepResult(Phase.LOAD, Outcome.REFUSED, "no"))
    artifacts = replace(artifacts, built=None, runs={**artifacts.runs, "tflm": failed})
    found = explained(case, artifacts, DIVERGED)
    assert found.blame is not None
    assert found.blame["leg"] == "undecided"
    assert "Keras" not in found.blame["reason"]


def test_keras_and_a_runtime_against_the_oracle_are_the_harness() -> None:
    """Whatever Keras says: a runtime that contradicts it too is no evidence against the oracle."""
    case, artifacts = case_of(MODEL, content=breaking.one_scale)
    assert artifacts.expected is not None
    assert artifacts.conversion.structure is not None
    answers, run = artifacts.expected.outputs, artifacts.runs["tflite"]
    of_the_runtime = tuple(from_runtime(artifacts.conversion.structure, (), run.outputs))
    for outputs, leg in (
        (answers, "converter"),
        (of_the_runtime, "harness"),
        (tuple(y + 1 for y in answers), "converter"),
    ):
        keras = KerasRun(agreed(Phase.BUILD), outputs)
        both = replace(artifacts, keras=keras, expected_of_keras=artifacts.expected)
        assert _leg(case, both) == leg
        missing = replace(artifacts.expected, missing="no oracle", budgets=())
        assert _leg(case, replace(both, expected_of_keras=missing)) == "converter"
        crashed = StepResult(Phase.INVOKE, Outcome.CRASHED)
        assert _leg(case, replace(both, keras=replace(keras, result=crashed))) == "converter"


def test_a_second_opinion_decides_between_the_file_and_the_kernel() -> None:
    wrong = Runtimes(at(3, lambda y: y / np.float32(2), runtime="tflite"))
    case, artifacts = case_of(MODEL, "float32", "tflite", wrong, ran=("tflite",))
    for opinion, leg in (({"tflm": True}, "TFLite kernel"), ({"tflm": False}, "converter")):
        found = explained(case, artifacts, DIVERGED, second_opinion=partial(dict, opinion))
        assert found.blame is not None
        assert found.blame["leg"] == leg


def test_a_second_opinion_is_not_asked_where_there_is_one() -> None:
    def never() -> dict[str, bool]:
        raise AssertionError("asked")

    case, artifacts = case_of(MODEL, content=breaking.one_scale, ran=("tflite", "tflm"))
    assert explained(case, artifacts, DIVERGED, second_opinion=never).blame is not None


@pytest.mark.parametrize(
    ("operator", "dtype", "text"),
    [
        ("WHILE", "float32", "its WHILE loop"),
        ("READ_VARIABLE", "float32", "resource variables"),
        ("READ_VARIABLE", "int64", ""),
    ],
)
def test_what_is_around_the_lstms_is_read_from_the_graph(
    operator: str, dtype: str, text: str
) -> None:
    """The seeds of a dropout are variables too, and no state."""
    runtime = "tflm" if operator == "WHILE" else "tflite"
    case, artifacts = case_of(MODEL, runtime=runtime)
    assert artifacts.conversion.structure is not None
    described: Any = dict(artifacts.conversion.structure.document)
    main = dict(described["subgraphs"][0])
    read = {**main["tensors"][-1], "name": "read", "dtype": dtype}
    main["tensors"] = [*main["tensors"], read]
    more = {"name": operator, "inputs": [0], "outputs": [len(main["tensors"]) - 1]}
    main["operators"] = [*main["operators"], more]
    changed = replace(artifacts.conversion.structure, document={**described, "subgraphs": [main]})
    loops = replace(artifacts, conversion=replace(artifacts.conversion, structure=changed))
    found = explained(case, loops, DIVERGED)
    assert found.blame is not None
    assert text in found.blame["reason"]
    for name in ("its WHILE loop", "resource variables"):
        assert (name in found.blame["reason"]) is (name == text)
    found = explained(case, artifacts, DIVERGED)
    assert found.blame is not None
    assert not text or text not in found.blame["reason"]


# A flatbuffer alone -----------------------------------------------------------------------------


def _alone(
    artifacts: CaseArtifacts, case: Case, rest: Agreement | None = None, **more: Any
) -> Measured:
    """Held to TFLite's answer."""
    structure = artifacts.conversion.structure
    assert structure is not None
    assert case.runtime is not None
    want, got = (
        from_runtime(structure, (), artifacts.runs[name].outputs)
        for name in ("tflite", case.runtime.name)
    )
    lone = replace(artifacts, built=None, rest={case.runtime.name: rest or Agreement(3, 40, 2, ())})
    expected = Expectation(tuple(want), (), "")
    return explain_without_keras(case, lone, expected, got, more.get("saturated", ()))


def test_a_difference_that_is_explained_agrees() -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    found = _alone(artifacts, case)
    assert found.result == agreed(Phase.COMPARE)
    assert found.values == 4 * 2 * 3
    assert (found.budget, found.budget_used) == (None, None)
    assert found.budget_rule == (
        "TFLite's answer; 2 LSTM operators at 0 LSB to their profiles, 3 others within one step "
        "at equal inputs (2 of 40 values by one)"
    )


@pytest.mark.parametrize("wrong", ["tflite", "tflm"])
@pytest.mark.parametrize("how", ["mismatch", "problem", "uncut"])
def test_an_operator_that_is_not_proven_on_either_runtime(wrong: str, how: str) -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    entries = {
        "mismatch": (entry_of(0), entry_of(1, exact=False)),
        "problem": (entry_of(0), replace(entry_of(1), values=0, problem="has no oracle")),
        "uncut": (entry_of(0),),
    }[how]
    results = {**artifacts.operators.results, wrong: entries}
    found = _alone(_with(artifacts, results=results), case)
    wanted = Outcome.DIVERGED if how == "mismatch" else Outcome.NOT_JUDGED
    assert found.result.outcome is wanted
    told = {
        "mismatch": "LSTM operator 1: 1 of 9 values are not",
        "problem": "has no oracle",
        "uncut": "an LSTM could not be cut out",
    }[how]
    assert f"{RUNTIMES[wrong].title}: {told}" in found.result.message
    if how == "mismatch":
        assert found.result.message.startswith("TFLite's answer is no reference")
    else:
        assert "nothing tells how far it may" in found.result.message


@pytest.mark.parametrize(("residual", "text"), [(0, ""), (None, ""), (2, "2 values that no")])
def test_a_residual_is_not_explained(residual: int | None, text: str) -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    left = {1: Attribution(20, 3, {"cell": 3}, residual)}
    found = _alone(_with(artifacts, attributions=left), case)
    assert found.result.agreed is (text == "")
    assert text in found.result.message


def test_another_operator_beyond_one_step_is_not_explained() -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    found = _alone(artifacts, case, Agreement(3, 40, 9, ("ADD: 9 of 40", "MUL: 1 of 40")))
    assert found.result.message.endswith("explained: ADD: 9 of 40; MUL: 1 of 40")


def test_scales_that_contradict_each_other_are_right_nowhere() -> None:
    def unequal(content: bytes) -> bytes:
        model = unpack(content)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name.decode() == "second:hidden_state":
                tensor.quantization.scale = [0.5]
        return pack(model)

    case, artifacts = case_of(MODEL, "int8", "tflm", content=unequal)
    found = _alone(artifacts, case)
    assert found.result.outcome is Outcome.DIVERGED
    assert "LSTM operator 1: scales that must be equal differ" in found.result.message
    assert "LSTM operator 0" not in found.result.message


def test_what_is_no_answer_diverges_by_itself() -> None:
    """Constant, or saturated: said as the comparison says it, whatever is not explained too."""
    zeros = Runtimes(at(4, np.zeros_like, runtime="tflm"))
    case, artifacts = case_of(MODEL, "int8", "tflm", zeros, exact=False)
    found = _alone(artifacts, case)
    assert found.result.message == "output 0: constant: every value is 0"
    case, artifacts = case_of(MODEL, "int8", "tflm")
    found = _alone(artifacts, case, saturated=[0.6])
    assert found.result.message.startswith("output 0: saturated: 60%")


def test_a_flatbuffer_without_lstms_is_not_proven() -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    found = _alone(replace(artifacts, operators=Examined()), case)
    assert found.result.outcome is Outcome.NOT_JUDGED
    assert "an LSTM could not be cut out" in found.result.message


def test_a_difference_with_an_operator_nobody_can_speak_of_is_not_judged() -> None:
    case, artifacts = case_of(MODEL, "int8", "tflm")
    found = _alone(artifacts, case, Agreement(3, 40, 2, (), ("FULLY_CONNECTED: hybrid",)))
    assert found.result.outcome is Outcome.NOT_JUDGED
    assert "FULLY_CONNECTED: hybrid" in found.result.message
    wrong = Agreement(3, 40, 2, ("TANH: 3 steps",), ("FULLY_CONNECTED: hybrid",))
    assert _alone(artifacts, case, wrong).result.outcome is Outcome.DIVERGED


def test_a_late_kernel_is_found_alone_too() -> None:
    change = at(0, late, runtime="tflm")
    case, artifacts = case_of(MODEL, "int8", "tflm", Runtimes(change), exact=False)
    found = _alone(artifacts, case)
    assert found.result.outcome is Outcome.DIVERGED
    assert found.error is not None
    assert found.error > 0
