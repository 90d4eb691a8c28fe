"""Read one layer of a Keras 2.15 configuration: the options that decide its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reference.network.config import problems
from reference.network.hooks import UnsupportedLayer
from reference.network.layer_options import ABOUT_TENSORS, ACTIVATION_OPTIONS, HARMLESS, OPTIONS

#: Recurrent layers: inputs after the first are initial states.
RECURRENT = (
    *("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
)
#: Where Keras keeps layers of its own, and those of functional operations.
_MODULES = ("keras.layers", "keras.src.layers.")
#: Classes of descriptions that are no layers of Keras.
_OURS = ("Constant", "FoldTime", "UnfoldTime", "TFOpLambda")


def is_model(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is a model of its own whose layers are in its configuration."""
    return "layers" in layer["config"] and layer["class_name"] not in OPTIONS


def config_of(layer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options that decide the value; layers inside become {"class", "config"}.

    Raises UnsupportedLayer with everything of the layer that the oracle does not know.
    """
    kind, unknown = layer["class_name"], []
    registered = layer.get("registered_name")
    if registered not in (None, kind) or not _of_keras(layer):
        unknown.append(f"layer {name!r} ({registered or kind}) is a class of your own")
    elif kind not in OPTIONS or kind in _OURS:
        unknown.append(f"layer {name!r} ({kind}): no such layer in the oracle")
    if unknown:
        raise UnsupportedLayer(*unknown)
    found: dict[str, Any] = {}
    for key, value in layer["config"].items():
        if key == "dtype":
            unknown += _problems_of_dtype(layer, name, value)
        elif key not in OPTIONS[kind]:
            if key in ABOUT_TENSORS:
                found[key] = value
            elif key not in HARMLESS:
                unknown.append(f"layer {name!r} ({kind}): unknown option {key}={value!r}")
            if key in ("rate", "stddev"):  # Dropout cannot be built again without
                found[key] = value
        elif key in ACTIVATION_OPTIONS and _is_function(value):
            function = value["config"]
            unknown.append(f"layer {name!r} ({kind}): {key} is the function {function!r}")
        else:
            try:
                found[key] = _option(value, name)
            except UnsupportedLayer as error:
                unknown += error.problems
    unknown += problems(name, kind, found) if not unknown else []
    if unknown:
        raise UnsupportedLayer(*unknown)
    return found


def _of_keras(layer: Mapping[str, Any]) -> bool:
    return str(layer.get("module") or "keras.layers").startswith(_MODULES)


def _is_function(value: Any) -> bool:
    """Whether an activation is a function that is none of Keras's: `tf.sin`, or the user's own,
    which may have the name of one of Keras's."""
    return isinstance(value, Mapping) and value.get("class_name") == "function"


def _option(value: Any, name: str) -> Any:
    if isinstance(value, Mapping) and {"class_name", "config"} <= set(value):
        return {"class": value["class_name"], "config": config_of(value, name)}
    if isinstance(value, (list, tuple)):
        return [_option(one, name) for one in value]
    return value


def input_of(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an InputLayer, with its size of the batch."""
    config = layer["config"]
    if config.get("sparse") or config.get("ragged"):
        raise UnsupportedLayer(f"input {config['name']!r} is sparse or ragged")
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if shape is None:
        raise UnsupportedLayer(f"input {config['name']!r} has no shape")
    return shaped(config["name"], shape, config["dtype"])


def shaped(name: str, shape: Sequence[int | None], dtype: str) -> dict[str, Any]:
    return {"name": name, "shape": list(shape[1:]), "dtype": dtype, "batch": shape[0]}


def _problems_of_dtype(layer: Mapping[str, Any], name: str, dtype: Any) -> list[str]:
    """Of a type that is not float32: the oracle knows no mixed precision."""
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    if dtype in (None, "float32") or layer["class_name"] in ("TFOpLambda", "SlicingOpLambda"):
        return []
    return [f"layer {name!r} ({layer['class_name']}): dtype {dtype}"]
