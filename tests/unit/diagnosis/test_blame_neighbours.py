"""No rule speaks where its neighbour should, and what is tried comes behind what is shown."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.diagnosis.blame import RULES, Blame, GraphTraits
from harness.diagnosis.operator_evidence import (
    own_ends_of,
)
from harness.diagnosis.trial import Explanation
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.weights.operator_graph import OperatorGraph
from tests.support.blamed import (
    MICRO,
    NARROW,
    NATIVE,
    TFLITE,
    WIDE,
    WRONG,
    at_the_ends,
    blame_of,
    examined_of,
    model_of,
    part_of,
)
from tests.support.networks import document, node
from tests.support.small_models import FEATURES, STEPS, UNITS, converted, sampled, weights_of

Array = NDArray[Any]

# What is tried -----------------------------------------------------------------------------------

REVERSED = Explanation("time-reversed", "input 'x' is reversed", "turn it round", 0.25, 90.0)


@NATIVE
@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize("given", [False, True])
def test_what_gives_the_answers_is_named(runtime: Runtime, recipe: str, given: bool) -> None:
    others = {"tflm" if runtime is not MICRO else "tflite": False}
    more: Any = {"explain": lambda: REVERSED, "given": given}
    found = blame_of(runtime, recipe, others=others, misfits=[WIDE], **more)
    assert found == Blame("file" if given else "converter", str(REVERSED))
    assert found.reason == (
        "input 'x' is reversed: the source model changed so gives these answers within 0.25 of the "
        "budget, as it is 90 times the budget → turn it round"
    )


def test_nothing_is_tried_where_the_cause_is_known() -> None:
    def never() -> Explanation:
        raise AssertionError("tried")

    others = {"tflm": True}
    assert blame_of(TFLITE, "float32", others=others, explain=never).leg == "TFLite kernel"
    assert blame_of(TFLITE, "int8", differences=["a"], explain=never).leg == "converter"
    wrong = examined_of(part_of(), tflite=WRONG)
    assert blame_of(TFLITE, "int8", wrong, explain=never).leg == "TFLite kernel"


def test_many_differences_have_one_cause_where_it_is_found() -> None:
    stale = replace(REVERSED, says="the file holds other weights")
    found = blame_of(differences=list("abcde"), explain=lambda: stale, given=True)
    assert (found.leg, found.reason.partition(":")[0]) == ("file", "the file holds other weights")
    found = blame_of(differences=list("abcde"), explain=lambda: None)
    assert found.reason == "the flatbuffer is not the model: a; b; c; and 2 more"


@pytest.mark.parametrize("change", [{"output_scale": 0.01}, {"cell_scale": 2.0**-16}], ids=str)
def test_a_file_of_somebody_elses_has_both_of_its_faults_named(change: Any) -> None:
    part = examined_of(part_of(model_of(**change)))
    known = blame_of(TFLITE, "int8", part)
    both = blame_of(TFLITE, "int8", part, given=True, explain=lambda: REVERSED)
    assert both == Blame("file", f"{REVERSED}; what is left: {known.reason}")
    assert blame_of(TFLITE, "int8", part, given=True) == known
    assert blame_of(TFLITE, "int8", part, explain=lambda: REVERSED) == known  # ours was not turned


# What a rule is not ------------------------------------------------------------------------------


def test_samples_in_other_units_are_not_answered_with_a_wider_calibration() -> None:
    told = "input 'x' is not normalised as for the calibration"
    part = part_of(model_of(output_scale=0.01))
    found = blame_of(TFLITE, "int8", examined_of(part), misfits=[NARROW], unnormalised=told)
    assert found == Blame("calibration", told)


def test_ranges_of_somebody_elses_file_are_blamed_where_they_are_all_that_is_wrong() -> None:
    others = {"tflm": False}
    for alone, leg in ((True, "calibration"), (None, "calibration"), (False, "recipe")):
        more: Any = {"given": True, "ranges_explain": partial(bool, alone)}
        if alone is None:
            more["ranges_explain"] = lambda: None
        assert blame_of(TFLITE, "int8", others=others, misfits=[WIDE], **more).leg == leg
    more = {"ranges_explain": partial(bool, False)}  # what we converted ourselves is that model
    assert blame_of(TFLITE, "int8", others=others, misfits=[WIDE], **more).leg == "calibration"


def test_a_reset_is_not_blamed_where_the_first_sample_is_wrong() -> None:
    graph = GraphTraits(resources=True)
    more: Any = {"others": {"tflm": False}, "graph": graph}
    assert "resource" in blame_of(TFLITE, "float32", first_agrees=True, **more).reason
    assert "resource" not in blame_of(TFLITE, "float32", first_agrees=False, **more).reason


@pytest.mark.parametrize(
    ("own", "value", "blamed"),
    [
        (set(), -128, True),
        ({"low"}, -128, False),
        ({"low"}, 127, True),
        ({"low", "high"}, 127, False),
        ({"high"}, -128, True),
    ],
)
def test_the_zeros_of_a_relu_are_no_saturation(own: Any, value: int, blamed: bool) -> None:
    part = at_the_ends(54, value)
    graph = GraphTraits(own_ends={part.found.input: frozenset(own)})
    assert (blame_of(TFLITE, "int8", examined_of(part), graph=graph).leg == "calibration") is blamed


@pytest.mark.parametrize(
    ("function", "ends"),
    [("relu", {"low"}), ("sigmoid", {"low", "high"}), ("tanh", {"low", "high"}), ("linear", set())],
)
@pytest.mark.parametrize("form", ["float32", "int8"])
def test_the_ends_of_a_functions_own_range(function: str, ends: set[str], form: Any) -> None:
    of = document(
        node("before", "Dense", units=FEATURES, activation=function),
        node("lstm", "LSTM", "before", units=UNITS),
        x=[STEPS, FEATURES],
    )
    content = converted(of, weights_of(of), sampled(of), form)
    graph = OperatorGraph(content)
    (lstm,) = lstm_operators(content)
    assert own_ends_of(graph, lstm.input) == ends
    assert own_ends_of(graph, int(graph.main.inputs[0])) == set()


def test_every_rule_says_something_of_something() -> None:
    """The order is the specification: what is proven by itself, the file, the kernels, trials."""
    assert [rule.__name__ for rule in RULES][-1] == "undecided"
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
