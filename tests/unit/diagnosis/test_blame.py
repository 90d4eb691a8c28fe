"""Each leg is blamed on its own evidence, the strongest first, and on no healthy operator."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.diagnosis import operator_evidence
from harness.diagnosis.blame import Blame, GraphTraits
from harness.diagnosis.operator_evidence import (
    SATURATED,
    factors_text,
    ideal_excess,
    saturated,
    scale_fault,
    wrong_by_its_scales,
)
from harness.operators.examination import Examined
from harness.operators.quantizer import integer_lstm, quantised
from reference.arithmetic.affine import Affine
from reference.attribution import Attribution
from reference.lstm.float64 import LstmOptions
from tests.support.blamed import (
    KERAS,
    LITERT,
    MICRO,
    NARROW,
    NATIVE,
    RIGHT,
    SAMPLES,
    TFLITE,
    UNCUT,
    WIDE,
    WRONG,
    at_the_ends,
    blame_of,
    examined_of,
    model_of,
    part_of,
)
from tests.support.reference_models import float_weights

Array = NDArray[Any]

# One leg for each evidence -----------------------------------------------------------------------


def test_keras_is_blamed_where_a_runtime_gives_what_it_does_not() -> None:
    found = blame_of(KERAS, "float32", keras=False, others={"tflite": True}, with_keras=False)
    told = "it differs from the float64 value of its own weights, which tflite gives"
    assert found == Blame("Keras", told)
    assert str(found) == f"blame: Keras: {found.reason}"
    assert found.document() == {
        "leg": "Keras",
        "reason": found.reason,
        "kind": "keras-is-the-runtime",
    }


def test_keras_is_not_blamed_for_an_oracle_that_nobody_agrees_with() -> None:
    found = blame_of(KERAS, "float32", keras=False, others={"tflite": False}, with_keras=True)
    assert found.leg == "harness"
    for with_keras in (False, None):
        found = blame_of(KERAS, "float32", keras=False, with_keras=with_keras)
        assert found.leg == "undecided"


@NATIVE
def test_an_oracle_that_keras_and_the_runtime_contradict_is_the_harness(runtime: Runtime) -> None:
    strongest = examined_of(part_of(), tflite=WRONG, litert=WRONG, tflm=WRONG)
    more: Any = {"differences": ["a difference"]}
    assert blame_of(runtime, "int8", strongest, False, with_keras=True, **more).leg == "harness"
    for keras, with_keras in ((None, True), (True, True), (False, False), (False, None)):
        found = blame_of(runtime, "int8", strongest, keras, with_keras=with_keras, **more)
        assert found.leg == runtime.adapter.kernel


@NATIVE
def test_an_operator_that_is_not_its_oracle_is_the_kernel(runtime: Runtime) -> None:
    by_name: dict[str, Any] = {runtime.name: WRONG}
    operators = examined_of(part_of(), **by_name)
    found = blame_of(runtime, "int8", operators, True, {}, GraphTraits(), ["a difference"])
    assert found == Blame(runtime.adapter.kernel, WRONG.message)


def test_another_runtimes_kernel_is_not_this_ones() -> None:
    found = blame_of(TFLITE, "int8", examined_of(part_of(), tflite=RIGHT, tflm=WRONG))
    assert found.leg == "recipe"


def test_a_flatbuffer_that_is_another_model_is_the_converter() -> None:
    found = blame_of(
        TFLITE, "float32", Examined(), True, {"tflm": True}, GraphTraits(), list("abcd")
    )
    assert found == Blame("converter", "the flatbuffer is not the model: a; b; c; and 1 more")
    found = blame_of(TFLITE, "float32", Examined(), True, {"tflm": True}, GraphTraits(), ["a"])
    assert found == Blame("converter", "the flatbuffer is not the model: a")


# Scales ------------------------------------------------------------------------------------------

UNEQUAL = [
    {"output_scale": 0.01},
    {"output_zero_point": 7},
    {"output_state_scale": 0.01},
    {"output_state_zero_point": 7},
    {"hidden_scale": 0.01},
    {"hidden_zero_point": 7},
]


@pytest.mark.parametrize("change", UNEQUAL, ids=str)
def test_scales_that_must_be_equal_are_the_converters(change: dict[str, Any]) -> None:
    part = part_of(model_of(**change))
    found = blame_of(MICRO, "int8", examined_of(part), True, {}, GraphTraits(), (), [NARROW])
    assert found.leg == "converter"
    assert found.reason.startswith("LSTM operator 0: scales that must be equal differ: output ")
    assert ("0.01 (" in found.reason) or "(zero point 7)" in found.reason
    assert wrong_by_its_scales(part) == scale_fault(part) != ""


def test_equal_scales_are_no_fault() -> None:
    assert scale_fault(part_of()) == wrong_by_its_scales(part_of()) == ""
    assert (
        scale_fault(part_of(float_weights(3)))
        == wrong_by_its_scales(part_of(float_weights(3)))
        == ""
    )
    projected = integer_lstm(float_weights(3, outputs=4), SAMPLES, LstmOptions())
    assert projected.hidden_scale != projected.output_scale
    assert scale_fault(part_of(projected)) == ""


@pytest.mark.parametrize(("log2", "skips"), [(-15, False), (-16, True)])
def test_a_cell_scale_without_tanh_is_the_kernel_that_leaves_it_out(log2: int, skips: bool) -> None:
    part = part_of(model_of(cell_scale=2.0**log2))
    assert (f"cell scale 2^{log2}" in wrong_by_its_scales(part)) is skips
    for runtime in (TFLITE, LITERT):
        found = blame_of(runtime, "int8", examined_of(part))
        assert ("leaves out tanh" in found.reason) is skips
        if skips:
            assert found.leg == runtime.adapter.kernel
            assert f"LSTM operator 0: the cell state's scale 2^{log2}" in found.reason
    # TFLite Micro has a table for any scale.
    assert "tanh" not in blame_of(MICRO, "int8", examined_of(part)).reason


# Calibration -------------------------------------------------------------------------------------


def test_an_input_that_was_calibrated_too_narrow_comes_before_what_it_causes() -> None:
    part = part_of(model_of(cell_scale=2.0**-16))
    found = blame_of(TFLITE, "int8", examined_of(part), True, {}, GraphTraits(), (), [WIDE, NARROW])
    assert found == Blame("calibration", NARROW.message)
    inner = replace(NARROW, message="the output of layer 'a' holds -1 to 1", layer="a")
    wide = replace(WIDE, message="input 'x' has 256 levels and the samples use 9")
    for misfit in (inner, wide):
        found = blame_of(TFLITE, "int8", examined_of(part), True, {}, GraphTraits(), (), [misfit])
        assert found.leg == "TFLite kernel"


@pytest.mark.parametrize("value", [127, -128])
@pytest.mark.parametrize(("count", "blamed"), [(0, False), (1, False), (2, True), (54, True)])
def test_inner_inputs_at_the_ends_of_their_range(count: int, value: int, blamed: bool) -> None:
    assert (count / 108 > SATURATED) is blamed
    found = blame_of(TFLITE, "int8", examined_of(at_the_ends(count, value), tflite=RIGHT))
    assert (found.leg == "calibration") is blamed
    if blamed:
        share = f"{count / 108:.0%} of the input of LSTM operator 0 is at the ends"
        assert found.reason.startswith(share)


def test_the_models_own_input_has_its_range_from_the_misfits() -> None:
    part = at_the_ends(54)
    own = GraphTraits(inputs=frozenset({part.found.input}))
    assert blame_of(TFLITE, "int8", examined_of(part), True, {}, own).leg == "recipe"
    other = GraphTraits(inputs=frozenset({part.found.input + 1}))
    assert blame_of(TFLITE, "int8", examined_of(part), True, {}, other).leg == "calibration"


def test_exactly_the_share_is_not_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_evidence, "SATURATED", 2 / 108)
    assert blame_of(TFLITE, "int8", examined_of(at_the_ends(2))).leg == "recipe"
    assert blame_of(TFLITE, "int8", examined_of(at_the_ends(3))).leg == "calibration"


def test_a_float_input_has_no_ends_and_no_inputs_have_no_share() -> None:
    part = part_of(float_weights(3), np.full((3, 2, 6, 3), 127, np.float32))
    assert blame_of(TFLITE, "float32", examined_of(part), others={"tflm": False}).leg == "converter"
    full = at_the_ends(54)
    none = replace(full, inputs=full.inputs[3:])  # all that is left was drawn
    assert len(none.inputs) == none.drawn
    assert saturated(none) == ""


def test_misfits_are_the_calibration_where_no_runtime_agrees() -> None:
    misfits = [replace(WIDE, message=name) for name in "abcd"]
    found = blame_of(TFLITE, "int8", Examined(), True, {"tflm": False}, GraphTraits(), (), misfits)
    assert found == Blame("calibration", "a; b; c")
    found = blame_of(TFLITE, "int8", Examined(), True, {"tflm": True}, GraphTraits(), (), misfits)
    assert found == Blame("TFLite kernel", "the same flatbuffer agrees on tflm")


# Fixed point -------------------------------------------------------------------------------------


@NATIVE
@pytest.mark.parametrize("time_major", [False, True])
def test_a_healthy_operator_is_as_near_to_the_ideal_as_its_arithmetic_is(
    runtime: Runtime, time_major: bool
) -> None:
    x = SAMPLES.swapaxes(1, 2) if time_major else SAMPLES
    model = integer_lstm(float_weights(3), x, LstmOptions(time_major=time_major))
    inputs = quantised(x, Affine(model.input_scale, model.input_zero_point))
    part = part_of(model, inputs.clip(-127, 126))
    assert ideal_excess(model, part.inputs[0], runtime) <= 1
    assert blame_of(runtime, "int8", examined_of(part)).leg == "recipe"


def test_a_kernel_that_leaves_something_out_is_further_off() -> None:
    """TFLite without tanh is what its own profile says, and no quantised LSTM."""
    x = part_of().inputs[0]
    assert ideal_excess(model_of(cell_scale=2.0**-15), x, TFLITE) <= 1
    assert ideal_excess(model_of(cell_scale=2.0**-16), x, TFLITE) > 1


def test_each_runtime_has_its_own_arithmetic() -> None:
    """TFLite writes the hidden state in intermediate 4's scale, TFLite Micro does not read it."""
    model, x = model_of(), part_of().inputs[0]
    twice = model_of(hidden_scale=2 * model.hidden_scale)
    assert ideal_excess(twice, x, TFLITE) > 1 >= ideal_excess(twice, x, MICRO)


