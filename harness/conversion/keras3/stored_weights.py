"""Find each layer's weights among the arrays of a Keras 3 file, for the oracle.

A second reading, apart from `harness.workers.remote.keras3.weights`: where groups say what their
layer is called, it goes by that, and in .h5 files by what each weight is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.conversion.keras3.description import Config, Owner

Arrays = dict[str, NDArray[Any]]

_ROLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell"),
        ("kernel", "recurrent_kernel", "bias"),
    ),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "LayerNormalization": ("gamma", "beta"),
    "Embedding": ("embeddings",),
    "GroupNormalization": ("gamma", "beta"),
    "Normalization": ("mean", "variance", "count"),
    "AdditiveAttention": ("scale",),
    "Attention": ("scale", "concat_score_weight"),
    **dict.fromkeys(
        ("SeparableConv1D", "SeparableConv2D"), ("depthwise_kernel", "pointwise_kernel", "bias")
    ),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), ("kernel", "bias")),
}
#: The projections of several heads: in .keras files, and in .h5 files.
_HEADS: Mapping[str, str] = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
}


def by_node(
    model: Config,
    owners: Sequence[Owner],
    datasets: Mapping[str, NDArray[Any]],
    names: Mapping[str, str],
    order: Mapping[str, Sequence[str]],
) -> Arrays:
    """Weights by `node/index`, as `reference.network.evaluate` takes them.

    model: the configuration. datasets: of the file, by path. names: what groups of a .keras file
    say their layer is called. order: the weights of each group of an .h5 file, in order; empty
    for a .keras file. Raises ValueError where weights cannot be told apart.
    """
    found: Arrays = {}
    for owner in owners:
        if order:
            values = _of_legacy(owner, datasets, order)
        else:
            values = _of_archive(_group(model, owner, names), owner, datasets)
        for node in owner.nodes:
            found |= {f"{node}/{index}": value for index, value in enumerate(values)}
    return found


def _group(model: Config, owner: Owner, names: Mapping[str, str]) -> str:
    """The path of a layer's group in a .keras file."""
    path = ""
    for name in (*owner.models, _name(owner.layer)):
        siblings = model["config"]["layers"]
        path = f"{path}layers/"
        named = [
            group
            for group, called in names.items()
            if called == name and group.startswith(path) and "/" not in group[len(path) :]
        ]
        position = next(k for k, layer in enumerate(siblings) if _name(layer) == name)
        model = siblings[position]
        if not named:
            named = [path + _numbered(siblings, position)]
        if len(named) != 1:
            raise ValueError(f"{len(named)} groups of weights are called {name!r}")
        path = f"{named[0]}/"
    return path


def _numbered(siblings: Sequence[Config], position: int) -> str:
    """The name of a group without a name of its own: the class, and how many came before."""
    kinds = [
        layer["class_name"]
        for layer in siblings[:position]
        if not str(layer.get("module", "")).startswith("keras.src.ops.")
    ]
    before = Counter(kinds)[siblings[position]["class_name"]]
    snake = _snake(siblings[position]["class_name"])
    return f"{snake}_{before}" if before else snake


def _snake(kind: str) -> str:
    """A class as Keras names its layers: an underscore before each word."""
    found = ""
    for index, letter in enumerate(kind):
        after = kind[index + 1 : index + 2]
        starts = letter.isupper() and index > 0
        if starts and (kind[index - 1].islower() or (after.islower() and after.isalpha())):
            found += "_"
        found += letter.lower()
    return found


def _of_archive(
    group: str, owner: Owner, datasets: Mapping[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    inside = [path for path in datasets if path.startswith(group) and "seed_generator" not in path]
    return [datasets[path] for path in sorted(inside, key=lambda path: _place(path, owner))]


def _place(path: str, owner: Owner) -> tuple[int, int, int]:
    """Forward before backward, cell after cell, variable after variable."""
    parts = path.split("/")
    cell = 0
    if "cells" in parts:
        cells = owner.layer["config"]["cell"]["config"]["cells"]
        wanted = parts[parts.index("cells") + 1]
        cell = [_numbered(cells, position) for position in range(len(cells))].index(wanted)
    heads = [place for place, name in enumerate(_HEADS) if name in parts]
    return int("backward_layer" in parts), heads[0] if heads else cell, int(parts[-1])


def _of_legacy(
    owner: Owner, datasets: Mapping[str, NDArray[Any]], order: Mapping[str, Sequence[str]]
) -> list[NDArray[Any]]:
    group = (*owner.models, _name(owner.layer))[0]
    listed = list(order.get(group, ()))
    within = [*owner.models[1:], _name(owner.layer)] if owner.models else []
    for name in within:
        listed = _narrowed(listed, name)
    return [datasets[f"{group}/{name}"] for name in _chosen(owner.layer, listed, owner.path)]


def _narrowed(listed: list[str], name: str) -> list[str]:
    """Those whose path has a layer's name in it; all of them where no path has it."""
    return [one for one in listed if name in one.split("/")[:-1]] or listed


def _chosen(layer: Config, listed: list[str], path: str) -> list[str]:
    kind, config = layer["class_name"], layer["config"]
    if not listed:
        return []
    if kind == "Bidirectional":
        parts = (config["layer"], config["backward_layer"])
        return [name for part in parts for name in _inside(part, listed, path)]
    if kind in ("TimeDistributed", "RNN"):
        return _inside(config["layer" if kind == "TimeDistributed" else "cell"], listed, path)
    if kind == "MultiHeadAttention":
        return [name for part in _HEADS for name in _of_head(part, listed)]
    if kind == "StackedRNNCells":
        return [name for cell in config["cells"] for name in _inside(cell, listed, path)]
    found = []
    for role in _ROLES.get(kind, ("kernel", "bias")):
        named = [one for one in listed if one.split("/")[-1].split(":")[0] == role]
        if len(named) > 1:
            raise ValueError(f"layer {path!r}: {len(named)} weights are called {role!r}")
        found += named
    return found


def _of_head(part: str, listed: list[str]) -> list[str]:
    """Kernel and bias of one of the projections, by what their paths end in."""
    ends = [f"{_HEADS[part]}/{role}" for role in ("kernel", "bias")]
    return [name for end in ends for name in listed if f"/{name.split(':')[0]}".endswith(f"/{end}")]


def _inside(layer: Config, listed: list[str], path: str) -> list[str]:
    return _chosen(layer, _narrowed(listed, _name(layer)), path)


def _name(layer: Config) -> str:
    return str(layer["config"].get("name") or layer.get("name"))


def unread(datasets: Mapping[str, NDArray[Any]], found: Arrays) -> list[str]:
    """The arrays of the file that no layer of the oracle's got, but for those of random seeds."""
    got = {id(value) for value in found.values()}
    return [
        path
        for path, value in datasets.items()
        if id(value) not in got and "seed_generator" not in path and np.size(value)
    ]
