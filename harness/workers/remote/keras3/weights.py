"""Give each layer of a rebuilt model its weights from a Keras 3 file.

A `.keras` file names a layer's group after its class, numbered in the order of the model's
layers (`layers/lstm_1`), whatever the layer is called; from Keras 3.2 on the group says the
layer's own name, too, which must then be this layer's. An `.h5` file names groups after the layers.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Set

from numpy.typing import NDArray

from harness.workers.remote.keras3.contents import Contents
from harness.workers.remote.keras3.layer_table import MODELS
from harness.workers.remote.keras3.layers_rewritten import Json, is_operation, name_of, refusal

Arrays = List[NDArray[Any]]
#: The weights of a Normalization that was fitted to data.
_STATISTICS = ("mean", "variance", "count")


def set_weights(model: Any, contents: Contents) -> None:
    """Set the weights of a model that was rebuilt from `contents.model`.

    Raises ValueError for weights that are missing, of another shape, or of no layer.
    """
    used: Set[str] = set()
    if contents.form == "h5":
        _from_legacy(model, contents, used)
    else:
        _from_archive(model, contents.model, "layers", contents, used)
    left = [
        name
        for name in contents.datasets
        if name not in used and not re.search(r"(^|/)seed_generator(_\d+)?/", name)
    ]
    if left:
        raise ValueError(
            f"the file has weights that no layer reads: {', '.join(sorted(left)[:3])}; they are "
            "of a layout that is not known"
        )


def _from_archive(
    model: Any, document: Json, path: str, contents: Contents, used: Set[str]
) -> None:
    """Weights of all layers of a model whose groups are below `path`."""
    groups = numbered([layer for layer in document["config"]["layers"] if not is_operation(layer)])
    for group, layer in groups.items():
        inner = f"{path}/{group}"
        called = contents.names.get(inner)
        if called is not None and called != name_of(layer):
            why = f"its weights are in {inner!r}, which says it is of {called!r}"
            raise refusal(layer, why, "the layout of this file is not known")
        if layer["class_name"] == "InputLayer":
            continue
        target = model.get_layer(name_of(layer))
        if layer["class_name"] in MODELS:
            _from_archive(target, layer, f"{inner}/layers", contents, used)
        else:
            _give(target, layer, _stored(layer, inner, contents, used))


def numbered(layers: List[Json]) -> Dict[str, Json]:
    """The group of each layer: its class in snake case, numbered where there are several."""
    counts: Dict[str, int] = {}
    found = {}
    for layer in layers:
        group = snake_case(layer["class_name"])
        count = counts.get(group, 0)
        counts[group] = count + 1
        found[f"{group}_{count}" if count else group] = layer
    return found


def snake_case(name: str) -> str:
    """`LSTMCell` as `lstm_cell`, as Keras's own names are made."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _stored(layer: Json, path: str, contents: Contents, used: Set[str]) -> Arrays:
    """A layer's weights in the order of Keras 2.15's `get_weights`."""
    kind, config = layer["class_name"], layer["config"]
    if kind == "Bidirectional":
        return [
            *_stored(config["layer"], f"{path}/forward_layer", contents, used),
            *_stored(config["layer"], f"{path}/backward_layer", contents, used),
        ]
    if kind == "TimeDistributed":
        return _stored(config["layer"], f"{path}/layer", contents, used)
    if kind == "RNN":
        return _stored(config["cell"], f"{path}/cell", contents, used)
    if kind == "StackedRNNCells":
        found: Arrays = []
        for group, cell in numbered(config["cells"]).items():
            found += _stored(cell, f"{path}/cells/{group}", contents, used)
        return found
    if kind == "MultiHeadAttention":
        return [
            value
            for part in ("query", "key", "value", "output")
            for value in _numbered_in(f"{path}/{part}_dense", contents, used)
        ]
    if kind in ("LSTM", "GRU", "SimpleRNN"):
        path = f"{path}/cell"
    return _numbered_in(path, contents, used)


def _numbered_in(path: str, contents: Contents, used: Set[str]) -> Arrays:
    """The variables of one group, in their order."""
    found: Arrays = []
    while f"{path}/vars/{len(found)}" in contents.datasets:
        used.add(f"{path}/vars/{len(found)}")
        found.append(contents.datasets[f"{path}/vars/{len(found)}"])
    return found


def _from_legacy(model: Any, contents: Contents, used: Set[str]) -> None:
    for layer in contents.model["config"]["layers"]:
        if is_operation(layer):
            continue
        name = name_of(layer)
        order = contents.order.get(name, [])
        values = []
        for weight in order:
            path = f"{name}/{weight}"
            if path not in contents.datasets:
                raise refusal(layer, f"no weights {weight!r}", "the file is damaged")
            if path in used:
                raise refusal(layer, f"two weights called {weight!r}", "save it as .keras")
            used.add(path)
            values.append(contents.datasets[path])
        if layer["class_name"] != "InputLayer":
            _give(model.get_layer(name), layer, values, legacy=True)


def _give(target: Any, layer: Json, values: Arrays, legacy: bool = False) -> None:
    """Set a layer's weights. legacy: all trainable ones come first, as in .h5 files."""
    variables = target.weights
    if legacy:
        variables = [*target.trainable_weights, *target.non_trainable_weights]
    expected = [tuple(variable.shape) for variable in variables]
    found = [tuple(value.shape) for value in values]
    if found != expected:
        why = f"weights {_shown(found)}, expected {_shown(expected)}"
        raise refusal(layer, why, "its weights are stored in a layout that is not known")
    if layer["class_name"] == "Normalization" and len(values) == len(_STATISTICS):
        # How much it was fitted to, which both versions count in types of their own.
        values = [*values[:2], values[2].astype(variables[2].dtype.as_numpy_dtype)]
    for variable, value in zip(variables, values):
        if value.dtype != variable.dtype.as_numpy_dtype:
            why = f"weights of type {value.dtype}, expected {variable.dtype.name}"
            raise refusal(layer, why, "save the model with float32 variables")
        variable.assign(value)
    if layer["class_name"] == "Normalization" and len(values) == len(_STATISTICS):
        target.finalize_state()


def _shown(shapes: List[Any]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes) or "none"