def test_the_output_is_read_in_its_own_scale() -> None:
    """A step of the output's is some of the hidden state's: that alone is an excess."""
    x = part_of().inputs[0]
    model = model_of()
    doubled = model_of(output_scale=2 * model.output_scale)
    assert ideal_excess(doubled, x, TFLITE) > 1 >= ideal_excess(model, x, TFLITE)


def test_the_largest_excess_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape = model_of(output_scale=0.5, output_zero_point=4), (1, 2, 3)
    outputs = np.full(shape, 4, np.int8)
    outputs[0, 1, 2] -= 6
    run, budget = SimpleNamespace(outputs=outputs), SimpleNamespace(outputs=np.full(shape, 2.0))
    ideal = SimpleNamespace(outputs=np.zeros(shape))
    monkeypatch.setattr(operator_evidence, "lstm_integer", lambda *given: run)
    monkeypatch.setattr(operator_evidence, "kernel_budget", lambda *given: (ideal, budget))
    assert ideal_excess(model, None, TFLITE) == 1.5


def test_an_excess_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    excesses = iter([1.0, 1.25, 1.0])

    def excess(model: Any, x: Array, runtime: Runtime) -> float:
        seen.append(x.shape)
        return next(excesses)

    monkeypatch.setattr(operator_evidence, "ideal_excess", excess)
    assert blame_of(MICRO, "int8", examined_of(part_of())).leg == "recipe"
    found = blame_of(MICRO, "int8", examined_of(part_of()))
    assert found.leg == "TFLM kernel"
    assert found.reason.startswith("LSTM operator 0: 1.25 times as far from the ideal quantised")
    assert seen == [(6, 6, 3)] * 2  # its three real samples of two rows, and none that was drawn
    with_states = replace(part_of(), initial=(np.zeros((3, 2, 5)),) * 2)
    projected = part_of(integer_lstm(float_weights(3, outputs=4), SAMPLES, LstmOptions()))
    peeping = part_of(integer_lstm(float_weights(3, peephole=True), SAMPLES, LstmOptions()))
    floating = part_of(float_weights(3))
    for part in (with_states, projected, peeping, floating):
        assert blame_of(MICRO, "int8", examined_of(part)).leg == "recipe"
    assert len(seen) == 2
    x = SAMPLES[:, :1].swapaxes(1, 2)
    model = integer_lstm(float_weights(3), x, LstmOptions(time_major=True))
    inputs = quantised(x, Affine(model.input_scale, model.input_zero_point)).clip(-127, 126)
    blame_of(MICRO, "int8", examined_of(part_of(model, inputs)))
    assert seen[2:] == [(6, 3, 3)]  # six steps of the rows of three samples


