"""Describe what building, running and converting gave: each end is a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Phase, StepResult
from harness.flatbuffer.structure import Structure
from harness.workers.answers import Failure

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Built:
    """A Keras model as its worker describes it: interface and weights by `layer/index`.

    config: Keras's own configuration of a user's model, None for the catalogue. reading: of a
    Keras 3 file that was rebuilt, the version that wrote it (`keras`) and what a reader of the
    report should know of it (`notes`).
    """

    result: StepResult
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    weights: Arrays = field(default_factory=dict)
    config: dict[str, Any] | None = None
    seconds: float = 0.0
    reading: dict[str, Any] | None = None

    @property
    def notes(self) -> list[str]:
        """How the model was read from its file, for the report; empty where Keras loaded it."""
        if self.reading is None or not self.result.agreed:
            return []
        version = self.reading["keras"]
        how = f"written by Keras {version}, rebuilt in Keras 2, and proven to compute the same"
        return list(dict.fromkeys([*([how] if version else []), *self.reading["notes"]]))

    @property
    def weight_bytes(self) -> int:
        return sum(array.nbytes for array in self.weights.values())


@dataclass(frozen=True)
class KerasRun:
    """The outputs of the Keras function a recipe converts, each [N, batch, …]."""

    result: StepResult
    outputs: tuple[NDArray[Any], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Conversion:
    """A converted flatbuffer with its structure, or how far it came."""

    result: StepResult
    data: NDArray[np.uint8] | None = None
    structure: Structure | None = None
    #: The signature name of each of Keras's outputs, in Keras's order.
    output_names: tuple[str, ...] = ()
    #: What decided which output is which, in a file that somebody else converted; empty where
    #: nothing did.
    matched_by: str = ""
    seconds: float = 0.0
    stored: bool = False


def failed(phase: Phase, failure: Failure) -> StepResult:
    return StepResult(
        phase, failure.outcome, failure.message, failure.native, repeatable=failure.repeatable
    )
