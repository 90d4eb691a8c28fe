"""Each constant, option and wire of a file is held to its source's conversion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.assurance.certificate.constants import edits
from harness.weights.twin.audit import audit
from tests.support import twin_models
from tests.support.twin_models import integer, plain, reordered

LAYERS = ("conv", "mean", "one", "other", "soft", "sigmoid")
CONV, DENSE = "CONV_2D", "FULLY_CONNECTED"


def _second(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(values + 100 * (np.arange(values.size) == 1))


@pytest.mark.parametrize("seed", range(8))
def test_a_conversion_is_its_source(seed: int) -> None:
    for content in (plain(seed), integer(seed), integer(seed, 1.7), reordered(integer(seed))):
        found = audit(content, plain(seed), LAYERS)
        assert found.differences == ()
        assert found.apart == ()
        assert found.operators == 6


@pytest.mark.parametrize(
    "change",
    [edits.renamed, edits.versions_raised, edits.buffers_apart],
    ids=["names", "versions", "buffers"],
)
def test_what_is_equivalent_passes(change: edits.Edit) -> None:
    found = audit(change(integer()), plain(), LAYERS)
    assert (found.differences, found.apart) == ((), ())


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (edits.constant(CONV, 1, edits.steps_off(1)), "weight", "kernel differs in 1 of 36"),
        (edits.constant(CONV, 1, edits.steps_off(-20)), "weight", "kernel differs in 1 of 36"),
        (edits.constant(CONV, 2, _second), "bias", "bias differs in 1 of 4 values, most at [1]"),
        (edits.constant(CONV, 2, lambda v: v + 1 * (v == v[0])), "bias", "differs in 1 of 4"),
        (edits.constant(CONV, 1, edits.dead_channel(0)), "weight", "zero in channel 1: dead"),
        (edits.constant(CONV, 1, lambda v: v[::-1]), "weight", "channels in reverse order"),
        (edits.channels_of_scales_reversed(CONV), "weight", "channels' scales are wrong"),
        (edits.constant(DENSE, 1, edits.steps_off(1), 1), "weight", "differs in 1 of 20"),
        (edits.constant(DENSE, 2, _second, 1), "bias", "layer 'other'): the bias differs"),
        (edits.constant(DENSE, 2, lambda v: 0 * v), "bias", "is zero, and the model's is not"),
        (edits.option(CONV, "fusedActivationFunction", 0), "activation", "NONE, the model's"),
        (edits.option(CONV, "fusedActivationFunction", 3), "activation", "RELU6"),
        (edits.option(DENSE, "fusedActivationFunction", 1), "activation", "activation RELU"),
        (edits.option(CONV, "padding", 1), "option", "padding VALID, the model's own"),
        (edits.option(CONV, "strideW", 2), "option", "stride (width) 2"),
        (edits.option(CONV, "dilationWFactor", 2), "option", "dilation (width) 2"),
        (edits.option("SOFTMAX", "beta", 2.0), "option", "beta 2, the model's own conversion 1"),
        (edits.option("MEAN", "keepDims", True), "option", "keep_dims True"),
        (edits.constant("MEAN", 1, lambda v: v[::-1] + 1), "option", "[2, 3], in the model's"),
        (edits.outputs_swapped, "output-order", "the file's are the model's 1, 0"),
        (edits.names_swapped, "output-names", "calls 'output_1' is the model's 'output_0'"),
        (edits.weights_swapped(DENSE), "wiring", "reads"),
    ],
)
def test_a_fault_is_found_and_named(change: edits.Edit, kind: str, words: str) -> None:
    found = audit(change(integer()), plain(), LAYERS)
    assert found.apart == ()
    said = [one.message for one in found.differences if one.kind == kind]
    assert said, found.differences
    assert any(words in message for message in said), said


@pytest.mark.parametrize("content", [plain, integer])
def test_a_float_and_an_integer_file_alike(content: Callable[[], bytes]) -> None:
    for bad in (
        edits.constant(DENSE, 1, lambda v: np.where(v == v.max(), v / 2, v)),
        edits.constant(DENSE, 2, lambda v: v / 2),
        edits.option(CONV, "fusedActivationFunction", 0),
    ):
        assert audit(bad(content()), plain(), LAYERS).differences


def test_a_file_of_other_weights_differs_everywhere() -> None:
    found = audit(integer(1), plain(), LAYERS)
    assert {one.layer for one in found.differences} == {"conv", "one", "other"}


def test_an_axis_may_be_counted_from_the_end() -> None:
    from_the_end = edits.constant("MEAN", 1, lambda v: v - 4)
    assert audit(from_the_end(integer()), plain(), LAYERS).differences == ()
    other = edits.constant("MEAN", 1, lambda v: v - 3)
    assert audit(other(integer()), plain(), LAYERS).differences


def test_a_lost_operator_is_said_with_its_place() -> None:
    found = audit(edits.removed("SOFTMAX")(integer()), plain(), LAYERS)
    (told,) = found.apart
    assert told.message.startswith("SOFTMAX is missing behind FULLY_CONNECTED operator 2")


def test_a_function_may_stand_behind_its_operator() -> None:
    """As another version of the converter leaves it: fused or not, the same is computed."""
    apart = twin_models.relu_apart(integer())
    found = audit(apart, plain(), LAYERS)
    assert (found.differences, found.apart) == ((), ())
    lost = edits.removed("RELU")(apart)
    assert audit(lost, plain(), LAYERS).differences


def test_a_scale_that_its_values_do_not_ask_for() -> None:
    coarse = twin_models.coarser_kernel(integer(), DENSE, 4.0)
    (told,) = audit(coarse, plain(), LAYERS).differences
    assert told.kind == "scale"
    assert "the scale of the kernel is" in told.message


@pytest.mark.parametrize("kind", ["CUSTOM", "WHILE"])
def test_layers_in_another_form_are_not_compared(kind: str) -> None:
    """As the recipe with TensorFlow's own kernels has them: nothing pairs, and nothing is wrong."""
    found = audit(twin_models.called(integer(1), "MEAN", kind), plain(), LAYERS)
    assert (found.differences, found.apart) == ((), ())
    assert kind in found.problem


def test_a_graph_of_other_operators_is_not_compared() -> None:
    content = integer(1)
    for kind, other in (("MEAN", "SUM"), ("SOFTMAX", "ELU"), ("LOGISTIC", "EXP")):
        content = twin_models.called(content, kind, other)
    assert audit(content, plain(), LAYERS).apart
    content = twin_models.called(content, "CONV_2D", "ABS")
    found = audit(content, plain(), LAYERS)
    assert found.problem == "4 of its operators have no part in the model's own conversion"
    assert (found.differences, found.apart) == ((), ())


def test_a_graph_of_thousands_of_operators_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.weights.twin.audit.MOST_OPERATORS", 5)
    assert audit(integer(1), plain(), LAYERS).problem == "more than 5 operators"
