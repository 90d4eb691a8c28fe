"""Count the samples that a conversion decides otherwise than its model, without any labels.

A classifier's answer is a decision: the class of the largest score, or whether the one score of a
sigmoid passes a half. An error within its budget may turn a decision, and one beyond it may turn
none, so their number stands beside every comparison of a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: How an output decides: by its largest score, or at a half.
Decider = Literal["argmax", "threshold"]
#: Layers that leave a decision as it is.
_PASSING = ("Activation", "Dropout", "Flatten", "Reshape", "Softmax")


@dataclass(frozen=True)
class Decisions:
    """changed: decisions other than the model's, out of `of`. rule: how they are made."""

    changed: int
    of: int
    rule: str

    @property
    def share(self) -> float:
        return self.changed / self.of if self.of else 0.0

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share}

    def __str__(self) -> str:
        return f"{self.changed} of {self.of} decisions change ({self.share:.1%}, {self.rule})"


def deciders(document: Mapping[str, Any]) -> list[Decider | None]:
    """How each output of a described model decides; None for one that is no classifier's."""
    nodes = {node["name"]: node for node in document["nodes"]}
    return [_decider(nodes, name.removesuffix(":0")) for name in document["outputs"]]


def _decider(nodes: Mapping[str, Any], name: str) -> Decider | None:
    while name in nodes:
        node = nodes[name]
        config = node["config"]
        config = config["layer"]["config"] if "layer" in config else config
        function = "softmax" if node["class"] == "Softmax" else config.get("activation", "linear")
        if node["class"] not in (*_PASSING, "Dense", "TimeDistributed"):
            return None
        if function == "softmax":
            return "argmax"
        if function == "sigmoid":
            return "threshold"
        if function != "linear" or node["class"] not in _PASSING or not node["inputs"]:
            return None
        name = node["inputs"][0].removesuffix(":0")
    return None


def decisions(
    expected: Sequence[Array], actual: Sequence[Array], how: Sequence[Decider | None]
) -> Decisions | None:
    """The decisions that change, over all outputs that decide; None where none does.

    expected, actual: real outputs [N, batch, …, classes], of equal shapes.
    """
    changed = count = 0
    rules = []
    for want, got, rule in zip(expected, actual, how, strict=False):
        if rule is None or want.shape != got.shape or not want.size:
            continue
        classes = want.shape[-1]
        if (rule == "argmax") is not (classes > 1):
            continue  # several independent scores, or a softmax of one
        one, other = made(want, rule), made(got, rule)
        changed += int(np.count_nonzero(one != other))
        count += one.size
        rules.append("largest score" if rule == "argmax" else "score above 0.5")
    return Decisions(changed, count, " and ".join(dict.fromkeys(rules))) if count else None


def made(scores: Array, rule: Decider) -> Array:
    """The decisions of scores [N, …, classes]: [N, …]."""
    if rule == "threshold":
        return np.asarray(scores[..., 0] > 0.5)
    return np.asarray(scores.argmax(axis=-1))
