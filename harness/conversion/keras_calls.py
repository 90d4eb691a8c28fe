"""Read the calls of a layer from the `inbound_nodes` of a Keras 2.15 configuration.

A tensor is [layer, call, output] there, with the keywords of the call behind it in a layer's
inputs; a constant is ["_CONSTANT_VALUE", -1, value]. Of an operation (TFOpLambda) the first
argument is such an entry or a list of them, and all others are keywords
(keras/engine/node.py 2.15, Node.serialize).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reference.network.hooks import UnsupportedLayer

#: Layer, number of the call, number of the output.
Reference = tuple[str, int, int]
_CONSTANT = "_CONSTANT_VALUE"
#: Keywords of a call that change nothing when they have these values.
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "training": (None, False),
    "mask": (None,),
    "initial_state": (None,),
    "constants": (None,),
    "attention_mask": (None,),
    "key": (None,),
    "return_attention_scores": (False,),
    "use_causal_mask": (False,),
}


@dataclass(frozen=True)
class Call:
    """One call of a layer: the tensors that it reads, and what else it is called with.

    first: of an operation, its first argument. keywords: those that decide something. In both
    {"input": k} stands for the k-th of `tensors`. constants: of a layer, inputs behind its
    tensors that are numbers.
    """

    layer: str
    index: int
    tensors: tuple[Reference, ...]
    first: Any = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    constants: tuple[Any, ...] = ()


def references(found: Any) -> list[Reference]:
    """The tensors of `input_layers` or `output_layers`: one, a list, or a dictionary of them.

    TensorFlow flattens a dictionary in the order of its keys.
    """
    if isinstance(found, Mapping):
        found = [found[key] for key in sorted(found)]
    if found and isinstance(found[0], str):  # one tensor alone is written without the list
        found = [found]
    return [_reference(entry) for entry in found]


def _reference(entry: Any) -> Reference:
    if not isinstance(entry, (list, tuple)) or len(entry) < 3 or not isinstance(entry[0], str):
        raise UnsupportedLayer(f"a nested structure of tensors: {entry!r}")
    return str(entry[0]), int(entry[1]), int(entry[2])


def calls_of(layer: Mapping[str, Any], name: str) -> list[Call]:
    """Every call of a layer, in order. Raises UnsupportedLayer for one in another form."""
    found = []
    for index, call in enumerate(layer["inbound_nodes"]):
        if isinstance(call, Mapping):
            raise UnsupportedLayer(f"layer {name!r}: calls of another Keras version")
        if layer["class_name"] in ("TFOpLambda", "SlicingOpLambda"):
            found.append(_of_operation(name, index, call))
        else:
            found.append(_of_layer(name, index, call))
    return found


def first_calls(config: Mapping[str, Any]) -> dict[str, int]:
    """For each layer of a Functional model the number that its first call goes by.

    A model among the layers counts the call that made it, unless it was built when it was called:
    the least number that anything refers to is its first (keras/engine/functional.py 2.15,
    `_should_skip_first_node`).
    """
    least: dict[str, int] = {}
    waiting: list[Any] = [config["output_layers"]]
    waiting += [layer.get("inbound_nodes") for layer in config["layers"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            if _is_reference(value):
                least[value[0]] = min(least.get(value[0], value[1]), value[1])
            waiting.extend(value)
    models = {layer["name"] for layer in config["layers"] if "layers" in layer["config"]}
    return {name: number for name, number in least.items() if name in models}


def _is_reference(value: Sequence[Any]) -> bool:
    return (
        len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(one, int) for one in value[1:3])
    )


def _of_operation(name: str, index: int, call: Sequence[Any]) -> Call:
    tensors: list[Reference] = []
    alone = bool(call) and isinstance(call[0], str)
    entries = [call] if alone else list(call)
    values: list[Any] = []
    keywords: Mapping[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, (list, tuple)) or not entry or not isinstance(entry[0], str):
            raise UnsupportedLayer(f"layer {name!r}: a nested structure of tensors")
        keywords = entry[3] if len(entry) > 3 else {}
        if entry[0] == _CONSTANT:
            values.append(entry[2])
        else:
            values.append(_placed(_reference(entry), tensors))
    filled = {key: _filled(value, tensors) for key, value in keywords.items()}
    return Call(name, index, tuple(tensors), values[0] if alone else values, filled)


def _of_layer(name: str, index: int, call: Sequence[Any]) -> Call:
    if call and isinstance(call[0], str):
        call = [call]
    tensors: list[Reference] = []
    constants: list[Any] = []
    keywords: dict[str, Any] = {}
    for entry in call:
        if not isinstance(entry, (list, tuple)) or not isinstance(entry[0], str):
            raise UnsupportedLayer(f"layer {name!r}: an argument that is not a tensor")
        keywords = dict(entry[3]) if len(entry) > 3 else {}
        if entry[0] == _CONSTANT:
            constants.append(entry[2])
        elif constants:
            raise UnsupportedLayer(f"layer {name!r}: a constant as an input before a tensor")
        else:
            tensors.append(_reference(entry))
    states = keywords.get("initial_state")
    if isinstance(states, list) and _is_numbers(states):
        constants += states
        del keywords["initial_state"]
    deciding = {k: v for k, v in keywords.items() if v not in _HARMLESS.get(k, ())}
    filled = {key: _filled(value, tensors) for key, value in deciding.items()}
    return Call(name, index, tuple(tensors), None, filled, tuple(constants))


def _is_numbers(value: Any) -> bool:
    """Whether it is a number or nested lists of them."""
    if isinstance(value, list):
        return all(_is_numbers(one) for one in value)
    return isinstance(value, (int, float))


def _filled(value: Any, tensors: list[Reference]) -> Any:
    """A keyword with {"input": k} where it names a tensor, which joins `tensors`."""
    if isinstance(value, (list, tuple)) and _is_reference(value):
        return _placed(_reference(value), tensors)
    if isinstance(value, (list, tuple)):
        return [_filled(one, tensors) for one in value]
    return value


def _placed(reference: Reference, tensors: list[Reference]) -> dict[str, int]:
    if reference not in tensors:
        tensors.append(reference)
    return {"input": tensors.index(reference)}
