"""Read an LSTM's hidden state from its output, and let states of zeros be the usual ones.

The last hidden state is the output of the last step: of a layer that gives its last output it is
that output, of one that gives its sequence the sequence's last entry. The cell state is nowhere in
the output, so a model that reads it is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.repair.rules.document import Document, Json, graphs, name_of, of_keras

_EVERY = {"start": None, "stop": None, "step": None}
_HIDDEN, _CELL = 1, 2
_STARTING_FROM_ZEROS = ("LSTM", "RNN", "Bidirectional")


def last_output_for_state(document: Document) -> None:
    """A hidden state that is read → the last output; return_state is then left out."""
    for graph, prefix in graphs(document.config):
        if "input_layers" not in graph:
            continue  # nothing of a Sequential reads a state
        for entry in list(graph["layers"]):
            config = entry["config"]
            if not of_keras(entry, "LSTM") or not config.get("return_state"):
                continue
            read = _read(graph, name_of(entry))
            if _HIDDEN not in read or _CELL in read or config.get("time_major"):
                continue
            if config.get("return_sequences"):
                _from_sequence(graph, entry)
            else:
                _redirect(graph, name_of(entry), lambda ref: [ref[0], ref[1], 0])
            config["return_state"] = False
            meaning = "the final hidden state is read as the last output, which it is"
            document.tell("last output for state", prefix + name_of(entry), meaning)


def no_state_of_zeros(document: Document) -> None:
    """A constant initial_state of zeros → none: an LSTM starts from zeros."""
    for graph, prefix in graphs(document.config):
        for entry in graph["layers"]:
            if not any(of_keras(entry, kind) for kind in _STARTING_FROM_ZEROS):
                continue
            changed = False
            for call in entry.get("inbound_nodes", []):
                for reference in call:
                    keywords = reference[3] if len(reference) > 3 else {}
                    if _zeros(keywords.get("initial_state")):
                        del keywords["initial_state"]
                        changed = True
            if changed:
                meaning = "a constant initial_state of zeros becomes none, which is zeros"
                document.tell("no state of zeros", prefix + name_of(entry), meaning)


def _zeros(value: Any) -> bool:
    """Whether it is nested lists of numbers, all of them zero."""
    if isinstance(value, list):
        return bool(value) and all(_zeros(one) for one in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


def _from_sequence(graph: Json, entry: Json) -> None:
    name, names = name_of(entry), {name_of(one) for one in graph["layers"]}
    made: dict[int, str] = {}
    for call in range(len(entry["inbound_nodes"])):
        made[call] = f"{name}_last_{call}"
        while made[call] in names:
            made[call] += "_"
    _redirect(graph, name, lambda ref: [made[ref[1]], 0, 0])
    place = graph["layers"].index(entry) + 1
    for call, new in made.items():
        layer = {
            "module": "keras.src.layers.core.tf_op_layer",
            "class_name": "SlicingOpLambda",
            "config": {
                "name": new,
                "trainable": True,
                "dtype": entry["config"].get("dtype", "float32"),
                "function": "__operators__.getitem",
            },
            "registered_name": "SlicingOpLambda",
            "name": new,
            "inbound_nodes": [[name, call, 0, {"slice_spec": [dict(_EVERY), -1]}]],
        }
        graph["layers"].insert(place, layer)


def _read(graph: Json, name: str) -> set[int]:
    """The numbers of a layer's outputs that something reads."""
    found: set[int] = set()

    def note(reference: list[Any]) -> list[Any]:
        found.add(reference[2])
        return reference[:3]

    _each(graph, name, note)
    return found


def _redirect(graph: Json, name: str, to: Callable[[list[Any]], list[Any]]) -> None:
    """Let whatever reads a layer's hidden state read something else."""
    _each(graph, name, lambda ref: to(ref) if ref[2] == _HIDDEN else ref[:3])


def _each(graph: Json, name: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Give each reference to a layer's outputs, [layer, call, output, …], another head."""
    waiting: list[Any] = [graph["output_layers"]]
    waiting += [entry.get("inbound_nodes") for entry in graph["layers"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
            if len(value) in (3, 4) and value[0] == name and isinstance(value[2], int):
                value[:3] = change(value)