# What is left ------------------------------------------------------------------------------------


def test_hybrid_kernels_are_blamed_on_tflite_micro_alone() -> None:
    hybrid = part_of(float_weights(3), hybrid=True)
    assert hybrid.found.kind == "hybrid"
    found = blame_of(
        MICRO, "dynamic-range", examined_of(hybrid, tflm=UNCUT), others={"tflite": True}
    )
    assert found == Blame("TFLM kernel", "the LSTM reads int8 kernels as float32")
    assert blame_of(TFLITE, "dynamic-range", examined_of(hybrid)).leg == "recipe"
    assert (
        "int8 kernels"
        not in blame_of(MICRO, "float32", examined_of(part_of(float_weights(3)))).reason
    )


def test_resource_variables_are_left_alone_by_interpreters() -> None:
    graph = GraphTraits(resources=True)
    for runtime in (TFLITE, LITERT):
        found = blame_of(runtime, "float32", Examined(), True, {"tflm": True}, graph)
        assert found.leg == runtime.adapter.kernel
        assert "resource variables" in found.reason
    assert "resource" not in blame_of(MICRO, "float32", Examined(), True, {}, graph).reason


def test_a_loop_is_tflite_micros_where_tflite_agrees() -> None:
    graph = GraphTraits(loops=True)
    found = blame_of(MICRO, "float32", Examined(), True, {"tflite": True}, graph)
    assert found == Blame("TFLM kernel", "its WHILE loop: the same flatbuffer agrees on TFLite")
    for others in ({"tflite": False}, {}, {"tflm": True}):
        assert "WHILE" not in blame_of(MICRO, "float32", Examined(), True, others, graph).reason
    for others in ({"tflm": True}, {"tflite": True}):
        assert "WHILE" not in blame_of(TFLITE, "float32", Examined(), True, others, graph).reason


