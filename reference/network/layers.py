"""Compute Keras 2.15's layers without recurrence in float64.

Every array has three leading axes: trials, samples, and then Keras's own shape, batch first.
Formulas: keras/layers 2.15, in the folder of each layer's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from reference.network.activations import activated
from reference.network.config import is_layer, wrapped
from reference.network.hooks import Array, Hooks, UnsupportedLayer, align, magnitude_of, matmul

#: Axes before Keras's own: trials and samples.
LEAD = 2


class Tensor(NamedTuple):
    """value: [trials, samples, batch, …]. mask: bool [trials, samples, batch, time] or None."""

    value: Array
    mask: Array | None = None


@dataclass
class Layer:
    """One layer of the network: options with defaults, weights in get_weights() order."""

    name: str
    kind: str
    options: Mapping[str, Any]
    weights: Sequence[Array]
    #: Whether something reads the states that it returns.
    states_read: bool = False
    #: The options of this call, defaults filled in.
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """What all layers of one evaluation share.

    cell_clip: limit of the cell state in LSTMs that the converter fuses, 0 for none.
    carried: recurrent states by layer, kept from one run to the next; None to start from zero.
    """

    hooks: Hooks
    cell_clip: float = 0.0
    carried: dict[str, list[Array]] | None = field(default=None)


Function = Callable[[Run, Layer, list[Tensor]], list[Tensor]]


def expect_weights(layer: Layer, *shapes: tuple[int, ...]) -> list[Array]:
    """The layer's weights. Raises ValueError unless number and shapes are these."""
    found = [tuple(weight.shape) for weight in layer.weights]
    if found != list(shapes):
        raise ValueError(f"layer {layer.name!r}: weights {found}, expected {list(shapes)}")
    return list(layer.weights)


def one(layer: Layer, inputs: list[Tensor]) -> Tensor:
    """The only input of a layer that has one."""
    if len(inputs) != 1:
        raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): {len(inputs)} inputs")
    return inputs[0]


def finished(run: Run, layer: Layer, value: Array) -> Array:
    """The layer's activation, a function or a layer that stands for one, and its output tensor."""
    chosen = layer.options["activation"]
    if not is_layer(chosen):
        return activated(run.hooks, layer.name, chosen, value)
    kind, options = wrapped(layer.name, chosen)
    value = run.hooks.tensor(f"{layer.name}/logits", value)
    (result,) = FUNCTIONS[kind](run, Layer(layer.name, kind, options, []), [Tensor(value)])
    return result.value


def axes_of(layer: Layer, axis: Any, ndim: int) -> list[int]:
    """Axes as Keras counts them, the batch being 0, as axes of an array with `ndim` of them."""
    found = []
    for one_axis in axis if isinstance(axis, (list, tuple)) else [axis]:
        own = one_axis + LEAD if one_axis >= 0 else one_axis + ndim
        if not LEAD < own < ndim:
            raise UnsupportedLayer(f"layer {layer.name!r} ({layer.kind}): axis={axis!r}")
        found.append(own)
    return sorted(found)


def product(
    run: Run, name: str, x: Array, kernel: Array, bias: Array | None, row_axes: int = 1
) -> Array:
    """x [.., n] times kernel [n, units] plus bias [units]; see Hooks.operand for row_axes."""
    w = run.hooks.weight(f"{name}/kernel", "kernel", kernel)
    x = run.hooks.operand(f"{name}/kernel", x, row_axes)
    result = matmul(x, w)
    added: tuple[Array, ...] = ()
    if bias is not None:
        added = (align(run.hooks.weight(f"{name}/bias", "bias", bias), result.ndim),)
        result = result + added[0]
    terms = len(kernel) + len(added)
    return run.hooks.total(f"{name}/total", result, terms, magnitude_of(x, w, *added))


