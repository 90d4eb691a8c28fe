"""Behind a divergence, wrong constants and ranges are named, and none that is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED
from fixtures.subjects import Subject
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed
from harness.conversion.results import Built
from harness.diagnosis import causes
from harness.execution.interpreters import Run
from harness.flatbuffer.schema import pack, unpack
from harness.support.cache import Store
from harness.workers.limits import Limits
from tests.support import breaking
from tests.support.networks import document, node
from tests.support.small_cases import agreed, case_of
from tests.support.small_models import BATCH, FEATURES, STEPS, UNITS, sampled, weights_of
from tests.support.small_runtimes import Runtimes, at, late

Array = NDArray[Any]
SHAPE = [STEPS, FEATURES]
MODEL = document(
    node("first", "LSTM", units=UNITS, return_sequences=True),
    node("second", "LSTM", "first", units=UNITS),
    node("head", "Dense", "second", units=3, activation="tanh"),
    x=SHAPE,
)
STATE = document(
    node("first", "LSTM", units=UNITS, return_sequences=True, return_state=True),
    node("head", "Dense", "first:0", units=3),
    x=SHAPE,
)
CRASHED = StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV")


def _narrow(of: Mapping[str, Any] = MODEL) -> dict[str, Array]:
    return {name: np.float32(0.1) * array for name, array in sampled(of).items()}


def _doubled(name: str, by: float) -> Any:
    """The flatbuffer with another scale of one tensor."""

    def change(content: bytes) -> bytes:
        model = unpack(content)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name.decode() == name:
                tensor.quantization.scale = [by * float(tensor.quantization.scale[0])]
        return pack(model)

    return change


def _divergence(
    case: Any,
    artifacts: Any,
    runtimes: Runtimes | None = None,
    store: Store = Store(None),  # noqa: B008 (keeps nothing)
) -> dict[str, Any]:
    fake: Any = runtimes or Runtimes()
    found = causes.divergence(case, artifacts, fake, Limits(), store)
    assert found is not None
    return found


@pytest.mark.parametrize(("form", "kept"), [("int8", 1), ("float32", 0)])
def test_the_ranges_of_a_calibration_are_found_once(tmp_path: Path, form: Any, kept: int) -> None:
    """Every runtime's divergence asks for the same, and other checks of the run before them."""
    case, artifacts = case_of(MODEL, form)
    stores = [Store(tmp_path) for _ in range(2)]
    first, second = (_divergence(case, artifacts, store=store) for store in stores)
    assert first == second == _divergence(case, artifacts)
    assert [(store.hits, store.misses) for store in stores] == [(0, kept), (kept, 0)]


# The model behind -------------------------------------------------------------------------------


def test_the_model_behind_a_flatbuffer() -> None:
    case, artifacts = case_of(MODEL)
    assert causes.described(case, artifacts) == MODEL
    assert causes.described(case, replace(artifacts, built=None)) is None
    refused = Built(StepResult(Phase.BUILD, Outcome.REFUSED, "no"))
    assert causes.described(case, replace(artifacts, built=refused)) is None
    user = replace(case, subject=Subject("a user's", "keras"))
    assert causes.described(user, artifacts) is None  # it has no configuration to read


# Constants and ranges ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["float32", "int8", "int8-float-io"])
def test_a_healthy_flatbuffer_has_no_cause(form: Any) -> None:
    case, artifacts = case_of(MODEL, form)
    assert causes.differences(case, artifacts) == []
    assert causes.misfits(case, artifacts) == []
    assert causes.cause(case, artifacts) == ""


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (breaking.one_weight, "forget gate of LSTM operator 0 (layer 'first') differs in 1"),
        (
            breaking.one_scale,
            "cell gate of LSTM operator 1 (layer 'second') is 2 times",
        ),
        (breaking.transposed, "LSTM operator 1 (layer 'second') is the layer's, transposed"),
        (breaking.another_activation, "(layer 'head') is LOGISTIC, the model's is TANH"),
    ],
)
def test_each_damage_is_the_cause(damage: Any, text: str) -> None:
    case, artifacts = case_of(MODEL, content=damage)
    (found,) = causes.differences(case, artifacts)
    assert text in found.message
    assert causes.cause(case, artifacts) == found.message


def test_without_a_model_or_a_flatbuffer_nothing_differs() -> None:
    case, artifacts = case_of(MODEL, "int8", content=breaking.one_weight, calibrated=_narrow())
    assert causes.differences(case, artifacts)
    assert causes.misfits(case, artifacts)
    gone = replace(artifacts.conversion, data=None, structure=None)
    for without in (replace(artifacts, built=None), replace(artifacts, conversion=gone)):
        assert causes.differences(case, without) == []
        assert causes.misfits(case, without) == []
        assert causes.cause(case, without) == ""