@NATIVE
def test_a_flatbuffer_that_agrees_elsewhere_is_the_kernels(runtime: Runtime) -> None:
    other = "tflite" if runtime is MICRO else "tflm"
    found = blame_of(runtime, "float32", others={other: True})
    assert found.leg == runtime.adapter.kernel
    assert found.reason == f"the same flatbuffer agrees on {other}"


@NATIVE
@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_a_runtime_of_the_same_family_is_elsewhere_too(runtime: Runtime, recipe: str) -> None:
    """LiteRT alone is wrong, or XNNPACK alone: neither the converter's fault nor the recipe's."""
    family = "tflm" if runtime is MICRO else "tflite"
    found = blame_of(runtime, recipe, Examined(), True, {family: True}, GraphTraits(), (), [WIDE])
    assert found.leg == runtime.adapter.kernel
    assert found.reason == "the same flatbuffer agrees on another runtime of its family"


def test_float32_that_agrees_nowhere_is_the_converters() -> None:
    for runtime, others in ((TFLITE, {"tflm": False}), (MICRO, {"tflite": False})):
        found = blame_of(runtime, "float32", others=others)
        assert found == Blame("converter", "no runtime answers what the model does")
        more: Any = {"given": True, "locate": lambda: "it starts in layer 'a'"}
        found = blame_of(runtime, "float32", others=others, **more)
        assert found == Blame(
            "file", "no runtime answers what the model does; it starts in layer 'a'"
        )


@NATIVE
def test_float32_that_one_family_runs_is_undecided(runtime: Runtime) -> None:
    """Neither "no runtime" where one ran, nor a kernel where the file may be wrong."""
    family = runtime.adapter.kernels
    for others in ({}, {family: False}):
        found = blame_of(runtime, "float32", others=others)
        assert found.leg == "undecided"
        assert f"only {runtime.adapter.kernel}s ran the file" in found.reason
        assert found.reason.startswith("the oracle agrees with Keras")
        for keras in (None, False):  # it was not there, or said something else
            found = blame_of(runtime, "float32", keras=keras, others=others)
            assert "Keras" not in found.reason


def test_what_nothing_explains_is_the_recipe() -> None:
    proven = examined_of(part_of(), tflite=RIGHT)
    found = blame_of(TFLITE, "int8", proven)
    assert found == Blame(
        "recipe", "every LSTM operator is exact: int8 is too coarse for this model"
    )
    half = examined_of(part_of(), tflite=RIGHT, count=2)
    unproven = examined_of(part_of(), tflite=UNCUT)
    for operators in (Examined(), half, unproven):
        found = blame_of(TFLITE, "int8", operators, others={"tflm": False})
        assert found.reason.startswith("Keras is right, no runtime agrees: int8 is too coarse")
        for keras, others in ((None, {"tflm": False}), (False, {"tflm": False}), (True, {})):
            found = blame_of(TFLITE, "int8", operators, keras, others)
            assert found == Blame(
                "recipe", "nothing else is known to be wrong: int8 is too coarse for this model"
            )


def test_factors_are_counted_in_one_line() -> None:
    found = factors_text(2, Attribution(40, 5, {"cell": 3, "tanh": 0, "gate": 4}, 0))
    assert found == (
        "LSTM operator 2: TFLite and TFLM differ in 5 of 40 values (cell 3, gate 4), residual 0"
    )
    assert "(none), residual None" in factors_text(0, Attribution(40, 0, {"cell": 0}, None))
