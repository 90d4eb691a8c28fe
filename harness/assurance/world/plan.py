"""Define a plan: the genes that one model of the world is made from, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fixtures.recipes import RECIPES

SHAPES = ("chain", "residual", "two-inputs", "two-outputs", "seq2seq", "autoencoder")
FRONTS = (
    *("none", "dense", "conv1d", "conv1d-pool", "conv2d", "embedding", "embedding-mask"),
    *("masking", "batchnorm", "layernorm", "noise"),
)
LAYERS = (
    *("LSTM", "LSTM-dropout", "LSTM-backwards", "Bidirectional", "Bidirectional-sum"),
    *("GRU", "SimpleRNN", "RNN", "LSTM-no-bias", "LSTM-unrolled"),
)
JOINTS = ("last", "flatten", "average", "maximum", "attention", "states", "sequence")
HEADS = ("none", "linear", "softmax", "sigmoid", "mlp", "normalised", "unfolded")
WEIGHTS = ("initial", "trained", "seeded", "large", "small", "sparse")
DATA = ("drawn", "normal", "unit", "unnormalised", "one-hot", "bytes", "heavy-tails", "smooth")
CALIBRATIONS = ("same", "few", "other")
ENTRIES = ("--model", "--tflite", "both")


@dataclass(frozen=True)
class Plan:
    """One model, its data, its conversion and how it is gated.

    shape: of the graph. front: what stands before the recurrent layers. layer: which they are,
    depth of them. joint: what of them goes on. head: what answers. outputs: of the head.
    data: what --inputs holds, `drawn` for none (the harness draws). calibration: samples of the
    same kind, too few, or of another spread. entry: how the gate gets it. fault: what was broken
    on purpose, empty for a healthy one.
    """

    shape: str = "chain"
    front: str = "none"
    layer: str = "LSTM"
    depth: int = 1
    joint: str = "last"
    head: str = "linear"
    units: int = 4
    features: int = 3
    steps: int = 5
    outputs: int = 1
    weights: str = "initial"
    data: str = "drawn"
    calibration: str = "same"
    recipe: str = "float32"
    entry: str = "--model"
    fault: str = ""
    seed: int = 0

    def document(self) -> dict[str, Any]:
        """Only what differs from the plainest plan: what a person has to read of it."""
        plain = Plan()
        return {k: v for k, v in asdict(self).items() if v != getattr(plain, k) or k == "recipe"}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.document().items())

    @property
    def tokens(self) -> bool:
        return self.front.startswith("embedding")

    @property
    def quantisation(self) -> str:
        return RECIPES[self.recipe].quantization


def from_document(document: Mapping[str, Any]) -> Plan:
    """The plan of a document. Raises ValueError for a gene that there is none of."""
    known = {field.name for field in fields(Plan)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"a plan has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return Plan(**document)