@pytest.mark.parametrize("form", ["int8", "int8-float-io"])
def test_an_input_that_was_calibrated_too_narrow(form: Any) -> None:
    case, artifacts = case_of(MODEL, form, calibrated=_narrow())
    first, *_ = causes.misfits(case, artifacts)
    tensor = "x" if form == "int8" else "x/quantised"
    assert (first.rule, first.tensors) == ("too-narrow", (tensor,))
    assert first.message.startswith(f"input '{tensor}' holds -0.0")
    assert causes.cause(case, artifacts).startswith(first.message)


def test_an_input_that_was_calibrated_too_wide() -> None:
    wide = {"x": 100 * sampled(MODEL)["x"]}
    case, artifacts = case_of(MODEL, "int8", calibrated=wide)
    first, *_ = causes.misfits(case, artifacts)
    assert (first.rule, first.tensors) == ("too-wide", ("x",))


@pytest.mark.parametrize(
    ("tensor", "by", "rule", "layer"),
    [
        ("first:output", 0.25, "too-narrow", "first"),
        ("second/last", 0.25, "too-narrow", "second"),
        ("first:output", 100.0, "too-wide", "first"),
    ],
)
def test_the_layer_whose_range_does_not_fit(tensor: str, by: float, rule: str, layer: str) -> None:
    case, artifacts = case_of(MODEL, "int8", content=_doubled(tensor, by))
    (found,) = causes.misfits(case, artifacts)
    assert (found.rule, found.tensors) == (rule, (tensor,))
    assert found.message.startswith(f"the output of layer {layer!r}, tensor {tensor!r}, ")


def test_an_activation_of_fixed_range_is_no_calibration() -> None:
    """What ends in a TANH has the range that TANH has, however little of it is used."""
    small = {"head/0": 1e-4, "head/1": 0.0}

    def broken(weights: Any) -> Any:
        return {k: v * np.float32(small.get(k, 1.0)) for k, v in weights.items()}

    linear = document(*MODEL["nodes"][:2], node("head", "Dense", "second", units=3), x=SHAPE)
    case, artifacts = case_of(MODEL, "int8", content=_doubled("head", 100.0))
    assert causes.misfits(case, artifacts) == []
    case, artifacts = case_of(linear, "int8", content=_doubled("head", 100.0))
    assert [found.tensors for found in causes.misfits(case, artifacts)] == [("head",)]


def test_a_layer_that_returns_its_states_is_held_too() -> None:
    case, artifacts = case_of(STATE, "int8")
    assert causes.misfits(case, artifacts) == []
    case, artifacts = case_of(STATE, "int8", content=_doubled("first:output", 100.0))
    assert [found.tensors for found in causes.misfits(case, artifacts)] == [("first:output",)]
    case, artifacts = case_of(STATE, "int8", calibrated=_narrow(STATE))
    assert causes.misfits(case, artifacts)[0].tensors == ("x",)


def test_a_run_of_operators_is_held_to_the_layer_where_it_ends() -> None:
    """What ReLU cuts off is no value of the tensor behind it."""
    of = document(
        node("lstm", "LSTM", units=UNITS, return_sequences=True),
        node("cut", "Activation", "lstm", activation="relu"),
        x=SHAPE,
    )
    case, artifacts = case_of(of, "int8")
    assert causes.misfits(case, artifacts) == []
    case, artifacts = case_of(of, "int8", content=_doubled("cut", 0.25))
    (found,) = causes.misfits(case, artifacts)
    assert found.message.startswith("the output of layer 'cut', tensor 'cut', holds 0 to ")


def test_a_range_that_is_only_wasteful_is_no_cause() -> None:
    case, artifacts = case_of(MODEL, "int8", content=_doubled("first:output", 6.0))
    assert causes.misfits(case, artifacts) == []


def test_a_bidirectional_has_no_tensor_of_its_own_to_hold() -> None:
    inner = {"class": "LSTM", "config": {"units": UNITS, "return_sequences": True}}
    both = node("both", "Bidirectional", layer=inner)
    of = document(both, node("head", "Dense", "both", units=3), x=SHAPE)
    case, artifacts = case_of(of, "int8")
    assert causes.misfits(case, artifacts) == []
    case, artifacts = case_of(of, "int8", content=_doubled("head", 100.0))
    assert [found.tensors for found in causes.misfits(case, artifacts)] == [("head",)]


