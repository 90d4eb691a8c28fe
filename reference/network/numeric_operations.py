"""Compute TensorFlow's operations on numbers as Keras saves them in functional models.

Each function takes an `Operation`, tensors and constants as they stand in the model, and the
keywords of the TensorFlow 2.15 function of the same name; it gives one array or several.
Formulas: tensorflow/python/ops/math_ops.py and nn_ops.py 2.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reference.network.activations import activated, erf, softmax
from reference.network.hooks import Array
from reference.network.layers import LEAD
from reference.network.normalization import l2_normalised
from reference.network.operands import Operation, aligned, axes_of, axis_of
from reference.network.steps import added, averaged, contracted, multiplied

Result = Array | list[Array]


def add(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    if not _of_floats(first, second):
        return np.asarray(first + second)
    return added(op.hooks, op.name, first, second)


def add_n(op: Operation, inputs: Any) -> Array:
    return added(op.hooks, op.name, *op.together(*inputs))


def subtract(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    if not _of_floats(first, second):
        return np.asarray(first - second)
    return added(op.hooks, op.name, first, -second)


def multiply(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    if not _of_floats(first, second):
        return np.asarray(first * second)
    return multiplied(op.hooks, op.name, first, second)


def divide(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    return op.rounded(op.hooks.function(op.name, "divide", first / second))


def divide_no_nan(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    result = np.where(second == 0, 0.0, first / np.where(second == 0, 1.0, second))
    return op.rounded(op.hooks.function(op.name, "divide", result))


def power(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    return op.rounded(op.hooks.function(op.name, "pow", np.power(first, second)))


def squared_difference(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    return multiplied(op.hooks, op.name, first - second, first - second)


def floor_divide(op: Operation, x: Any, y: Any) -> Array:
    first, second = op.together(x, y)
    return op.rounded(np.floor(first / second))


def _of_floats(*values: Array) -> bool:
    return any(value.dtype.kind == "f" for value in values)


def _elementwise(function: Callable[[Array], Array], label: str = "") -> Callable[..., Array]:
    """label: what the hooks call it where it rounds; empty for what is exact."""

    def apply(op: Operation, x: Any) -> Array:
        result = np.asarray(function(op.value(x)))
        return op.rounded(op.hooks.function(op.name, label, result) if label else result)

    return apply


def _choice(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """Of two numbers, or of two truth values."""

    def apply(op: Operation, x: Any, y: Any) -> Array:
        return op.rounded(np.asarray(function(*op.together(x, y))))

    return apply


def _activation(function: str) -> Callable[..., Array]:
    def apply(op: Operation, features: Any) -> Array:
        return activated(op.hooks, op.name, function, op.value(features), logits=False)

    return apply


def leaky_relu(op: Operation, features: Any, alpha: float = 0.2) -> Array:
    x = op.value(features)
    return op.rounded(op.hooks.function(op.name, "leaky_relu", np.where(x > 0, x, alpha * x)))


def gelu(op: Operation, features: Any, approximate: bool = False) -> Array:
    x = op.value(features)
    if not approximate:
        return activated(op.hooks, op.name, "gelu", x, logits=False)
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    inner = op.hooks.tensor(f"{op.name}/inner", op.hooks.function(op.name, "pow", inner))
    one = np.ones((1,) * x.ndim)
    gate = op.hooks.tensor(f"{op.name}/tanh", op.hooks.function(op.name, "tanh", np.tanh(inner)))
    return multiplied(op.hooks, op.name, 0.5 * x, added(op.hooks, f"{op.name}/one", gate, one))


def soft_max(op: Operation, logits: Any, axis: Any = -1) -> Array:
    x = op.value(logits)
    along = axis_of(-1 if axis is None else axis, x.ndim)
    result = np.moveaxis(softmax(np.moveaxis(x, along, -1)), -1, along)
    return op.rounded(op.hooks.function(op.name, "softmax", result), (0.0, 1.0))


def log_soft_max(op: Operation, logits: Any, axis: Any = -1) -> Array:
    x = op.value(logits)
    along = axis_of(-1 if axis is None else axis, x.ndim)
    moved = activated(op.hooks, op.name, "log_softmax", np.moveaxis(x, along, -1), logits=False)
    return np.moveaxis(moved, -1, along)


def clip_by_value(op: Operation, t: Any, clip_value_min: Any, clip_value_max: Any) -> Array:
    return op.rounded(np.clip(*op.together(t, clip_value_min, clip_value_max)))


# Along axes -------------------------------------------------------------------------------------


def reduce_mean(op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Array:
    x = op.value(input_tensor)
    return averaged(op.hooks, op.name, x, axes_of(axis, x.ndim), bool(keepdims))


def reduce_sum(op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Array:
    x = op.value(input_tensor)
    along, keep = axes_of(axis, x.ndim), bool(keepdims)
    result = x.sum(axis=along, keepdims=keep)
    if x.dtype.kind != "f":
        return np.asarray(result)
    count = int(np.prod([x.shape[k] for k in along]))
    magnitude = lambda: np.abs(x[:1]).sum(axis=along, keepdims=keep)  # noqa: E731
    return op.rounded(op.hooks.total(f"{op.name}/total", result, count, magnitude))


def _extreme(function: Callable[..., Array]) -> Callable[..., Array]:
    """Without rounding, and in integers of the input's scale."""

    def apply(op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Array:
        x = op.value(input_tensor)
        return np.asarray(function(x, axis=axes_of(axis, x.ndim), keepdims=bool(keepdims)))

    return apply


def reduce_prod(op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Array:
    x = op.value(input_tensor)
    result = x.prod(axis=axes_of(axis, x.ndim), keepdims=bool(keepdims))
    return op.rounded(op.hooks.function(op.name, "multiply", result))


def _variance(op: Operation, name: str, x: Array, axis: Any, keep: bool) -> Array:
    along = axes_of(axis, x.ndim)
    mean = averaged(op.hooks, f"{name}/mean", x, along)
    squared = op.hooks.tensor(f"{name}/squared", np.square(x - mean))
    return averaged(op.hooks, name, squared, along, keep)


def reduce_variance(
    op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False
) -> Array:
    return _variance(op, op.name, op.value(input_tensor), axis, bool(keepdims))


def reduce_std(op: Operation, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Array:
    variance = _variance(op, f"{op.name}/variance", op.value(input_tensor), axis, bool(keepdims))
    return op.rounded(op.hooks.function(op.name, "sqrt", np.sqrt(np.maximum(variance, 0))))


def l2_normalize(op: Operation, x: Any, axis: Any = None, epsilon: float = 1e-12) -> Array:
    value = op.value(x)
    return l2_normalised(op.hooks, op.name, value, axes_of(axis, value.ndim), epsilon)


def cumsum(
    op: Operation, x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False
) -> Array:
    value = op.value(x)
    along = axis_of(axis, value.ndim)
    turned = np.flip(value, along) if reverse else value
    count = value.shape[along]
    before = turned if exclusive else 0.0

    def total(x: Array) -> Array:
        return np.asarray(np.cumsum(x, axis=along))

    result = total(turned) - before
    shown = op.hooks.total(f"{op.name}/total", result, count, lambda: total(np.abs(turned[:1])))
    return op.rounded(np.flip(shown, along) if reverse else shown)


def argmax(op: Operation, input: Any, axis: Any = 0) -> Array:  # noqa: A002
    """The first of several greatest ones."""
    value = op.value(input)
    return np.asarray(np.argmax(value, axis=axis_of(axis, value.ndim)))


def matmul(
    op: Operation, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False
) -> Array:
    first, second = op.value(a, "a"), op.value(b, "b")
    first = np.swapaxes(first, -1, -2) if transpose_a else first
    second = np.swapaxes(second, -1, -2) if transpose_b else second
    ndim = max(first.ndim, second.ndim)
    first, second = (
        x.reshape(*x.shape[:LEAD], *(1,) * (ndim - x.ndim), *x.shape[LEAD:])
        for x in (first, second)
    )
    return contracted(op.hooks, op.name, first, second)


def tensordot(op: Operation, a: Any, b: Any, axes: Any) -> Array:
    """The last axis of a tensor with the first of a constant matrix: what Keras's `dot` does."""
    if isinstance(b, np.ndarray):
        raise op.refuse("tensordot of two tensors")
    matrix = np.asarray(b, np.float64)
    x = op.value(a)
    if axes not in (1, [-1, 0], [[-1], [0]], [[x.ndim - LEAD - 1], [0]]) or matrix.ndim != 2:
        raise op.refuse(f"tensordot with axes={axes!r}")
    return contracted(op.hooks, op.name, *aligned(x, op.value(b)))


def bias_add(op: Operation, value: Any, bias: Any) -> Array:
    return add(op, value, bias)


NUMERIC: Mapping[str, Callable[..., Result]] = {
    "__operators__.add": add,
    "clip_by_value": clip_by_value,
    "compat.v1.floor_div": floor_divide,
    "linalg.l2_normalize": l2_normalize,
    "linalg.matmul": matmul,
    "math.abs": _elementwise(np.abs),
    "math.add": add,
    "math.add_n": add_n,
    "math.argmax": argmax,
    "math.ceil": _elementwise(np.ceil),
    "math.cos": _elementwise(np.cos, "cos"),
    "math.cumsum": cumsum,
    "math.divide": divide,
    "math.divide_no_nan": divide_no_nan,
    "math.equal": _choice(np.equal),
    "math.erf": _elementwise(erf, "erf"),
    "math.exp": _elementwise(np.exp, "exp"),
    "math.floor": _elementwise(np.floor),
    "math.greater": _choice(np.greater),
    "math.greater_equal": _choice(np.greater_equal),
    "math.l2_normalize": l2_normalize,
    "math.less": _choice(np.less),
    "math.less_equal": _choice(np.less_equal),
    "math.log": _elementwise(np.log, "log"),
    "math.logical_and": _choice(np.logical_and),
    "math.logical_not": _elementwise(np.logical_not),
    "math.logical_or": _choice(np.logical_or),
    "math.maximum": _choice(np.maximum),
    "math.minimum": _choice(np.minimum),
    "math.multiply": multiply,
    "math.negative": _elementwise(np.negative),
    "math.not_equal": _choice(np.not_equal),
    "math.pow": power,
    "math.reciprocal": _elementwise(lambda x: 1 / x, "divide"),
    "math.reduce_max": _extreme(np.max),
    "math.reduce_mean": reduce_mean,
    "math.reduce_min": _extreme(np.min),
    "math.reduce_prod": reduce_prod,
    "math.reduce_std": reduce_std,
    "math.reduce_sum": reduce_sum,
    "math.reduce_variance": reduce_variance,
    "math.round": _elementwise(np.rint),
    "math.rsqrt": _elementwise(lambda x: 1 / np.sqrt(x), "rsqrt"),
    "math.sigmoid": _activation("sigmoid"),
    "math.sign": _elementwise(np.sign),
    "math.sin": _elementwise(np.sin, "sin"),
    "math.softplus": _activation("softplus"),
    "math.sqrt": _elementwise(np.sqrt, "sqrt"),
    "math.square": _elementwise(np.square, "multiply"),
    "math.squared_difference": squared_difference,
    "math.subtract": subtract,
    "math.tanh": _activation("tanh"),
    "math.truediv": divide,
    "nn.bias_add": bias_add,
    "nn.elu": _activation("elu"),
    "nn.gelu": gelu,
    "nn.l2_normalize": l2_normalize,
    "nn.leaky_relu": leaky_relu,
    "nn.log_softmax": log_soft_max,
    "nn.relu": _activation("relu"),
    "nn.relu6": _activation("relu6"),
    "nn.selu": _activation("selu"),
    "nn.silu": _activation("swish"),
    "nn.softmax": soft_max,
    "nn.softsign": _activation("softsign"),
    "tensordot": tensordot,
}
