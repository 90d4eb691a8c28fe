"""Compute Keras 2.15's layers that merge tensors in float64 (keras/layers/merging).

Arrays as in reference.network.layers: [trials, samples, batch, …].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from reference.network.hooks import Array, UnsupportedLayer
from reference.network.layers import LEAD, Function, Layer, Run, Tensor
from reference.network.normalization import l2_normalised
from reference.network.steps import added, contracted, multiplied


def concatenate(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Joined along an axis counted without trials and samples; masks are combined by and."""
    ndim, trials = inputs[0].value.ndim, max(len(x.value) for x in inputs)
    axis = layer.options["axis"]
    axis = axis + LEAD if axis >= 0 else axis + ndim
    values = [np.broadcast_to(x.value, (trials, *x.value.shape[1:])) for x in inputs]
    if axis != ndim - 1 and any(x.mask is not None for x in inputs):
        raise UnsupportedLayer(f"layer {layer.name!r}: masks joined along axis {axis - LEAD}")
    result = run.hooks.tensor(layer.name, np.concatenate(values, axis))
    return [Tensor(result, _mask(inputs))]


def add(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The sum of the inputs."""
    return [Tensor(added(run.hooks, layer.name, *_values(layer, inputs)), _mask(inputs))]


def subtract(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The first of two inputs less the second."""
    first, second = _two(layer, inputs)
    return [Tensor(added(run.hooks, layer.name, first, -second), _mask(inputs))]


def average(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The sum of the inputs, divided by their number."""
    total = added(run.hooks, f"{layer.name}/sum", *_values(layer, inputs))
    return [Tensor(run.hooks.tensor(layer.name, total / len(inputs)), _mask(inputs))]


def multiply(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The product of the inputs, one after the other, each product a tensor of its own."""
    result, *rest = _values(layer, inputs)
    for index, factor in enumerate(rest):
        name = layer.name if index == len(rest) - 1 else f"{layer.name}/{index}"
        result = multiplied(run.hooks, name, result, factor)
    return [Tensor(result, _mask(inputs))]


def extreme(
    choose: Callable[[Array, Array], Array], run: Run, layer: Layer, inputs: list[Tensor]
) -> list[Tensor]:
    """The greatest or the least of the inputs."""
    result, *rest = _values(layer, inputs)
    for value in rest:
        result = choose(result, value)
    return [Tensor(run.hooks.tensor(layer.name, result), _mask(inputs))]


def dot(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The sum of products along one axis of each input, for each element of the batch.

    What is left of the second input's axes follows those of the first; axes count the batch as 0.
    """
    first, second = _two(layer, inputs, ranks=False)
    chosen = layer.options["axes"]
    both = list(chosen) if isinstance(chosen, (list, tuple)) else [chosen, chosen]
    values = []
    for value, axis, part in ((first, both[0], "first"), (second, both[1], "second")):
        own = axis + LEAD if axis >= 0 else axis + value.ndim
        if not LEAD < own < value.ndim:
            raise UnsupportedLayer(f"layer {layer.name!r} (Dot): axes={chosen!r}")
        if layer.options["normalize"]:
            value = l2_normalised(run.hooks, f"{layer.name}/{part}", value, (own,))
        values.append(np.moveaxis(value, own, -1))
    first, second = values
    left = (*first.shape[LEAD + 1 : -1], *second.shape[LEAD + 1 : -1])
    rows = first.reshape(*first.shape[: LEAD + 1], -1, first.shape[-1])
    columns = second.reshape(*second.shape[: LEAD + 1], -1, second.shape[-1])
    result = contracted(run.hooks, layer.name, rows, np.swapaxes(columns, -1, -2))
    return [Tensor(result.reshape(*result.shape[: LEAD + 1], *(left or (1,))))]


def _two(layer: Layer, inputs: list[Tensor], ranks: bool = True) -> tuple[Array, Array]:
    if len(inputs) != 2:
        raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): {len(inputs)} inputs")
    first, second = _values(layer, inputs) if ranks else [x.value for x in inputs]
    return first, second


def _values(layer: Layer, inputs: list[Tensor]) -> list[Array]:
    """The inputs, which may be broadcast along axes of size 1 but not to another rank."""
    if len({x.value.ndim for x in inputs}) != 1:
        raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): inputs of several ranks")
    return [x.value for x in inputs]


def _mask(inputs: list[Tensor]) -> Array | None:
    """Masks are combined by and."""
    masks = [x.mask for x in inputs if x.mask is not None]
    return np.logical_and.reduce(np.broadcast_arrays(*masks)) if masks else None


MERGING: dict[str, Function] = {
    "Add": add,
    "Average": average,
    "Concatenate": concatenate,
    "Dot": dot,
    "Maximum": partial(extreme, np.maximum),
    "Minimum": partial(extreme, np.minimum),
    "Multiply": multiply,
    "Subtract": subtract,
}