def test_each_input_is_held_to_its_own_samples() -> None:
    """By the signature's names, in whatever order the samples come."""
    of = document(
        node("a", "LSTM", "x", units=UNITS, return_sequences=True),
        node("b", "LSTM", "y", units=UNITS, return_sequences=True),
        node("sum", "Add", "a b"),
        x=SHAPE,
        y=SHAPE,
    )
    samples = sampled(of)
    large = {"y": np.float32(5) * samples["y"], "x": samples["x"]}
    for calibrated, where in ((large, []), (samples, [("y",)])):
        case, artifacts = case_of(of, "int8", stimulus=large, calibrated=calibrated)
        assert artifacts.conversion.structure is not None
        of_model: Any = dict(artifacts.conversion.structure.document)
        x, y = (tensor.index for tensor in artifacts.conversion.structure.inputs)
        names = {"subgraph": 0, "inputs": [["y", y], ["x", x]], "outputs": []}
        named = replace(
            artifacts.conversion.structure, document={**of_model, "signatures": [names]}
        )
        artifacts = replace(artifacts, conversion=replace(artifacts.conversion, structure=named))
        found = [finding.tensors for finding in causes.misfits(case, artifacts)]
        assert found[:1] == where
        assert ("x",) not in found


def test_a_float_flatbuffer_has_no_ranges() -> None:
    case, artifacts = case_of(MODEL, "float32")
    wide = replace(artifacts, stimulus={"x": 1000 * artifacts.stimulus["x"]})
    assert causes.misfits(case, wide) == []


def test_samples_that_do_not_fit_have_no_misfits() -> None:
    case, artifacts = case_of(MODEL, "int8", calibrated=_narrow())
    other = replace(artifacts, stimulus={"x": artifacts.stimulus["x"][..., :2]})
    assert causes.misfits(case, other) == []
    two = replace(artifacts, stimulus={**artifacts.stimulus, "y": artifacts.stimulus["x"]})
    assert causes.misfits(case, two) == []


def test_constants_come_before_ranges_and_three_are_told() -> None:
    case, artifacts = case_of(
        MODEL, "int8", content=breaking.another_activation, calibrated=_narrow()
    )
    assert causes.misfits(case, artifacts)
    found = causes.cause(case, artifacts)
    assert "LOGISTIC" in found
    assert "samples reach" not in found

    def broken(weights: Any) -> Any:
        return {name: array + np.float32(0.5) for name, array in weights.items()}

    case, artifacts = case_of(MODEL, broken=broken)
    messages = [difference.message for difference in causes.differences(case, artifacts)]
    assert len(messages) > 3
    assert causes.cause(case, artifacts) == "; ".join(messages[:3])


# The entry of the report ------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
def test_a_broken_weight_has_its_cause_and_its_place(runtime: str) -> None:
    case, artifacts = case_of(MODEL, runtime=runtime, content=breaking.one_scale)
    found = _divergence(case, artifacts)
    assert "is 2 times the layer's: its scale is wrong" in found["cause"]
    assert "inside LSTM operator 1 (layer 'second') it starts at step 0" in found["text"]
    assert "in the candidate of unit" in found["text"]
    assert [row["layer"] for row in found["tensors"]] == ["x", "first", "second", "head"]
    assert [row["leaves"] for row in found["tensors"]] == [False, False, True, True]


def test_a_healthy_case_has_neither() -> None:
    for form in ("float32", "int8", "int8-float-io"):
        found = _divergence(*case_of(MODEL, form))
        assert found["text"] == "no single tensor leaves its budget"
        assert "cause" not in found
        assert "gates" not in found


def test_gates_are_known_where_the_operators_are_proven() -> None:
    change = at(0, late)
    case, artifacts = case_of(MODEL, runtimes=Runtimes(change), exact=False)
    found = _divergence(case, artifacts, Runtimes(change))
    assert [gate["gate"] for gate in found["gates"]] == ["hidden state"]
    case, artifacts = case_of(MODEL, content=breaking.one_scale)
    assert len(_divergence(case, artifacts)["gates"]) == 6


def test_a_users_flatbuffer_is_held_to_its_own_precision() -> None:
    """Its recipe says nothing, its tensors do."""
    case, artifacts = case_of(MODEL, "int8", kind="tflite")
    user = replace(case, recipe=AS_CONVERTED)
    assert user.recipe.quantization == "float32"
    found = _divergence(user, artifacts)
    assert [row["layer"] for row in found["tensors"]] == ["x", "first", "second", "head"]
    assert not any(row["leaves"] for row in found["tensors"])
    unlike = replace(case, recipe=AS_CONVERTED, subject=replace(case.subject, kind="catalogue"))
    assert any(row["leaves"] for row in _divergence(unlike, artifacts)["tensors"])


