"""Hold a source model so that one thing about it can be changed and its answer asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import Affine, dequantise, quantise
from reference.network import Hooks, run
from reference.network.layers import Run

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Document = Mapping[str, Any]


class Stored(Hooks):
    """Exact arithmetic on tensors that are stored as a file's integers.

    affines: scale and zero point, by the name of the input or layer whose output they are of.
    """

    def __init__(self, affines: Mapping[str, Affine]) -> None:
        self.affines = affines

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        affine = self.affines.get(name)
        return value if affine is None else dequantise(quantise(value, affine), affine)

    def hidden(self, name: str, value: Array) -> Array:
        """A recurrent layer's output is its hidden state."""
        return self.tensor(name.removesuffix("/hidden"), value)


@dataclass(frozen=True, eq=False)
class Source:
    """A model with its samples: what the float64 oracle is given.

    document: the model's description. weights: Keras's, by `layer/index`. stimulus: [N, batch, …]
    by input name. cell_clip: of the LSTMs that the converter fuses. carries: whether a sample
    starts in the state that the one before left.
    """

    document: Document
    weights: Arrays
    stimulus: Arrays
    cell_clip: float = 0.0
    carries: bool = False
    #: What becomes of each tensor.
    hooks: Hooks = field(default_factory=Hooks)
    #: What becomes of the answers, [N, batch, …] each.
    after: Callable[[list[Array]], list[Array]] = field(default=lambda answers: answers)

    def answers(self) -> list[Array]:
        """Every output in order, float64 [N, batch, …]. Raises what `evaluate` raises."""
        if not self.carries:
            how = Run(self.hooks, self.cell_clip)
            return self.after(
                [value[0] for value in run(self.document, self.weights, self.stimulus, how)]
            )
        carried: dict[str, list[Array]] = {}
        parts = []
        for k in range(len(next(iter(self.stimulus.values())))):
            sample = {name: array[k : k + 1] for name, array in self.stimulus.items()}
            how = Run(self.hooks, self.cell_clip, carried)
            parts.append([value[0] for value in run(self.document, self.weights, sample, how)])
        return self.after([np.concatenate(each) for each in zip(*parts, strict=True)])

    def first(self, count: int) -> Source:
        """The same with its first samples only: for a state that is carried they are enough."""
        return replace(
            self, stimulus={name: array[:count] for name, array in self.stimulus.items()}
        )

    def with_input(self, name: str, values: Array) -> Source:
        return replace(self, stimulus={**self.stimulus, name: values})

    def with_weight(self, key: str, values: Array) -> Source:
        return replace(self, weights={**self.weights, key: values})

    def with_node(self, name: str, **changes: Any) -> Source:
        """Another node in the place of one: its inputs, initial state or whole configuration."""
        nodes = [
            {**node, **changes} if node["name"] == name else node for node in self.document["nodes"]
        ]
        return replace(self, document={**self.document, "nodes": nodes})

    def with_options(self, name: str, **options: Any) -> Source:
        """Other options of a layer, or of the one that it wraps."""
        node = next(node for node in self.document["nodes"] if node["name"] == name)
        config = dict(node["config"])
        if isinstance(config.get("layer"), Mapping) and not set(options) <= set(config):
            inner = config["layer"]
            config["layer"] = {**inner, "config": {**inner["config"], **options}}
        else:
            config |= options
        return self.with_node(name, config=config)

    def without(self, name: str) -> Source:
        """The model without a layer: what reads it reads what it read."""
        node = next(node for node in self.document["nodes"] if node["name"] == name)
        (before,) = node["inputs"]
        names = {name: before, f"{name}:0": before}
        nodes = [
            {**other, "inputs": [names.get(k, k) for k in other["inputs"]]}
            for other in self.document["nodes"]
            if other["name"] != name
        ]
        outputs = [names.get(k, k) for k in self.document["outputs"]]
        weights = {k: v for k, v in self.weights.items() if k.rpartition("/")[0] != name}
        document = {**self.document, "nodes": nodes, "outputs": outputs}
        return replace(self, document=document, weights=weights)


@dataclass(frozen=True)
class Weight:
    """One of a layer's arrays: its key `layer/index`, and what it is."""

    key: str
    layer: str
    title: str


_TITLES = {
    "LSTM": ("kernel", "recurrent kernel", "bias"),
    "GRU": ("kernel", "recurrent kernel", "bias"),
    "SimpleRNN": ("kernel", "recurrent kernel", "bias"),
    "ConvLSTM1D": ("kernel", "recurrent kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "Conv1D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "Embedding": ("embeddings",),
}
_NORMALISING = {
    "BatchNormalization": ("moving mean", "moving variance"),
    "LayerNormalization": (),
}


def described_weights(document: Document, weights: Arrays) -> list[Weight]:
    """Every array of the model's layers, with its name in words."""
    found = []
    for node in document["nodes"]:
        name, kind, config = node["name"], node["class"], node["config"]
        count = 0
        while f"{name}/{count}" in weights:
            count += 1
        inner = config.get("layer") or {}
        titles = _titles(inner.get("class", kind), inner.get("config", config))
        if kind == "Bidirectional":
            titles = [f"forward {t}" for t in titles] + [f"backward {t}" for t in titles]
        for k in range(count):
            title = titles[k] if len(titles) == count else f"weight {k}"
            found.append(Weight(f"{name}/{k}", name, title))
    return found


def _titles(kind: str, config: Mapping[str, Any]) -> list[str]:
    if kind in _NORMALISING:
        own = ["gamma"] * bool(config.get("scale", True)) + ["beta"] * bool(
            config.get("center", True)
        )
        return [*own, *_NORMALISING[kind]]
    titles: Sequence[str] = _TITLES.get(kind, ())
    return [t for t in titles if t != "bias" or config.get("use_bias", True)]
