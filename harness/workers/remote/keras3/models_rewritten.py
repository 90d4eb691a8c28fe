"""Write a model of Keras 3 as the model of Keras 2.15 that computes the same.

Functional and Sequential models, and those inside of them. The result is what
`tf.keras.Model.from_config` and `tf.keras.Sequential.from_config` take. Pure functions on JSON.
"""

from __future__ import annotations

from typing import Any, List, Tuple

from harness.workers.remote.keras3.calls import Calls, Reference
from harness.workers.remote.keras3.layer_table import MODELS
from harness.workers.remote.keras3.layers_rewritten import (
    Json,
    is_operation,
    name_of,
    refusal,
    rewritten_layer,
)
from harness.workers.remote.keras3.tensor_functions import rewritten_operation

#: The modules of the classes Functional and Sequential, by version; .h5 files have none.
_MODULES = (
    None,
    "keras",
    "keras.models",
    "keras.src.models.functional",
    "keras.src.models.sequential",
)


def rewritten_model(model: Json) -> Tuple[Json, List[str]]:
    """{"class_name", "config"} for Keras 2.15, and notes for the reader of the report.

    Raises ValueError for what is not known to compute the same; it names the layer.
    """
    notes: List[str] = []
    try:
        return _model(model, notes), notes
    except RecursionError as error:
        raise ValueError("layers and functions that read each other, or too many") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"a Keras 3 configuration of another form than Keras writes: {error!r}"
        ) from error


def _model(model: Json, notes: List[str]) -> Json:
    kind = model.get("class_name")
    plain = model.get("registered_name") in (None, kind) and model.get("module") in _MODULES
    if kind not in MODELS or not plain:
        cure = "save a Functional or Sequential model that does the same"
        raise refusal(model, "a model class of the file's own, whose code is not in it", cure)
    config = model["config"]
    if kind == "Sequential":
        return {"class_name": kind, "config": _sequential(model, notes)}
    ends = {side: _ends(config[f"{side}_layers"]) for side in ("input", "output")}
    calls = Calls(config["layers"], ends["output"])
    layers = []
    for layer in config["layers"]:
        if not is_operation(layer):
            layers.append(_called(layer, calls, notes))
    layers += [_operated(operation, calls) for operation in calls.operations]
    return {
        "class_name": kind,
        "config": {
            "name": config["name"],
            "trainable": config.get("trainable", True),
            "layers": layers,
            **{
                f"{side}_layers": [calls.in_keras_2(calls.source(one)) for one in found]
                for side, found in ends.items()
            },
        },
    }


def _sequential(model: Json, notes: List[str]) -> Json:
    layers = model["config"]["layers"]
    if not layers or layers[0]["class_name"] != "InputLayer":
        raise refusal(model, "never built, so without an input's shape", "build it before you save")
    return {
        "name": model["config"]["name"],
        "layers": [_inner(layer, notes) for layer in layers],
    }


def _inner(layer: Json, notes: List[str]) -> Json:
    if layer["class_name"] in MODELS:
        return _model(layer, notes)
    return rewritten_layer(layer, notes)


def _called(layer: Json, calls: Calls, notes: List[str]) -> Json:
    found = _inner(layer, notes)
    name = name_of(layer)
    return {**found, "name": name, "inbound_nodes": [call.node for call in calls.of(name)]}


def _operated(operation: Json, calls: Calls) -> Json:
    found = rewritten_operation(operation)
    name = name_of(operation)
    return {**found, "name": name, "inbound_nodes": [call.node for call in calls.of(name)]}


def _ends(entries: Any) -> List[Reference]:
    """The model's inputs or outputs, each [layer, call, output]."""
    if isinstance(entries, dict):
        raise ValueError(
            "the model's inputs or outputs are a dictionary; save it with lists of tensors"
        )
    if entries and isinstance(entries[0], str):
        entries = [entries]
    for entry in entries:
        if not isinstance(entry, (list, tuple)) or not isinstance(entry[0], str):
            raise ValueError(
                "the model's inputs or outputs are lists inside of lists; save it with flat ones"
            )
    return [(entry[0], int(entry[1]), int(entry[2])) for entry in entries]
