"""Let arithmetic of lower precision into the evaluation of a network.

`reference.network` computes in float64 and passes every intermediate result through one method
of a `Hooks` object. The base class returns each value as it is, which makes the evaluation
exact; `reference.budgets.monte_carlo` returns perturbed ones, many trials at a time.

Arrays carry a leading axis of trials, of size 1 where nothing has been perturbed yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Lazy = Callable[[], Array]
#: filters: the kernel of a convolution, which converters give one scale for each filter (the last
#: axis); scale: a factor that something is multiplied by element by element.
WeightKind = Literal["kernel", "filters", "recurrent", "bias", "embedding", "scale"]


class UnsupportedLayer(Exception):
    """What of a model the float64 oracle does not know: layers, options, operations, types.

    problems: each of them once, a sentence without its full stop; the message is all of them.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(self.problems))


class Hooks:
    """Exact arithmetic: every hook gives back what it is given.

    Names are paths: `layer`, `layer/forward`, `layer/input`… One name is one tensor, so a scheme
    can keep one scale for each; in a recurrent layer it is the same at every time step.
    """

    trials: int = 1

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        """A weight of any shape as [trials or 1, *shape].

        tensors: into how many equal parts along the last axis the converter cuts it (4 for a
        fused LSTM: one tensor for each gate).
        """
        return value[np.newaxis]

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        """An activation tensor between layers. fixed_range: the range an integer scheme has to
        use whatever it has seen (softmax: 0 to 1)."""
        return value

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        """An activation as it enters the product with the weight of that name; its last `axes`
        axes are one row."""
        return value

    def total(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        """A sum of `terms` products. magnitude: the sum of their absolute values, for the first
        trial only ([1, …]), computed when called."""
        return value

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        """The same for a sum inside a recurrent cell, before its activation function."""
        return value

    def function(self, name: str, function: str, value: Array) -> Array:
        """What an activation function returned outside a recurrent cell."""
        return value

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        """What an activation function returned inside a recurrent cell."""
        return value

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        """A new cell state f c + i g. magnitude: |f c| + |i g|."""
        return value

    def hidden(self, name: str, value: Array) -> Array:
        """A new hidden state."""
        return value


def matmul(x: Array, weight: Array) -> Array:
    """x [.., trials or 1, rows.., n] times weight [trials or 1, n, units] over the last axis.

    The trials are x's axis 0. Returns [trials or 1, rows.., units].
    """
    n, units = weight.shape[1:]
    if len(weight) == 1:
        return np.asarray((x.reshape(-1, n) @ weight[0]).reshape(*x.shape[:-1], units))
    product = x.reshape(len(x), -1, n) @ weight
    return np.asarray(product.reshape(len(weight), *x.shape[1:-1], units))


def align(weight: Array, ndim: int) -> Array:
    """weight [trials or 1, units] with axes of size 1 put in, to be added to an ndim array."""
    return weight.reshape(len(weight), *(1,) * (ndim - 2), weight.shape[-1])


def magnitude_of(x: Array, weight: Array, *added: Array, absolute: Array | None = None) -> Lazy:
    """The sum of absolute values behind x times weight plus the added arrays, of trial 0.

    absolute: |weight[:1]|, where it is at hand: a recurrent kernel is asked for at every step.
    """

    def compute() -> Array:
        total = matmul(np.abs(x[:1]), np.abs(weight[:1]) if absolute is None else absolute)
        for array in added:
            total = total + np.abs(array[:1])
        return total

    return compute
