"""Set the options of LSTM layers that prevent fusing and change nothing of an inference."""

from __future__ import annotations

import numpy as np

from harness.conversion.recurrent_layers import recurrent_layers
from harness.repair.rules.document import Document, layers, lstms, of_keras, recurrent_entries

_GATES = 4


def bias_of_zeros(document: Document) -> None:
    """use_bias=False → a bias of zeros: W x + R h + 0."""
    for name, entry in layers(document):
        inner = recurrent_entries(entry)
        if not all(of_keras(one, "LSTM") for one in inner):
            continue
        if entry["class_name"] == "Bidirectional" and len(inner) == 1:
            inner = inner * 2  # the backward layer is made from the forward one
        lacking = [one["config"].get("use_bias") is False for one in inner]
        if not any(lacking):
            continue
        left, made = document.weights_of(name), []
        for one, lacks in zip(inner, lacking, strict=True):
            count = 2 if lacks else 3
            own, left = left[:count], left[count:]
            if lacks:
                own.append(np.zeros(_GATES * one["config"]["units"], own[0].dtype))
            made += own
        for one in inner:
            one["config"]["use_bias"] = True
        document.set_weights(name, made)
        document.tell("bias of zeros", name, "use_bias=False becomes a bias of zeros")


def rolled(document: Document) -> None:
    """unroll=True → the same steps as a loop, which is what fuses."""
    for name, config in lstms(document):
        if config.get("unroll"):
            config["unroll"] = False
            document.tell("rolled", name, "unroll=True becomes the same steps, not written out")


def no_dropout(document: Document) -> None:
    """recurrent_dropout (and dropout beside it) → none: an inference drops nothing."""
    for name, config in lstms(document):
        if config.get("recurrent_dropout"):
            config["recurrent_dropout"] = config["dropout"] = 0.0
            meaning = "inference drops nothing; to train on, keep the original"
            document.tell("no dropout", name, meaning)


def carried_by_the_operator(document: Document) -> None:
    """stateful=True → the fused operator's own state, which goes on from invoke to invoke.

    The same function on a runtime, not in Keras, where each call then starts from zeros: whoever
    applies it proves on the runtimes that the state is carried and reset. A runtime carries the
    state of every fused layer, so nothing is rewritten where some layer of the model is not
    stateful: its state would go on too.
    """
    if not all(layer.config.get("stateful") for layer in recurrent_layers(document.config)):
        return
    for name, config in lstms(document):
        if config.get("stateful"):
            config["stateful"] = False
            meaning = (
                "stateful=True becomes the fused operator's own state: it goes on from invoke to "
                "invoke until reset_all_variables() (TFLite Micro: Reset()); call that where you "
                "called reset_states(). In Keras the new file starts each call from zeros"
            )
            document.tell("state carried by the operator", name, meaning)
