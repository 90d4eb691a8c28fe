"""Each rule of repair is the same function in float64, and its faulty twin is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.assurance.certificate.faults import repair_faults
from harness.assurance.certificate.faults.repair_documents import (
    UNITS,
    cell,
    document,
    functional,
    layer,
    lstm,
    stack,
    stimulus,
    weights_of_lstm,
)
from harness.assurance.certificate.faults.repair_faults import TWINS, Twin, readings
from harness.repair.model_proof import (
    difference,
    masked_steps,
    masks_taken,
    state_faults,
    state_taken,
)
from harness.repair.rules.document import Document
from harness.repair.rules.table import refusals, rewritten, unfused
from harness.support.cache import Store

NO_STORE = Store(None)


def rules(made: Document) -> list[str]:
    return [one.rule for one in made.rewritings]


def same(before: Document, after: Document) -> bool:
    return not difference(NO_STORE, before, after, stimulus()).faults


# Rules and their twins --------------------------------------------------------------------------


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_faulty_twin_is_caught_and_its_healthy_rule_is_not(twin: Twin) -> None:
    assert any(reading.kills for reading in readings(twin, NO_STORE))
    assert not any(reading.kills for reading in readings(twin, NO_STORE, spoilt=False))


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (repair_faults.without_bias, "bias of zeros"),
        (repair_faults.unrolled, "rolled"),
        (repair_faults.dropping, "no dropout"),
        (repair_faults.of_cell, "LSTM of a cell"),
        (repair_faults.of_stack, "LSTMs of a stack"),
        (repair_faults.reading_hidden_state, "last output for state"),
        (repair_faults.starting_from_zeros, "no state of zeros"),
    ],
)
def test_a_rule_leaves_nothing_that_prevents_fusing(
    made: Callable[[], Document], rule: str
) -> None:
    before = made()
    after = rewritten(before)
    assert unfused(before)
    assert rules(after) == [rule]
    assert unfused(after) == []
    assert refusals(after) == []
    assert before.config == made().config, "a rule changes a copy only"


def test_a_model_that_fuses_is_left_as_it_is() -> None:
    before = document(functional(lstm(dropout=0.3)), weights_of_lstm("lstm"))
    assert unfused(before) == []
    after = rewritten(before)
    assert after.config == before.config
    assert rules(after) == []


# Bidirectional ----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [None, True, False])
def test_each_direction_gets_its_own_bias(other: bool | None) -> None:
    """other: whether the backward layer, where there is one, has a bias."""
    inner = {"class_name": "LSTM", "config": lstm(use_bias=False)["config"]}
    config: dict[str, Any] = {"layer": inner, "merge_mode": "concat"}
    if other is not None:
        own = lstm(use_bias=other, go_backwards=True)["config"]
        config["backward_layer"] = {"class_name": "LSTM", "config": own}
    before = document(
        functional(layer("Bidirectional", "both", **config)),
        weights_of_lstm("both", bias=False),
        weights_of_lstm("both", 2, bias=bool(other)),
    )
    after = rewritten(before)
    assert unfused(after) == []
    assert len(after.weights_of("both")) == 6
    assert same(before, after)
    assert np.any(after.weights["both/5"]) == bool(other), "a bias that is there stays"


# Stacks -----------------------------------------------------------------------------------------


def test_a_stack_inside_of_a_sequential_model_becomes_layers_in_its_place() -> None:
    cells = stack(cell(), cell(use_bias=False))
    config = functional(layer("RNN", "rnn", cell=cells), layer("Dense", "dense", units=2))
    sequential = {"name": "model", "layers": config["layers"]}
    for entry in sequential["layers"]:
        del entry["inbound_nodes"]
    dense = {"dense/0": np.ones((UNITS, 2), np.float32), "dense/1": np.zeros(2, np.float32)}
    before = document(
        sequential,
        weights_of_lstm("rnn"),
        weights_of_lstm("rnn", 3, UNITS, bias=False),
        dense,
    )
    after = rewritten(before)
    assert [entry["class_name"] for entry in after.config["layers"]] == [
        *("InputLayer", "LSTM", "LSTM", "Dense")
    ]
    assert same(before, after)


def test_a_stack_that_is_called_twice_shares_its_layers() -> None:
    shared = layer("RNN", "rnn", cell=stack(cell(), cell()))
    config = functional(shared, layer("Add", "sum", [["rnn", 0, 0, {}], ["rnn", 1, 0, {}]]))
    config["layers"][1]["inbound_nodes"] = [[["x", 0, 0, {}]], [["x", 0, 0, {}]]]
    before = document(config, weights_of_lstm("rnn"), weights_of_lstm("rnn", 3, UNITS))
    after = rewritten(before)
    assert unfused(after) == []
    assert same(before, after)


def test_a_stack_whose_states_are_read_is_refused() -> None:
    first = layer("RNN", "rnn", cell=stack(cell(), cell()), return_state=True)
    config = functional(first, outputs=[["rnn", 0, 0], ["rnn", 0, 3]])
    before = document(config, weights_of_lstm("rnn"), weights_of_lstm("rnn", 3, UNITS))
    after = rewritten(before)
    assert rules(after) == []
    assert refusals(after)


# States -----------------------------------------------------------------------------------------


def test_a_hidden_state_beside_the_last_output_is_that_output() -> None:
    config = functional(lstm(return_state=True), outputs=[["lstm", 0, 1], ["lstm", 0, 0]])
    before = document(config, weights_of_lstm("lstm"))
    after = rewritten(before)
    assert after.config["output_layers"] == [["lstm", 0, 0], ["lstm", 0, 0]]
    assert same(before, after)


def test_a_cell_state_that_is_read_is_refused() -> None:
    config = functional(lstm(return_state=True), outputs=[["lstm", 0, 1], ["lstm", 0, 2]])
    after = rewritten(document(config, weights_of_lstm("lstm")))
    assert rules(after) == []
    assert "cell state" in refusals(after)[0]


def test_an_initial_state_that_is_not_zero_stays() -> None:
    states = [[[0.0, 0.0, 0.1, 0.0]], [[0.0] * UNITS]]
    reads = [["x", 0, 0, {"initial_state": states}]]
    before = document(functional(lstm(reads=reads)), weights_of_lstm("lstm"))
    assert rewritten(before).config == before.config


def test_the_state_of_stateful_layers_is_taken_over_only_where_all_are() -> None:
    every = document(functional(lstm(stateful=True)), weights_of_lstm("lstm"))
    after = rewritten(every)
    assert rules(after) == ["state carried by the operator"]
    assert state_taken(every, after)
    assert state_faults(every) == []
    half = repair_faults.half_stateful()
    assert rules(rewritten(half)) == []
    assert "starts each call from zeros" in refusals(rewritten(half))[0]
    assert state_faults(half)
    assert not state_taken(half, half)


# Masks ------------------------------------------------------------------------------------------


def test_masks_are_taken_only_where_the_user_says_so() -> None:
    before = repair_faults.with_mask()
    assert "--no-masked-steps" in refusals(rewritten(before))[0]
    after = rewritten(before, unmasked=True)
    assert refusals(after) == []
    assert masks_taken(before, after)
    assert masked_steps(before, stimulus()) == []
    assert masked_steps(before, stimulus(masked=True)) == ["'mask' masks 8 of 48 steps"]


def test_zeros_of_an_embedding_are_masked_steps() -> None:
    embedding = layer(
        "Embedding", "embed", input_dim=5, output_dim=3, mask_zero=True, input_length=None
    )
    config = functional(embedding, lstm())
    config["layers"][0]["config"].update(batch_input_shape=[1, 4], dtype="int32")
    table = {"embed/0": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)}
    before = document(config, table, weights_of_lstm("lstm"))
    after = rewritten(before, unmasked=True)
    words = {"x": np.array([[[1, 2, 3, 4]], [[4, 3, 0, 0]]])}
    assert masked_steps(before, words) == ["'embed' masks 2 of 8 steps"]
    assert difference(NO_STORE, before, after, words).faults
    words["x"][1, 0, 2:] = 1
    assert masked_steps(before, words) == []
    assert not difference(NO_STORE, before, after, words).faults


# Not the same function ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (functional(lstm(activation="relu")), "needs training again"),
        (functional(lstm(recurrent_activation="hard_sigmoid")), "needs training again"),
        (functional(layer("RNN", "lstm", cell=cell(activation="relu"))), "needs training again"),
        (functional(layer("SimpleRNN", "lstm", units=UNITS)), "no fused operator computes it"),
    ],
)
def test_what_is_no_repair_is_refused_with_its_reason(config: dict[str, Any], why: str) -> None:
    after = rewritten(Document.of(config, weights_of_lstm("lstm")))
    assert why in refusals(after)[0]
