"""Find which layers' values a runtime reached, in whatever tensor they are.

Only some operators can be matched to layers by their weights. Every layer has a value, though, and
where some tensor of the flatbuffer holds that value within the layer's budget, everything up to
that layer is right. A fault lies in the layers between those and the first tensor that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.budgets.monte_carlo import Budget

Array = NDArray[Any]
Document = Mapping[str, Any]
#: Share of a value's own spread below which a budget tells it from another value.
TELLING = 0.25


def first_outputs(document: Document) -> list[str]:
    """The name of each layer's first output, in the order of the nodes."""
    return [f"{node['name']}:0" for node in document["nodes"]]


def reached(
    document: Document,
    exact: Sequence[Array],
    allowed: Sequence[Budget],
    tensors: Sequence[Array],
) -> set[str]:
    """The layers whose first output some tensor holds.

    exact, allowed: of `first_outputs`, [N, batch, …] and its budget. tensors: real numbers [N, …].
    """
    found = set()
    for node, want, budget in zip(document["nodes"], exact, allowed, strict=True):
        spread = float(np.ptp(want)) if want.size else 0.0
        if budget.value < TELLING * spread and any(
            holds(want, budget, tensor) for tensor in tensors
        ):
            found.add(str(node["name"]))
    return found


def holds(want: Array, budget: Budget, tensor: Array) -> bool:
    """Whether a tensor is that value; axes of one element do not count."""
    if _plain(want) != _plain(tensor):
        return False
    with np.errstate(invalid="ignore"):
        error = np.abs(tensor.reshape(want.shape) - want)
        rms = float(np.sqrt(np.square(error).mean()))
    return bool(error.max() <= budget.value and rms <= budget.rms)


def _plain(array: Array) -> list[int]:
    return [size for size in array.shape if size != 1]


def suspects(document: Document, wrong: str, right: set[str]) -> list[str]:
    """The layers between what is right and the first layer that is wrong, in their order; empty
    where that layer itself is right in another tensor.

    right: layers whose values were found: everything that they are computed from is right too.
    """
    nodes = {node["name"]: node for node in document["nodes"]}
    if wrong not in nodes:
        return []
    behind = set(_upstream(nodes, [wrong]))
    proven = set(_upstream(nodes, [name for name in right if name in behind]))
    return [name for name in nodes if name in behind - proven]


def _upstream(nodes: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """Layers with all that they are computed from."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop().partition(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            yield name
            waiting += [*nodes[name]["inputs"], *nodes[name]["initial_state"]]
