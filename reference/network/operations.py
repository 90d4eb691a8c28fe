"""Evaluate an operation on tensors in a functional Keras model: `x[:, -1]`, `x * y`, `tf.concat`.

Keras 2.15 saves such an operation as a layer of class TFOpLambda or SlicingOpLambda
(keras/layers/core/tf_op_layer.py). In a description both are TFOpLambda: `function` is
TensorFlow's name without `tf.`, `arguments` and `keywords` are what it is called with, in which a
tensor stands as {"input": k}, the k-th input of the node.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reference.network.hooks import Array, UnsupportedLayer
from reference.network.layers import Function, Layer, Run, Tensor
from reference.network.numeric_operations import NUMERIC
from reference.network.operands import Operation
from reference.network.shape_operations import SHAPES

#: By TensorFlow's name.
OPERATIONS: Mapping[str, Callable[..., Array | list[Array]]] = {**NUMERIC, **SHAPES}
#: Keywords that only name things or say what cannot be otherwise.
_IDLE = ("name",)


def operation_problems(
    name: str, function: str, arguments: list[Any], keywords: Mapping[str, Any]
) -> list[str]:
    """What of an operation the oracle does not know; empty when it knows it all."""
    known = OPERATIONS.get(function)
    if known is None:
        return [f"layer {name!r}: no operation tf.{function} in the oracle"]
    try:
        inspect.signature(known).bind(None, *arguments, **_deciding(keywords))
    except TypeError as error:
        return [f"layer {name!r}: tf.{function} called with other arguments: {error}"]
    return []


def _deciding(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keywords.items() if key not in _IDLE}


def operation(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """What the function gives; a mask ends here, as in Keras."""
    options = layer.options
    function, keywords = options["function"], options["keywords"]
    if found := operation_problems(layer.name, function, options["arguments"], keywords):
        raise UnsupportedLayer(*found)
    values = [tensor.value for tensor in inputs]
    arguments = [_filled(one, values) for one in options["arguments"]]
    given = {key: _filled(one, values) for key, one in _deciding(keywords).items()}
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # an answer that is not finite is told
            result = OPERATIONS[function](Operation(layer.name, run.hooks), *arguments, **given)
    except UnsupportedLayer as error:
        own = f"layer {layer.name!r}"
        raise UnsupportedLayer(
            *(p if p.startswith(own) else f"{own} (tf.{function}): {p}" for p in error.problems)
        ) from error
    except (IndexError, ValueError) as error:
        raise ValueError(f"layer {layer.name!r} (tf.{function}): {error}") from error
    return [Tensor(value) for value in (result if isinstance(result, list) else [result])]


def _filled(given: Any, values: list[Array]) -> Any:
    """An argument with the tensors in their places."""
    if isinstance(given, Mapping) and set(given) == {"input"}:
        return values[given["input"]]
    if isinstance(given, list):
        return [_filled(one, values) for one in given]
    return given


OPERATIONS_LAYER: dict[str, Function] = {"TFOpLambda": operation}
