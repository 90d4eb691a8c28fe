"""Write RNN layers of LSTM cells as the LSTM layers that compute the same.

LSTM is RNN(LSTMCell) with the cell's options in its own configuration, and has the same weights in
the same order (keras/layers/rnn/lstm.py 2.15). A stack of cells is one LSTM after the other: in
each step a cell reads the output of the one before of the same step.
"""

from __future__ import annotations

import copy
from typing import Any

from harness.repair.rules.document import (
    Document,
    Json,
    graphs,
    layers,
    name_of,
    of_keras,
    recurrent_entries,
)

_OF_LAYER = (
    *("name", "trainable", "dtype", "return_sequences", "return_state", "go_backwards"),
    *("stateful", "unroll", "time_major", "zero_output_for_mask", "batch_input_shape"),
)
_OF_CELL = (
    *("units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias"),
    *(f"{part}_initializer" for part in ("kernel", "recurrent", "bias")),
    *(f"{part}_regularizer" for part in ("kernel", "recurrent", "bias")),
    *(f"{part}_constraint" for part in ("kernel", "recurrent", "bias")),
    *("dropout", "recurrent_dropout", "implementation"),
)
_WEIGHTS = {True: 3, False: 2}


def lstm_of_cell(document: Document) -> None:
    """RNN(LSTMCell) → LSTM with the same weights."""
    for name, entry in layers(document):
        changed = False
        for inner in recurrent_entries(entry):
            cell = inner["config"].get("cell")
            if of_keras(inner, "RNN") and _is_lstm_cell(cell) and _plain(inner["config"]):
                _become_lstm(inner, cell)
                changed = True
        if changed:
            document.tell("LSTM of a cell", name, "RNN(LSTMCell) becomes LSTM, weights as they are")


def lstms_of_stack(document: Document) -> None:
    """RNN([LSTMCell, …]) → one LSTM layer for each cell; only the last has the layer's name."""
    for graph, prefix in graphs(document.config):
        names = {name_of(entry) for entry in graph["layers"]}
        made: list[Json] = []
        for entry in graph["layers"]:
            cells = _stack(entry, graph)
            if not cells:
                made.append(entry)
                continue
            found = _layers_of(entry, cells, names)
            names |= {name_of(one) for one in found}
            _share_weights(document, prefix, name_of(entry), found)
            made += found
            meaning = f"{len(cells)} stacked cells become {len(cells)} LSTM layers"
            document.tell("LSTMs of a stack", prefix + name_of(entry), meaning)
        graph["layers"] = made


def _is_lstm_cell(cell: Any) -> bool:
    return isinstance(cell, dict) and of_keras(cell, "LSTMCell")


def _plain(config: Json) -> bool:
    """Without constants, which an LSTM does not take."""
    return not config.get("num_constants")


def _become_lstm(entry: Json, cell: Json) -> None:
    config = {key: entry["config"][key] for key in _OF_LAYER if key in entry["config"]}
    config.update({key: cell["config"][key] for key in _OF_CELL if key in cell["config"]})
    entry.update(class_name="LSTM", module="keras.layers", registered_name=None, config=config)


def _stack(entry: Json, graph: Json) -> list[Json]:
    """The LSTM cells that a layer stacks; none where it is no such layer, or something reads its
    states or gives it some."""
    config = entry["config"]
    if not of_keras(entry, "RNN") or not _plain(config):
        return []
    cell = config.get("cell")
    cells = cell if isinstance(cell, list) else (cell or {}).get("config", {}).get("cells")
    if isinstance(cell, dict) and not of_keras(cell, "StackedRNNCells"):
        return []
    if not cells or not all(_is_lstm_cell(one) for one in cells):
        return []
    calls = entry.get("inbound_nodes", [])
    alone = all(len(call) == 1 and not _deciding(call[0]) for call in calls)
    return list(cells) if alone and not _states_read(graph, name_of(entry)) else []


def _deciding(reference: Any) -> bool:
    keywords = reference[3] if len(reference) > 3 else {}
    return any(value is not None and value is not False for value in keywords.values())


def _states_read(graph: Json, name: str) -> bool:
    waiting: list[Any] = [graph.get("output_layers")]
    waiting += [entry.get("inbound_nodes") for entry in graph["layers"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            if len(value) > 2 and value[0] == name and value[2] not in (0, None):
                return True
            waiting.extend(value)
    return False


def _layers_of(entry: Json, cells: list[Json], names: set[str]) -> list[Json]:
    """An LSTM for each cell, each reading the one before."""
    name, last = name_of(entry), len(cells) - 1
    found: list[Json] = []
    for index, cell in enumerate(cells):
        one = copy.deepcopy(entry)
        config = one["config"]
        config["return_state"] = False
        if index:
            one.pop("build_config", None)  # another input than the stack's
            config.pop("batch_input_shape", None)
            config["go_backwards"] = False  # the first has turned the steps already
        if index < last:
            config["return_sequences"] = True
        _become_lstm(one, cell)
        own = name if index == last else _free(f"{name}_cell_{index}", names)
        one["config"]["name"] = own
        if "name" in entry:
            one["name"] = own
        if index and "inbound_nodes" in entry:
            before = name_of(found[-1])
            one["inbound_nodes"] = [
                [[before, call, 0, {}]] for call in range(len(entry["inbound_nodes"]))
            ]
        found.append(one)
    return found


def _free(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    return name


def _share_weights(document: Document, prefix: str, name: str, found: list[Json]) -> None:
    left = document.weights_of(prefix + name)
    document.set_weights(prefix + name, [])
    for one in found:
        count = _WEIGHTS[one["config"].get("use_bias", True)]
        document.set_weights(prefix + name_of(one), left[:count])
        left = left[count:]
