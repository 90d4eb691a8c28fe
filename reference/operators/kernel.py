"""Say what an operator's oracle is given and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.description import Tensor
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]


class NoOracle(Exception):
    """An operator, or a form of it, that has no oracle; the message names it in a few words."""


@dataclass(frozen=True, eq=False)
class Call:
    """One operator at work, as its oracle sees it.

    name, version, options: the operator's. inputs: their tensors, None where one is left out.
    values: what the inputs hold, in the same order and in their own dtypes, the batch in the shape
    of the graph. outputs: the tensors that the results go into. intermediates: tensors that only
    say how something inside is quantised.
    """

    name: str
    version: int
    options: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    values: tuple[Array | None, ...]
    outputs: tuple[Tensor, ...]
    intermediates: tuple[Tensor, ...] = ()

    def tensor(self, position: int) -> Tensor:
        """The tensor of an input that must be there. Raises NoOracle when it is not."""
        found = self.inputs[position] if position < len(self.inputs) else None
        if found is None:
            raise NoOracle(f"{self.name} without input {position}")
        return found

    def value(self, position: int) -> Array:
        """What an input that must be there holds. Raises NoOracle when it is not."""
        found = self.values[position] if position < len(self.values) else None
        if found is None:
            raise NoOracle(f"{self.name} without input {position}")
        return found

    @property
    def integer(self) -> bool:
        """Whether the first input is quantised."""
        return bool(self.tensor(0).scale) and np.dtype(self.tensor(0).dtype).kind in "iu"


@dataclass(frozen=True, eq=False)
class Answer:
    """What the outputs must hold.

    values: for each output its value: integers, booleans and moved floats in the output's dtype,
    and then equal to the bit; computed floats in float64. allowed: for each output None where it is
    due to the bit, or the largest error allowed of each value, at equal inputs. states: by the
    position of an input that is a variable, what the operator leaves in it.
    """

    values: tuple[Array, ...]
    allowed: tuple[Array | None, ...]
    states: Mapping[int, Array] = field(default_factory=dict)


def exact(*values: Array) -> Answer:
    """An answer that is due to the bit."""
    return Answer(values, (None,) * len(values))


def bounded(found: tuple[Array, Array]) -> Answer:
    """An answer of one computed float and its bound."""
    value, allowed = found
    return Answer((value,), (allowed,))


#: Raises NoOracle for what it does not know.
Kernel = Callable[[Call, OperatorProfile], Answer]