def test_a_lone_flatbuffer_is_held_to_tflite() -> None:
    change = at(1, late, runtime="tflm")
    case, artifacts = case_of(MODEL, runtime="tflm", kind="tflite")
    found = _divergence(case, replace(artifacts, built=None), Runtimes(change))
    assert [row["operator"] for row in found["tensors"]] == [
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "STRIDED_SLICE",
        "FULLY_CONNECTED",
        "TANH",
    ]
    assert found["text"].startswith("tensor 'second:output' (UNIDIRECTIONAL_SEQUENCE_LSTM) is the")
    assert "cause" not in found


def test_what_gave_no_answer_has_no_divergence() -> None:
    case, artifacts = case_of(MODEL)
    fake: Any = Runtimes()
    silent = {**artifacts.runs, "tflite": Run(CRASHED)}
    gone = replace(artifacts.conversion, structure=None)
    lost = replace(artifacts.conversion, data=None)
    for without in (
        replace(artifacts, runs={"tflm": artifacts.runs["tflm"]}),
        replace(artifacts, runs=silent),
        replace(artifacts, conversion=gone),
        replace(artifacts, conversion=lost),
        replace(artifacts, expected=None),
    ):
        assert causes.divergence(case, without, fake, Limits(), Store(None)) is None
    assert fake.asked == []


def test_a_model_that_cannot_be_read_says_why() -> None:
    case, artifacts = case_of(MODEL)
    found = _divergence(case, replace(artifacts, built=None))
    assert found == {"text": "cannot be followed: the model could not be built", "tensors": []}
    user = replace(case, subject=Subject("a user's", "keras"))
    found = _divergence(user, artifacts)
    assert found["text"] == "cannot be followed: no configuration of the model"


def test_a_case_that_cannot_be_followed_says_why() -> None:
    case, artifacts = case_of(MODEL)
    fewer = Built(agreed(Phase.BUILD), weights=weights_of(MODEL) | {"other/0": np.zeros(1)})
    found = _divergence(case, replace(artifacts, built=fewer))
    assert found["text"] == "cannot be followed: weights of no layer: other/0"
    assert found["tensors"] == []
    nothing = replace(artifacts, stimulus={})
    assert _divergence(case, nothing)["text"].startswith("cannot be followed: ")
    case, artifacts = case_of(MODEL, "int8")
    uncalibrated = replace(artifacts, calibration={})
    assert _divergence(case, uncalibrated)["text"].startswith("cannot be followed: samples of")


def test_the_sample_that_is_furthest_off_is_followed() -> None:
    of = document(node("head", "Dense", units=2), x=[FEATURES])
    stimulus = sampled(of, count=5)
    case, artifacts = case_of(of, stimulus=stimulus)
    (given,) = artifacts.runs["tflite"].outputs
    spoiled = given.copy()
    spoiled[3, 1, 0] += 1
    runtimes = Runtimes()
    _divergence(case, replace(artifacts, runs={"tflite": Run(None, (spoiled,))}), runtimes)
    ((x,),) = runtimes.given
    assert (x == stimulus["x"][[3, 0, 1, 2, 4]]).all()


# The worst sample -------------------------------------------------------------------------------


def _expected(*limits: float) -> Expectation:
    values = tuple(np.zeros((4, BATCH, 3)) for _ in limits)
    return Expectation(values, tuple(Allowed(limit) for limit in limits), "")


def _off(*errors: tuple[int, float]) -> Array:
    found = np.zeros((4, BATCH, 3), np.float32)
    for sample, error in errors:
        found[sample, 1, 2] = error
    return found


@pytest.mark.parametrize(
    ("limits", "outputs", "worst"),
    [
        ([1.0], [_off()], 0),
        ([1.0], [_off((2, 1e-6))], 2),
        ([1.0], [_off((3, -5.0), (1, 4.0))], 3),
        ([1.0], [_off((3, 2.0), (1, 2.0))], 1),  # the first of several
        ([1.0], [_off((3, np.nan), (1, 1e30))], 3),
        ([1e-6], [_off((3, np.inf), (1, 1e30))], 3),
        ([1e-6], [_off((3, -np.inf), (1, np.nan))], 1),
        ([0.0], [_off((2, 1e30))], 2),  # where nothing is allowed
        ([1.0, 0.1], [_off((1, 2.0)), _off((3, 1.0))], 3),  # as a share of each budget
        ([1.0, 1.0], [_off((1, 2.0)), _off((3, 1.0))], 1),
        ([1.0], [_off((2, 1.0))[:, :, :2]], 0),  # another shape
        ([], [], 0),
    ],
)
def test_the_worst_sample(limits: list[float], outputs: list[Array], worst: int) -> None:
    assert causes._worst(_expected(*limits), outputs) == worst
