"""Say how a model's operators compare with their oracles, and which is the first that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.operators.single_operator import differing

Array = NDArray[Any]


@dataclass(frozen=True)
class HeldOperator:
    """One operator at its runtime's own inputs.

    tensor: the name of its output (the first that is wrong). values: numbers compared; mismatches:
    of them are not what the oracle says. largest: the largest difference, in steps of an integer
    type or in the output's unit. unjudged: why nothing was compared. message: the first mismatch.
    to_the_bit: whether all of it is due to the bit.
    """

    position: int
    name: str
    tensor: str
    values: int = 0
    mismatches: int = 0
    largest: float = 0.0
    unjudged: str = ""
    message: str = ""
    to_the_bit: bool = True

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class HeldModel:
    """A whole model on one runtime.

    problem: how the run ended where no tensor could be read. answer: the outputs of the untouched
    model against the oracles' from its inputs on; position -1. changed: exposing tensors changes
    the model's own outputs, by how much.
    """

    runtime: str
    operators: tuple[HeldOperator, ...] = ()
    answer: HeldOperator = HeldOperator(-1, "model", "")
    problem: str = ""
    changed: str = ""

    @property
    def values(self) -> int:
        return sum(one.values for one in (*self.operators, self.answer))

    @property
    def wrong(self) -> tuple[HeldOperator, ...]:
        """What is not as its oracle says, in the order of execution."""
        return tuple(one for one in (*self.operators, self.answer) if one.mismatches)

    @property
    def first(self) -> HeldOperator | None:
        return next(iter(self.wrong), None)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Operators that could not be held to anything and why, each reason once."""
        return tuple(dict.fromkeys(one.unjudged for one in self.operators if one.unjudged))

    @property
    def proven(self) -> bool:
        """Whether every operator was held to an oracle, and is what it says."""
        whole = not self.problem and not self.unjudged and bool(self.operators)
        return whole and not self.wrong and self.values > 0

    def document(self) -> dict[str, Any]:
        """As the report has it: all that is wrong or was not judged, and counts of the rest."""
        return {
            "runtime": self.runtime,
            "operators": len(self.operators),
            "values": self.values,
            "mismatches": sum(one.mismatches for one in self.wrong),
            "wrong": [one.document() for one in self.wrong],
            "first_divergence": None if self.first is None else self.first.document(),
            "without_oracle": list(self.unjudged),
            "answer_due_to_the_bit": self.answer.values > 0,
            "exposing_changes": self.changed,
            "problem": self.problem,
        }


def compared(
    place: tuple[int, str, str],
    names: Sequence[str],
    got: Sequence[Array],
    wanted: Sequence[Array],
    allowed: Sequence[Array | None],
) -> HeldOperator:
    """Hold an operator's outputs, [N, …] each, to its oracle's. place: position, name, tensor."""
    position, operator, tensor = place
    values = mismatches = 0
    largest, message = 0.0, ""
    for name, given, want, limit in zip(names, got, wanted, allowed, strict=True):
        want = np.broadcast_to(want, (len(given), *want.shape[1:]))
        if given.size != want.size:
            shapes = f"{list(given.shape[1:])}, expected {list(want.shape[1:])}"
            message = message or f"tensor {name!r} has the shape {shapes}"
            values, mismatches, tensor = values + want.size, mismatches + want.size, name
            continue
        values += want.size
        limit = None if limit is None else np.broadcast_to(limit, want.shape)
        given = given.reshape(want.shape)
        wrong = differing(given, want, limit)
        if not wrong.any():
            continue
        mismatches += int(wrong.sum())
        off = np.abs(given.astype(np.float64) - want.astype(np.float64))
        largest = max(largest, float(np.nan_to_num(off, nan=np.inf).max()))
        if not message:
            tensor = name
            message = _first(name, given, want, limit, wrong)
    due = all(limit is None for limit in allowed)
    return HeldOperator(position, operator, tensor, values, mismatches, largest, "", message, due)


def _first(name: str, given: Array, want: Array, limit: Array | None, wrong: Array) -> str:
    at = tuple(int(n) for n in np.argwhere(wrong)[0])
    rule = "to the bit" if limit is None else f"within {limit[at]:.3g}"
    return (
        f"tensor {name!r}: {int(wrong.sum())} of {wrong.size} values are not what its oracle says "
        f"({rule}); first in sample {at[0]} at {list(at[1:])}: {given[at]}, expected {want[at]}"
    )
