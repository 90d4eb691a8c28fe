"""List repairs of Keras models that change the function: the faulty twin of each rule.

The proof, the float64 value before against that after, must tell each from its healthy rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.assurance.certificate.fault import Fault
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
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.repair.model_proof import (
    difference,
    masked_steps,
    masks_taken,
    state_faults,
    state_taken,
)
from harness.repair.rules.document import Document
from harness.repair.rules.table import rewritten
from harness.support.cache import Store

_ZEROS = [[[0.0] * UNITS], [[0.0] * UNITS]]


@dataclass(frozen=True)
class Twin:
    """A rule's faulty twin: the model that it is applied to, and what it does after the rules.

    masked: the user says that no step is masked, and the samples have masked steps.
    """

    name: str
    rule: str
    made: Callable[[], Document]
    spoil: Callable[[Document], None]
    masked: bool = False


# Models ---------------------------------------------------------------------------------------


def without_bias() -> Document:
    config = functional(lstm(use_bias=False))
    return document(config, weights_of_lstm("lstm", bias=False))


def unrolled() -> Document:
    return document(functional(lstm(unroll=True, go_backwards=True)), weights_of_lstm("lstm"))


def dropping() -> Document:
    config = functional(lstm(recurrent_dropout=0.4, dropout=0.2))
    return document(config, weights_of_lstm("lstm"))


def of_cell(activation: str = "tanh") -> Document:
    config = functional(layer("RNN", "rnn", cell=cell(activation=activation)))
    return document(config, weights_of_lstm("rnn"))


def of_relu_cell() -> Document:
    return of_cell("relu")


def of_stack() -> Document:
    config = functional(layer("RNN", "rnn", cell=stack(cell(), cell()), go_backwards=True))
    return document(config, weights_of_lstm("rnn"), weights_of_lstm("rnn", 3, UNITS))


def reading_hidden_state() -> Document:
    first = lstm(return_sequences=True, return_state=True)
    pooled = layer("GlobalAveragePooling1D", "pool")
    joined = layer("Concatenate", "join", [["pool", 0, 0, {}], ["lstm", 0, 1, {}]], axis=-1)
    return document(functional(first, pooled, joined), weights_of_lstm("lstm"))


def starting_from_zeros() -> Document:
    reads = [["x", 0, 0, {"initial_state": _ZEROS}]]
    return document(functional(lstm(reads=reads, use_bias=True)), weights_of_lstm("lstm"))


def with_mask() -> Document:
    config = functional(layer("Masking", "mask", mask_value=0.0), lstm())
    return document(config, weights_of_lstm("lstm"))


def half_stateful() -> Document:
    config = functional(lstm(stateful=True, return_sequences=True), lstm("next"))
    return document(config, weights_of_lstm("lstm"), weights_of_lstm("next", 0, UNITS))


# Faults ---------------------------------------------------------------------------------------


def bias_of_ones(made: Document) -> None:
    made.weights["lstm/2"] = np.ones_like(made.weights["lstm/2"])


def forwards(made: Document) -> None:
    made.config["layers"][1]["config"]["go_backwards"] = False


def scaled_by_the_rate(made: Document) -> None:
    """As if the weights had to make up for what training dropped."""
    made.weights["lstm/1"] = made.weights["lstm/1"] * np.float32(0.6)


def gates_in_another_order(made: Document) -> None:
    for name, value in made.weights.items():
        i, f, c, o = np.split(value, 4, axis=-1)
        made.weights[name] = np.concatenate([i, f, o, c], axis=-1)


def activation_lost(made: Document) -> None:
    made.config["layers"][1]["config"]["activation"] = "tanh"


def recurrent_kernels_exchanged(made: Document) -> None:
    first, second = "rnn_cell_0/1", "rnn/1"
    made.weights[first], made.weights[second] = made.weights[second], made.weights[first]


def each_backwards(made: Document) -> None:
    """The second layer turns the steps again."""
    made.config["layers"][2]["config"]["go_backwards"] = True


def first_step(made: Document) -> None:
    """The hidden state is read from the first step, not the last."""
    (entry,) = (one for one in made.config["layers"] if one["class_name"] == "SlicingOpLambda")
    entry["inbound_nodes"][0][3]["slice_spec"][1] = 0


def ones_for_zeros(made: Document) -> None:
    made.config["layers"][1]["inbound_nodes"][0][0][3]["initial_state"] = [
        [[1.0] * UNITS],
        [[0.0] * UNITS],
    ]


def nothing(made: Document) -> None:
    """The rule itself is the fault, on samples that it is not for."""


def state_dropped(made: Document) -> None:
    made.config["layers"][1]["config"]["stateful"] = False


TWINS: tuple[Twin, ...] = (
    Twin("a bias of ones", "bias of zeros", without_bias, bias_of_ones),
    Twin("rolled forwards", "rolled", unrolled, forwards),
    Twin("weights scaled by the rate", "no dropout", dropping, scaled_by_the_rate),
    Twin("gates in another order", "LSTM of a cell", of_cell, gates_in_another_order),
    Twin("a cell of relu made one of tanh", "LSTM of a cell", of_relu_cell, activation_lost),
    Twin("recurrent kernels exchanged", "LSTMs of a stack", of_stack, recurrent_kernels_exchanged),
    Twin("every layer backwards", "LSTMs of a stack", of_stack, each_backwards),
    Twin("the first hidden state", "last output for state", reading_hidden_state, first_step),
    Twin("a state of ones", "no state of zeros", starting_from_zeros, ones_for_zeros),
    Twin("masked steps dropped", "no masked steps", with_mask, nothing, masked=True),
    Twin("one of two states dropped", "state carried", half_stateful, state_dropped),
)


def repair_faults() -> list[Fault]:
    return [Fault(twin.name, twin.rule, "repair", twin.rule, examined(twin)) for twin in TWINS]


def examined(twin: Twin, spoilt: bool = True) -> Callable[[InjectionBench], list[Reading]]:
    """What the proof says of a twin; spoilt False is the healthy rule on the same model."""

    def examine(bench: InjectionBench) -> list[Reading]:
        return readings(twin, bench.session.store, spoilt)

    return examine


def readings(twin: Twin, store: Store, spoilt: bool = True) -> list[Reading]:
    """What the steps of the proof before any conversion say."""
    before = twin.made()
    after = rewritten(before, unmasked=twin.masked)
    if spoilt:
        twin.spoil(after)
    found, samples = [], stimulus(twin.masked and spoilt)
    if masks_taken(before, after) and (masked := masked_steps(before, samples)):
        found.append(Reading("masked steps", None, masked[0]))
    if state_taken(before, after) and (faults := state_faults(before)):
        found.append(Reading("state taken over", None, faults[0]))
    apart = difference(store, before, after, samples)
    return [*found, Reading("float64 value of the repair", apart.used)]
