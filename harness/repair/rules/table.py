"""List the rules in the order in which they apply, and say why nothing else is repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.conversion.recurrent_layers import Recurrent, recurrent_layers
from harness.repair.rules.cells import lstm_of_cell, lstms_of_stack
from harness.repair.rules.document import Document
from harness.repair.rules.masks import no_masked_steps
from harness.repair.rules.options import bias_of_zeros, carried_by_the_operator, no_dropout, rolled
from harness.repair.rules.states import last_output_for_state, no_state_of_zeros
from harness.structure.fusion import failed_conditions

Rule = Callable[[Document], None]

#: States and layers of cells first: the other rules then find LSTM layers.
RULES: tuple[Rule, ...] = (
    *(no_state_of_zeros, lstm_of_cell, lstms_of_stack),
    *(no_dropout, rolled, bias_of_zeros, last_output_for_state, carried_by_the_operator),
)
#: Why a condition that is left after the rules is no repair, by the beginning of its argument.
_REASONS: Mapping[str, str] = {
    "activation": "another activation is another function, and needs training again",
    "recurrent_activation": "another activation is another function, and needs training again",
    "stateful": (
        "another recurrent layer of the model starts each call from zeros, and a runtime would "
        "carry its state on too: make all of them stateful, or none"
    ),
    "the mask": "the same only where no step is masked: say so with --no-masked-steps and --inputs",
    "return_state": (
        "the fused operator gives no cell state, and only one direction's hidden state is its "
        "last output: keep the state outside of the model"
    ),
    "RNN": "the cells are not Keras's own LSTMCell, or states or constants are given to them",
}


def rewritten(document: Document, unmasked: bool = False) -> Document:
    """The document after all rules. unmasked: the user says that no step is masked."""
    made = Document.of(document.config, document.weights)
    if unmasked and any(layer.masked for layer in recurrent_layers(made.config)):
        no_masked_steps(made)
    for rule in RULES:
        rule(made)
    return made


def unfused(document: Document) -> list[Recurrent]:
    """The recurrent layers that do not meet the conditions of fusing, or start from a constant of
    zeros, which the converter may merge with weights."""
    return [
        layer
        for layer in recurrent_layers(document.config)
        if failed_conditions(layer) or layer.initial_state == "zeros"
    ]


def refusals(document: Document) -> list[str]:
    """What still prevents fusing, with why it is not repaired."""
    found = []
    for layer in recurrent_layers(document.config):
        for condition in failed_conditions(layer):
            said = "no fused operator computes it"
            for start, reason in _REASONS.items():
                if condition.argument.startswith(start):
                    said = reason
            found.append(f"{layer}: {condition.argument}: {said}")
    return list(dict.fromkeys(found))
