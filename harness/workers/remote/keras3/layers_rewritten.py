"""Write one layer of Keras 3 as the layer of Keras 2.15 that computes the same.

Pure functions on JSON. Each refusal is a ValueError that names the layer and what would help.
"""

from __future__ import annotations

from typing import Any, Dict, List

from harness.workers.remote.keras3.layer_table import (
    ACTIVATIONS,
    LAYERS,
    MIXED,
    OF_TRAINING,
    OF_TRAINING_ENDINGS,
    OTHERWISE,
    RENAMED,
    WITHOUT_EFFECT,
)

Json = Dict[str, Any]

_INPUT_TYPES = ("float32", "int32", "int64", "uint8", "int8", "int16", "bool")


def refusal(layer: Json, why: str, cure: str) -> ValueError:
    """An error that names a layer of the file, what is wrong, and what would help."""
    return ValueError(f"layer {name_of(layer)!r} ({layer.get('class_name')}): {why} → {cure}")


def name_of(layer: Json) -> str:
    """The name of a serialised layer."""
    return str(layer.get("name") or layer["config"].get("name"))


def is_operation(layer: Json) -> bool:
    """Whether an entry of `layers` is a function of keras.ops and no layer.

    .h5 files name no modules: there a function has no option that every layer has.
    """
    module = layer.get("module")
    if module is None:
        own = set(layer["config"]) & {"trainable", "layers"}
        return not own and layer.get("class_name") != "InputLayer"
    return str(module).startswith("keras.src.ops")


def rewritten_layer(layer: Json, notes: List[str]) -> Json:
    """{"class_name", "config"} for Keras 2.15. notes: what a reader of the report should know."""
    kind = layer.get("class_name")
    own = str(layer.get("module", "keras.layers"))
    if own != "keras.layers" and not own.startswith("keras.src.layers."):
        cure = "use a layer of Keras's own, or convert it yourself and gate the file by --tflite"
        raise refusal(layer, f"of the module {own!r}, not of Keras's layers", cure)
    if layer.get("registered_name") not in (None, kind):
        cure = "use a layer of Keras's own, or convert it yourself and gate the file by --tflite"
        raise refusal(layer, f"a custom object, {layer['registered_name']!r}", cure)
    if kind == "InputLayer":
        return {"class_name": kind, "config": _input(layer)}
    if kind not in LAYERS:
        cure = "express it in layers of docs/keras3.md, or convert it yourself and use --tflite"
        raise refusal(layer, "no layer that is known to compute the same in Keras 2.15", cure)
    config: Json = {"name": name_of(layer), "trainable": layer["config"].get("trainable", True)}
    for option, value in layer["config"].items():
        _option(layer, option, value, config, notes)
    if kind == "Bidirectional":
        _one_direction(config)
    if kind == "MultiHeadAttention":  # built when it is called
        config.update({f"{part}_shape": None for part in ("query", "key", "value")})
    return {"class_name": kind, "config": config}


def _option(layer: Json, option: str, value: Any, config: Json, notes: List[str]) -> None:
    """Put one option into the configuration for Keras 2.15, or see that it may be left out."""
    kind = layer["class_name"]
    renamed = RENAMED.get((kind, option), option)
    if option in ("name", "trainable"):
        return
    if option == "dtype":
        policy = _policy(layer, value)
        config["dtype"] = "float32"
        if policy in MIXED:
            note = f"layer {name_of(layer)!r}: {policy} keeps float32 weights and computes in half"
            notes.append(f"{note} precision; it is rebuilt, and converted, in float32")
    elif renamed in LAYERS[kind]:
        config[renamed] = _value(layer, option, value, notes)
    elif option in OF_TRAINING or option.endswith(OF_TRAINING_ENDINGS):
        return
    elif option not in WITHOUT_EFFECT or value not in WITHOUT_EFFECT[option]:
        why = f"the option {option}={value!r} is not known to mean the same in Keras 2.15"
        raise refusal(layer, why, "save the model without it")