def dense(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """activation(x kernel + bias) over the last axis."""
    x, options = one(layer, inputs), layer.options
    units = options["units"]
    shapes = [(x.value.shape[-1], units)] + [(units,)] * bool(options["use_bias"])
    kernel, *bias = expect_weights(layer, *shapes)
    result = product(run, layer.name, x.value, kernel, bias[0] if bias else None)
    return [Tensor(finished(run, layer, result), x.mask)]


def embedding(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Rows of a table by token; with mask_zero, token 0 is masked."""
    tokens = one(layer, inputs).value
    rows, columns = layer.options["input_dim"], layer.options["output_dim"]
    (table,) = expect_weights(layer, (rows, columns))
    indices = tokens[0].astype(np.int64)  # trials share the tokens
    if indices.size and not 0 <= indices.min() <= indices.max() < rows:
        raise ValueError(f"layer {layer.name!r}: a token lies outside of 0 to {rows - 1}")
    result = run.hooks.weight(f"{layer.name}/table", "embedding", table)[:, indices]
    return [Tensor(result, (indices != 0)[np.newaxis] if layer.options["mask_zero"] else None)]


def masking(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Masks the steps whose features all equal mask_value, and sets them to zero."""
    x = one(layer, inputs).value
    mask = np.any(x != layer.options["mask_value"], axis=-1)
    return [Tensor(x * mask[..., np.newaxis], mask)]


def activation(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs)
    return [Tensor(finished(run, layer, x.value), x.mask)]


def dropout(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Inactive outside of training, as other layers are that give what they get."""
    return [one(layer, inputs)]


def flatten(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs).value
    return [Tensor(x.reshape(*x.shape[: LEAD + 1], -1))]


def reshape(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    x = one(layer, inputs).value
    return [Tensor(x.reshape(*x.shape[: LEAD + 1], *layer.options["target_shape"]))]


def permute(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """dims counts Keras's axes after the batch from 1."""
    x = one(layer, inputs).value
    return [Tensor(x.transpose(*range(LEAD + 1), *(LEAD + d for d in layer.options["dims"])))]


def time_distributed(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """A layer applied to each time step: time is folded into the batch and out again."""
    x = one(layer, inputs)
    kind, options = wrapped(layer.name, layer.options["layer"])
    if kind not in FUNCTIONS or kind == "TimeDistributed":
        raise UnsupportedLayer(f"layer {layer.name!r}: TimeDistributed({kind})")
    inner = Layer(layer.name, kind, options, layer.weights)
    result, *more = FUNCTIONS[kind](run, inner, [Tensor(folded(x.value))])
    if more:
        raise UnsupportedLayer(f"layer {layer.name!r}: TimeDistributed({kind}) of several outputs")
    return [Tensor(unfolded(result.value, x.value), x.mask)]


def folded(x: Array) -> Array:
    """[trials, samples, batch, time, …] with time as part of the batch."""
    return x.reshape(*x.shape[:LEAD], -1, *x.shape[LEAD + 2 :])


def unfolded(value: Array, x: Array) -> Array:
    """What was computed from folded(x), with an axis of time again."""
    return value.reshape(len(value), *x.shape[1 : LEAD + 2], *value.shape[LEAD + 1 :])


def fold_time(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Where a model that TimeDistributed wraps begins."""
    x = one(layer, inputs)
    if x.mask is not None:
        raise UnsupportedLayer(f"layer {layer.name!r}: a mask into a model for each time step")
    return [Tensor(folded(x.value))]


def unfold_time(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Where it ends: what the model gives, and what went into FoldTime."""
    value, x = inputs
    return [Tensor(unfolded(value.value, x.value))]


def constant(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """A value in Keras's own shape, which may be 1 where the batch is not."""
    return [Tensor(np.asarray(layer.options["value"], np.float64)[np.newaxis, np.newaxis])]


#: Every layer by its class. `reference.network` puts those of its other modules in.
FUNCTIONS: dict[str, Function] = {
    "Activation": activation,
    "Constant": constant,
    "Dense": dense,
    **dict.fromkeys(
        (
            *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
            *("GaussianNoise", "GaussianDropout", "AlphaDropout"),
            *("ActivityRegularization", "Identity"),
        ),
        dropout,
    ),
    "Embedding": embedding,
    "Flatten": flatten,
    "FoldTime": fold_time,
    "Masking": masking,
    "Permute": permute,
    "Reshape": reshape,
    "TimeDistributed": time_distributed,
    "UnfoldTime": unfold_time,
}
