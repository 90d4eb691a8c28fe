"""Compute Keras 2.15's activation functions in float64, each rounding step shown to the hooks.

Formulas: keras/activations.py and keras/backend.py 2.15. A function that is one operator of
TensorFlow Lite is one step here; the others are the steps that the converter makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np

from reference.network.hooks import Array, Hooks
from reference.network.steps import added

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772
erf = np.vectorize(math.erf, otypes=[float])


def _identity(x: Array) -> Array:
    return x


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) to a few units in the last place: gates that are almost shut count where
    what they let through is all there is. Below -700, where exp(-x) ends, it is 1e-304."""
    return np.asarray(1 / (1 + np.exp(-np.maximum(x, -700.0))))


def softmax(x: Array) -> Array:
    """Along the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Array:
    """Along the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def leaky_relu(x: Array, alpha: float = 0.2) -> Array:
    """alpha: tf.nn.leaky_relu's own default; the layer LeakyReLU has 0.3."""
    return np.where(x > 0, x, alpha * x)


def gelu(x: Array) -> Array:
    """x Phi(x) (Hendrycks and Gimpel 2016), not its approximation by tanh."""
    return np.asarray(0.5 * x * (1 + erf(x / sqrt(2))))


def softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, 0))


#: By the name that Keras saves.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": _identity,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "elu": elu,
    "selu": lambda x: _SELU_SCALE * elu(x, _SELU_ALPHA),
    "exponential": np.exp,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": lambda x: x * sigmoid(x),
}
#: The range that an integer scheme has to use whatever it has seen.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "softmax": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
#: Functions that the converter fuses into the operator before.
_FUSED = ("linear", "relu", "relu6")


def applied(hooks: Hooks, name: str, function: str, value: Array) -> Array:
    """One function as one operator, and its result as a tensor of its own."""
    result = hooks.function(name, function, ACTIVATIONS[function](value))
    return hooks.tensor(name, result, BOUNDS.get(function))


def _constant(value: float, like: Array) -> Array:
    return np.full((1,) * like.ndim, value)


def _hard_sigmoid(hooks: Hooks, name: str, x: Array) -> Array:
    scaled = hooks.tensor(f"{name}/scaled", hooks.function(f"{name}/scaled", "multiply", 0.2 * x))
    shifted = added(hooks, f"{name}/shifted", scaled, _constant(0.5, x))
    return np.clip(shifted, 0, 1)


def _swish(hooks: Hooks, name: str, x: Array) -> Array:
    gate = applied(hooks, f"{name}/gate", "sigmoid", x)
    return hooks.function(name, "multiply", x * gate)


def _softplus(hooks: Hooks, name: str, x: Array) -> Array:
    """log(exp(x) + 1): where x is small the 1 takes exp(x)'s digits."""
    result = softplus(x)
    return hooks.total(f"{name}/total", result, 9, lambda: np.abs(result[:1]) + 1)


def _softsign(hooks: Hooks, name: str, x: Array) -> Array:
    divisor = added(hooks, f"{name}/divisor", np.abs(x), _constant(1, x))
    return hooks.function(name, "divide", x / np.maximum(divisor, 1))


def _mish(hooks: Hooks, name: str, x: Array) -> Array:
    soft = hooks.tensor(f"{name}/softplus", _softplus(hooks, f"{name}/softplus", x))
    gate = applied(hooks, f"{name}/gate", "tanh", soft)
    return hooks.function(name, "multiply", x * gate)


def _selu(hooks: Hooks, name: str, x: Array) -> Array:
    """scale (exp(x) - 1) alpha below 0: the 1 takes exp(x)'s digits."""
    result = ACTIVATIONS["selu"](x)
    return hooks.total(f"{name}/total", result, 9, lambda: np.abs(result[:1]) + 2 * (x[:1] < 0))


def _gelu(hooks: Hooks, name: str, x: Array) -> Array:
    """0.5 x (1 + erf(x / sqrt 2)): far below 0 the 1 takes erf's digits."""
    one_more = added(hooks, f"{name}/one_more", erf(x / sqrt(2)), _constant(1, x))
    return hooks.function(name, "multiply", 0.5 * x * one_more)


def _log_softmax(hooks: Hooks, name: str, x: Array) -> Array:
    result = log_softmax(x)
    return hooks.total(f"{name}/total", result, 9, lambda: np.abs(result[:1]) + np.abs(x[:1]) + 1)


#: Functions of several operators, or whose result is no more exact than what it is a difference of.
_STEPS: Mapping[str, Callable[[Hooks, str, Array], Array]] = {
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "log_softmax": _log_softmax,
    "mish": _mish,
    "selu": _selu,
    "softplus": _softplus,
    "softsign": _softsign,
    "swish": _swish,
}


def activated(hooks: Hooks, name: str, function: str, value: Array, logits: bool = True) -> Array:
    """An activation function at the end of a layer, and the layer's output tensor.

    logits: whether the value is no tensor yet, as the sum inside a layer is not.
    """
    if logits and function not in _FUSED:  # the others are operators of their own
        value = hooks.tensor(f"{name}/logits", value)
    if function in _STEPS:
        return hooks.tensor(name, _STEPS[function](hooks, name, value), BOUNDS.get(function))
    return applied(hooks, name, function, value)
