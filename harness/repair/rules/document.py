"""Hold a Keras model as data: its configuration and its weights by name.

The configuration is what `model.get_config()` of Keras 2.15 gives, the weights are named
`layer/index`, those of a model inside of the model `model/layer/index`. Rules change a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]
Array = NDArray[Any]


@dataclass(frozen=True)
class Rewriting:
    """One layer that a rule wrote otherwise. meaning: what that is, for the user."""

    rule: str
    layer: str
    meaning: str

    def __str__(self) -> str:
        return f"layer {self.layer!r}: {self.rule}: {self.meaning}"


@dataclass
class Document:
    """A model as data, and what rules made of it so far."""

    config: Json
    weights: dict[str, Array]
    rewritings: list[Rewriting] = field(default_factory=list)

    @classmethod
    def of(cls, config: Mapping[str, Any], weights: Mapping[str, Array]) -> Document:
        """A copy that rules may change."""
        return cls(copy.deepcopy(dict(config)), {k: np.asarray(v) for k, v in weights.items()})

    def tell(self, rule: str, layer: str, meaning: str) -> None:
        self.rewritings.append(Rewriting(rule, layer, meaning))

    def weights_of(self, layer: str) -> list[Array]:
        """A layer's weights in Keras's order. layer: with the model that it is inside of."""
        found: list[Array] = []
        while f"{layer}/{len(found)}" in self.weights:
            found.append(self.weights[f"{layer}/{len(found)}"])
        return found

    def set_weights(self, layer: str, values: list[Array]) -> None:
        """Replace all of a layer's weights."""
        for index in range(len(self.weights_of(layer))):
            del self.weights[f"{layer}/{index}"]
        self.weights.update({f"{layer}/{index}": value for index, value in enumerate(values)})


def graphs(config: Json, prefix: str = "") -> Iterator[tuple[Json, str]]:
    """The configuration of the model and of each model inside of it, with what comes before the
    names of its layers."""
    yield config, prefix
    for entry in config["layers"]:
        if "layers" in entry["config"]:
            yield from graphs(entry["config"], f"{prefix}{name_of(entry)}/")


def layers(document: Document) -> Iterator[tuple[str, Json]]:
    """Every layer's name, with the model that it is inside of, and its entry."""
    for graph, prefix in graphs(document.config):
        for entry in graph["layers"]:
            yield prefix + name_of(entry), entry


def recurrent_entries(entry: Json) -> list[Json]:
    """The entry itself, or both directions' entries where a Bidirectional wraps them (one where
    the backward layer is made from the forward one)."""
    if entry["class_name"] != "Bidirectional":
        return [entry]
    config = entry["config"]
    return [config["layer"], *([config["backward_layer"]] if config.get("backward_layer") else [])]


def lstms(document: Document) -> Iterator[tuple[str, Json]]:
    """The name and the configuration of each LSTM; both directions of a Bidirectional have one
    name, and one configuration where only the forward layer is told."""
    for name, entry in layers(document):
        for inner in recurrent_entries(entry):
            if of_keras(inner, "LSTM"):
                yield name, inner["config"]


def of_keras(entry: Mapping[str, Any], kind: str) -> bool:
    """Whether it is that class of Keras's own, not another's of the same name."""
    own = str(entry.get("module") or "keras.layers").startswith(("keras.layers", "keras.src."))
    return entry["class_name"] == kind and own and entry.get("registered_name") in (None, kind)


def name_of(entry: Mapping[str, Any]) -> str:
    """A layer's name in its model."""
    return str(entry.get("name") or entry["config"]["name"])
