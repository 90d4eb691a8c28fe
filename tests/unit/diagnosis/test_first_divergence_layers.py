"""The first layer that is wrong is found, whatever it feeds, in every size and direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import breaking
from tests.support.followed import (
    BOTH,
    FORMS,
    ONE,
    SHAPE,
    STACK,
    added,
    changed,
    followed,
    lstm_node,
    two_ways,
)
from tests.support.networks import document, node
from tests.support.small_models import (
    BATCH,
    FEATURES,
    STEPS,
    Form,
    sampled,
)

Array = NDArray[Any]
Document = Mapping[str, Any]


# The right layer --------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    ("array", "layer", "inside"),
    [
        ("before/1", "before", ""),
        ("first/2", "first", "first"),
        ("second/2", "second", "second"),
        ("head/1", "head", ""),
    ],
)
def test_the_layer_that_is_wrong_is_the_first(
    array: str, layer: str, inside: str, form: Form
) -> None:
    # All candidates, biases or logits by 2: beyond int8 rounding, and no saturation at ranges
    # that the broken weights give.
    found = followed(STACK, changed(array, lambda a: a + 2.0), form=form)
    assert found.first is not None
    assert found.first.layer == layer
    assert (found.inside.layer if found.inside else "") == inside
    assert not any(row.leaves for row in found.rows[: found.rows.index(found.first)])
    if not inside:
        growth = found.document()["growth"]
        assert growth["steps"] == [0, 1, 2, 3, 4]
        assert growth["error"] == [row.error for row in found.rows]
        assert growth["budget"] == [row.budget for row in found.rows]
        assert "gates" not in found.document()


def test_the_positions_of_stacked_lstms_are_their_operators() -> None:
    for layer, position in (("first", 2), ("second", 3)):
        found = followed(STACK, changed(f"{layer}/0", lambda a: 2 * a))
        assert found.inside is not None
        assert (found.inside.layer, found.inside.position) == (layer, position)


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize(("k", "way", "step"), [(2, "forward", 0), (5, "backward", 0)])
def test_either_direction_of_a_bidirectional_is_found(
    k: int, way: str, step: int, form: Form
) -> None:
    found = followed(BOTH, changed(f"both/{k}", lambda a: a + 1.0), form=form)
    assert found.inside is not None
    assert found.inside.layer == f"both/{way}"
    assert (found.inside.first.step, found.inside.first.gate) == (step, "input gate")
    assert found.first is not None
    assert found.first.layer == "head"


def test_a_head_that_is_wrong_leaves_the_directions_alone() -> None:
    found = followed(BOTH, changed("head/1", lambda a: a + 1.0))
    assert found.inside is None
    assert found.first is not None
    assert found.first.layer == "head"


def test_what_reads_a_wrong_tensor_is_not_looked_into() -> None:
    """A Bidirectional has no tensor of its own; behind a wrong layer its values are no evidence."""
    of = document(
        node("before", "Dense", units=FEATURES),
        {**two_ways(), "inputs": ["before"]},
        x=SHAPE,
    )
    found = followed(of, changed("before/1", lambda a: a + 1.0))
    assert found.first is not None
    assert found.first.layer == "before"
    assert found.inside is None


def test_an_input_that_is_wrong_leaves_the_directions_alone() -> None:
    """A calibration that was too narrow: the LSTMs do what they should with what they get."""
    alone = document(two_ways(), x=SHAPE)
    narrow = {"x": 0.1 * sampled(alone)["x"]}
    found = followed(alone, form="int8", calibrated=narrow)
    assert found.first is not None
    assert (found.first.layer, found.first.operator) == ("x", "input")
    assert found.inside is None


def test_an_lstm_that_gives_what_it_should_is_not_looked_into() -> None:
    """One step forgets nothing: the forget gate is wrong, and not the cause of a wrong head."""
    of = document(lstm_node("lstm"), node("head", "Dense", "lstm", units=3), x=[1, FEATURES])
    forgetful = changed("lstm/0", added((2, 4 + 1), 0.3))
    both = followed(of, lambda weights: changed("head/1", added(0, 1.0))(forgetful(weights)))
    assert both.first is not None
    assert (both.first.layer, both.inside) == ("head", None)
    alone = followed(of, forgetful)
    assert alone.first is None
    assert alone.inside is not None
    assert alone.inside.first.gate == "forget gate"


def test_an_input_that_two_layers_share() -> None:
    of = document(lstm_node("a"), lstm_node("b"), node("sum", "Add", "a b"), x=SHAPE)
    assert followed(of).first is None
    for layer, position in (("a", 0), ("b", 1)):
        found = followed(of, changed(f"{layer}/2", lambda a: a + 0.5))
        assert found.first is not None
        assert found.first.layer == layer
        assert found.inside is not None
        assert (found.inside.layer, found.inside.position) == (layer, position)
    assert [row.layer for row in found.rows] == ["x", "a", "b", "sum"]


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_two_inputs_are_held_each_to_its_own_samples(form: Form) -> None:
    of = document(
        lstm_node("a"), lstm_node("b", "y"), node("sum", "Add", "a b"), x=SHAPE, y=[STEPS, FEATURES]
    )
    found = followed(of, form=form)
    assert [row.layer for row in found.rows] == ["x", "y", "a", "b", "sum"]
    assert found.first is None
    samples = sampled(of)
    narrow = {**samples, "y": np.float32(0.1) * samples["y"]}
    found = followed(of, form="int8", calibrated=narrow)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("y", "y")


def test_a_wrong_activation_is_found_behind_its_layer() -> None:
    of = document(
        lstm_node("lstm"), node("head", "Dense", "lstm", units=3, activation="tanh"), x=SHAPE
    )
    found = followed(of, content=breaking.another_activation)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("head", "head")
    assert found.inside is None


# Sizes and directions ---------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_the_unit_is_found_in_any_row(batch: int) -> None:
    """The weight meets a feature that only the last row has."""
    stimulus = sampled(ONE, batch=batch)
    stimulus["x"][:, : batch - 1, :, 2] = 0
    found = followed(ONE, changed("lstm/0", added((2, 12 + 1), 0.3)), samples=stimulus)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (0, "output gate", 1)


@pytest.mark.parametrize("exact", [True, False])
def test_time_major(exact: bool) -> None:
    of = document(lstm_node("lstm", time_major=True), x=[BATCH, FEATURES])
    stimulus = sampled(of, batch=STEPS)
    assert followed(of, samples=stimulus, exact=exact).first is None
    assert followed(of, samples=stimulus, exact=exact).inside is None
    found = followed(of, changed("lstm/1", added((1, 12 + 2), 0.3)), samples=stimulus, exact=exact)
    assert found.inside is not None
    assert len(found.inside.errors) == STEPS
    wanted = (1, "output gate", 2) if exact else (1, "hidden state", 2)
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == wanted


def test_backwards_counts_steps_in_the_order_of_computation() -> None:
    of = document(lstm_node("lstm", go_backwards=True), x=SHAPE)
    assert followed(of).first is None
    stimulus = sampled(of)
    stimulus["x"][:, :, 1:, 2] = 0  # the changed weight counts at the input's first step alone
    found = followed(of, changed("lstm/0", added((2, 8 + 3), 0.3)), samples=stimulus)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (STEPS - 1, "candidate", 3)


def test_one_step_has_no_growth_to_tell() -> None:
    of = document(lstm_node("lstm"), x=[1, FEATURES])
    found = followed(of, changed("lstm/2", added(0, 0.5)))
    assert found.inside is not None
    assert found.inside.errors == (found.inside.gates[5].error,)
    assert "after the first step" not in found.text
