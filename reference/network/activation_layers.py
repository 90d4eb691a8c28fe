"""Compute Keras 2.15's layers that are activation functions in float64.

Arrays as in reference.network.layers. Formulas: keras/layers/activation of Keras 2.15.
"""

from __future__ import annotations

import numpy as np

from reference.network.activations import ACTIVATIONS, elu
from reference.network.hooks import UnsupportedLayer
from reference.network.layers import LEAD, Function, Layer, Run, Tensor, expect_weights, one
from reference.network.steps import added, learned, multiplied


def softmax(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """exp(x) / sum exp(x) along an axis."""
    x, mask = one(layer, inputs)
    axis = layer.options["axis"]
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        axis = axis[0]
    if isinstance(axis, (list, tuple)) or mask is not None:
        raise UnsupportedLayer(f"layer {layer.name!r}: axis={axis!r}, or a mask")
    axis = axis + LEAD if axis >= 0 else axis + x.ndim
    moved = ACTIVATIONS["softmax"](np.moveaxis(x, axis, -1))
    result = run.hooks.function(layer.name, "softmax", np.moveaxis(moved, -1, axis))
    return [Tensor(run.hooks.tensor(layer.name, result, (0.0, 1.0)))]


def relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x from threshold to max_value, max_value above, slope (x - threshold) below."""
    (x, mask), options, hooks, name = one(layer, inputs), layer.options, run.hooks, layer.name
    slope, threshold = float(options["negative_slope"] or 0), float(options["threshold"] or 0)
    most = options["max_value"]  # () or None where there is none
    kept = x if threshold == 0 else x * (x > threshold)
    result = np.clip(kept, 0, np.inf if most is None or most == () else most)
    if slope and threshold == 0 and (most is None or most == ()):
        result = hooks.function(name, "leaky_relu", np.where(x > 0, x, slope * x))
    elif slope:
        negative = hooks.tensor(f"{name}/negative", np.maximum(threshold - x, 0))
        falling = multiplied(hooks, f"{name}/falling", negative, np.full((1,) * x.ndim, slope))
        return [Tensor(added(hooks, name, hooks.tensor(f"{name}/kept", result), -falling), mask)]
    return [Tensor(hooks.tensor(name, result), mask)]


def leaky_relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x where positive, alpha x elsewhere."""
    x, mask = one(layer, inputs)
    result = np.where(x > 0, x, layer.options["alpha"] * x)
    result = run.hooks.function(layer.name, "leaky_relu", result)
    return [Tensor(run.hooks.tensor(layer.name, result), mask)]


def p_relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x where positive, alpha x elsewhere, alpha learned (arXiv 1502.01852)."""
    x, mask = one(layer, inputs)
    shared = layer.options["shared_axes"] or ()
    shape = [1 if k + 1 in shared else size for k, size in enumerate(x.shape[LEAD + 1 :])]
    (alpha,) = expect_weights(layer, tuple(shape))
    slope = learned(run.hooks, f"{layer.name}/alpha", alpha)
    slope = slope.reshape(len(slope), *(1,) * LEAD, *shape)
    result = run.hooks.function(layer.name, "leaky_relu", np.where(x > 0, x, slope * x))
    return [Tensor(run.hooks.tensor(layer.name, result), mask)]


def elu_layer(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x where positive, alpha (exp(x) - 1) elsewhere."""
    x, mask = one(layer, inputs)
    result = run.hooks.function(layer.name, "elu", elu(x, float(layer.options["alpha"])))
    return [Tensor(run.hooks.tensor(layer.name, result), mask)]


def thresholded_relu(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """x where above theta, zero elsewhere."""
    x, mask = one(layer, inputs)
    return [Tensor(run.hooks.tensor(layer.name, x * (x > layer.options["theta"])), mask)]


ACTIVATION_LAYERS: dict[str, Function] = {
    "ELU": elu_layer,
    "LeakyReLU": leaky_relu,
    "PReLU": p_relu,
    "ReLU": relu,
    "Softmax": softmax,
    "ThresholdedReLU": thresholded_relu,
}