def _value(layer: Json, option: str, value: Any, notes: List[str]) -> Any:
    if option in ("activation", "recurrent_activation"):
        return _activation(layer, option, value)
    if option in ("layer", "backward_layer", "cell") and value is not None:
        return rewritten_layer(value, notes)
    if option == "cells":
        return [rewritten_layer(cell, notes) for cell in value]
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return list(value["items"])
    if isinstance(value, dict):
        why = f"the option {option} is an object, {value.get('class_name')!r}"
        raise refusal(layer, why, "save the model with a plain value")
    return value


def _activation(layer: Json, option: str, value: Any) -> Any:
    if isinstance(value, dict):
        named = value.get("config") if value.get("class_name") == "function" else None
        value = named if value.get("module") == "builtins" and isinstance(named, str) else value
    if value is None:
        return "linear"
    if not isinstance(value, str):
        value = f"{value.get('module')}.{value.get('config') or value.get('class_name')}"
    if value not in ACTIVATIONS:
        why = f"{option} {str(value)[:60]!r} "
        why += f"is {OTHERWISE[value]}" if value in OTHERWISE else "is not known in Keras 2.15"
        raise refusal(layer, why, f"known are {', '.join(sorted(ACTIVATIONS))}")
    return ACTIVATIONS[value]


def _policy(layer: Json, value: Any) -> str:
    """The name of a layer's dtype policy, which must be float32's or a mixed one."""
    name = value
    if isinstance(value, dict):
        plain = value.get("class_name") == "DTypePolicy"
        name = value["config"].get("name") if plain else value.get("class_name")
    if name not in ("float32", None, *MIXED):
        cure = "save the model that it was quantised from: a recipe of the harness quantises it"
        if "int8" not in str(name) and "float8" not in str(name) and "Quant" not in str(name):
            cure = "save the model with the policy float32"
        raise refusal(layer, f"the dtype policy {name}", cure)
    return str(name)


def _input(layer: Json) -> Json:
    config = layer["config"]
    dtype = config.get("dtype", "float32")
    for option in config:
        if option not in ("name", "dtype", "batch_shape", "sparse", "ragged", "optional"):
            raise refusal(layer, f"the option {option}", "save the model without it")
        if option in WITHOUT_EFFECT and config[option] not in WITHOUT_EFFECT[option]:
            raise refusal(layer, f"{option}={config[option]}", "save it with a dense input")
    if isinstance(dtype, dict):
        dtype = _policy(layer, dtype)
    if dtype not in _INPUT_TYPES:
        raise refusal(layer, f"inputs of type {dtype}", "save the model with float32 inputs")
    shape = config.get("batch_shape")
    if not isinstance(shape, (list, tuple)):
        raise refusal(layer, f"batch_shape={shape!r}", "save it with an input of one shape")
    return {
        "batch_input_shape": list(shape),
        "dtype": dtype,
        "sparse": False,
        "ragged": False,
        "name": config["name"],
    }


def _one_direction(config: Json) -> None:
    """Leave the backward layer out where it is the forward one reversed, as Keras 2.15 makes it."""
    forward, backward = config["layer"]["config"], (config.get("backward_layer") or {})
    mirrored = dict(backward.get("config", {}), name=forward["name"])
    mirrored["go_backwards"] = not mirrored.get("go_backwards", False)
    same_class = backward.get("class_name") == config["layer"]["class_name"]
    if not backward or (same_class and _plain(mirrored) == _plain(forward)):
        config.pop("backward_layer", None)
        forward["name"] = _without(forward["name"], "forward_")


def _plain(config: Json) -> Json:
    """Without the names of the cells, which both directions have of their own."""
    if "cell" not in config:
        return config
    cell = config["cell"]
    return {**config, "cell": {**cell, "config": dict(cell["config"], name="")}}


def _without(name: str, prefix: str) -> str:
    return name[len(prefix) :] if name.startswith(prefix) and name != prefix else name
