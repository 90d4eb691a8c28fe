"""Read the options of a Keras 2.15 layer: each known one, its default filled in.

Nothing is ignored in silence: an option that is in none of the tables of
`reference.network.layer_options`, or has a value that is not implemented, raises
`UnsupportedLayer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference.network.hooks import UnsupportedLayer
from reference.network.layer_options import (
    ABOUT_TENSORS,
    ACTIVATION_OPTIONS,
    CALL_OPTIONS,
    HARMLESS,
    NUMBERS,
    ONLY,
    OPTIONS,
)


def problems(name: str, layer: str, config: Mapping[str, Any]) -> list[str]:
    """What of a layer the oracle does not know, each in words; empty when it knows it all.

    name, layer: for the words, and its class. config: options by name, as Keras saves them, or
    as a description has them.
    """
    what = f"layer {name!r} ({layer})"
    known = OPTIONS.get(layer)
    if known is None:
        return [f"{what}: no such layer in the oracle"]
    found = []
    for key, value in config.items():
        if key not in known and key not in HARMLESS and key not in ABOUT_TENSORS:
            found.append(f"{what}: unknown option {key}={value!r}")
            continue
        allowed = None if (layer, key) in NUMBERS else ONLY.get(key)
        if key in ACTIVATION_OPTIONS and is_layer(value):
            inner = value["class"]
            if inner not in ACTIVATION_LAYERS:
                found.append(f"{what}: the activation {inner} is not implemented")
            else:
                found += problems(name, inner, value["config"])
        elif allowed is not None and not _among(value, allowed):
            found.append(f"{what}: {key}={value!r} is not implemented")
    missing = [k for k, v in known.items() if v is None and k not in config]
    return found + [f"{what}: option {key} is missing" for key in missing]


def options(name: str, layer: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """All deciding options of a layer, defaults filled in.

    Raises UnsupportedLayer for an unknown class, option or value, and for a missing option.
    """
    if found := problems(name, layer, config):
        raise UnsupportedLayer(*found)
    known = OPTIONS[layer]
    return {**known, **{key: value for key, value in config.items() if key in known}}


def call_options(name: str, layer: str, call: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a layer's call that decide its value, defaults filled in."""
    known = CALL_OPTIONS.get(layer, {})
    if unknown := [key for key in call if key not in known]:
        raise UnsupportedLayer(
            *(f"layer {name!r} ({layer}): called with {key}={call[key]!r}" for key in unknown)
        )
    return {**known, **call}


#: Layers that may stand for an activation function: `Dense(4, activation=LeakyReLU())`.
ACTIVATION_LAYERS = ("ELU", "LeakyReLU", "ReLU", "Softmax", "ThresholdedReLU")


def is_layer(value: Any) -> bool:
    """Whether an option is the description of a layer."""
    return isinstance(value, Mapping) and {"class", "config"} <= set(value)


def _among(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(value is one or (type(value) is type(one) and value == one) for one in allowed)


def wrapped(name: str, document: Any) -> tuple[str, dict[str, Any]]:
    """Class and options of a layer inside a wrapper, from its {"class", "config"} document."""
    if not is_layer(document):
        raise UnsupportedLayer(f"layer {name!r}: a wrapped layer must be a description")
    return document["class"], options(name, document["class"], document["config"])


def single(name: str, option: str, value: Any) -> int:
    """An integer option that Keras also takes as a list of one."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int):
        raise UnsupportedLayer(f"layer {name!r}: {option}={value!r} is not one integer")
    return values[0]


def several(name: str, option: str, value: Any, count: int) -> tuple[int, ...]:
    """An option of one integer for each of `count` axes, or of one integer for all."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * count
    if len(values) != count or not all(type(one) is int for one in values):
        wanted = "one integer" if count == 1 else f"{count} integers"
        raise UnsupportedLayer(f"layer {name!r}: {option}={value!r} is not {wanted}")
    return values


def pairs(name: str, option: str, value: Any, count: int) -> list[tuple[int, int]]:
    """An option of what comes before and behind each of `count` axes.

    Keras takes one integer for all, one for each axis, or two for each (for one axis: a pair).
    """
    if count == 1:
        value = [several(name, option, value, 2)]
    elif isinstance(value, int):
        value = [(value, value)] * count
    entries = list(value)
    if len(entries) != count:
        raise UnsupportedLayer(f"layer {name!r}: {option}={value!r} is not of {count} axes")
    found = [several(name, option, entry, 2) for entry in entries]
    return [(first, last) for first, last in found]
