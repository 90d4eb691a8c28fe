"""Translate between flatbuffers and the oracles' plain description of graphs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import (
    builtin_name,
    constant_name,
    dtype_name,
    schema,
    shared,
    stored,
)
from reference.operators.description import Graph, Model, Operator, Tensor

#: Options whose numbers are names.
ENUMERATIONS = {
    "fused_activation_function": "ActivationFunctionType",
    "padding": "Padding",
    "mode": "MirrorPadMode",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
    "in_data_type": "TensorType",
    "out_data_type": "TensorType",
    "quantized_bias_type": "TensorType",
}


@lru_cache(maxsize=8)
def describe(content: bytes) -> Model:
    """The graphs of a .tflite file. Raises ValueError when the bytes are no .tflite file, and
    TypeError for constants of a type that NumPy does not have."""
    model = shared(content)
    return Model(tuple(_graph(model, graph) for graph in model.subgraphs))


def build(graph: Graph) -> bytes:
    """A flatbuffer of one graph, the reverse of `describe`."""
    builder = GraphBuilder()
    for tensor in graph.tensors:
        index = builder.tensor(
            tensor.name, tensor.shape, tensor.dtype, data=tensor.data, variable=tensor.variable
        )
        if tensor.scale:
            quantization = schema().QuantizationParametersT()
            quantization.scale = [float(np.float32(s)) for s in tensor.scale]
            quantization.zeroPoint = [int(z) for z in tensor.zero_point or (0,) * len(tensor.scale)]
            quantization.quantizedDimension = tensor.axis or 0
            builder.tensors[index].quantization = quantization
    for operator in graph.operators:
        builder.operator(
            operator.name,
            operator.inputs,
            operator.outputs,
            operator.intermediates,
            _options_of(operator),
            operator.version,
        )
    return builder.pack(graph.inputs, graph.outputs)


def _graph(model: Any, graph: Any) -> Graph:
    return Graph(
        tuple(_tensor(model, tensor) for tensor in graph.tensors),
        tuple(_operator(model, operator) for operator in graph.operators),
        tuple(int(k) for k in graph.inputs),
        tuple(int(k) for k in graph.outputs),
    )


def _tensor(model: Any, tensor: Any) -> Tensor:
    quantization = tensor.quantization
    scale = _floats(quantization and quantization.scale)
    zero_point = tuple(int(z) for z in _floats(quantization and quantization.zeroPoint))
    shape = () if tensor.shape is None else tuple(int(n) for n in tensor.shape)
    name = tensor.name.decode() if isinstance(tensor.name, bytes) else str(tensor.name)
    return Tensor(
        name,
        dtype_name(tensor),
        shape,
        scale,
        zero_point,
        int(quantization.quantizedDimension) if len(scale) > 1 else None,
        stored(model, tensor),
        bool(tensor.isVariable),
    )


def _operator(model: Any, operator: Any) -> Operator:
    code = model.operatorCodes[operator.opcodeIndex]
    intermediates = operator.intermediates
    name = builtin_name(model, operator)
    if name == "CUSTOM" and isinstance(code.customCode, bytes):
        name = f"{name} {code.customCode.decode(errors='replace')}"
    return Operator(
        name,
        int(code.version),
        tuple(int(k) for k in operator.inputs),
        tuple(int(k) for k in operator.outputs),
        _options(operator.builtinOptions),
        () if intermediates is None else tuple(int(k) for k in intermediates),
    )


def _options(options: Any) -> Mapping[str, Any]:
    if options is None:
        return {}
    found = {}
    for name, value in vars(options).items():
        key = _snake(name)
        if key in ENUMERATIONS and not isinstance(value, bool):
            value = constant_name(ENUMERATIONS[key], int(value))
        found[key] = value
    return found


def _options_of(operator: Operator) -> Any:
    """The schema's object for an operator's options; None where it has none."""
    kind = _option_classes().get(operator.name)
    if kind is None:
        if operator.options:
            raise ValueError(f"{operator.name} has no options, got {sorted(operator.options)}")
        return None
    options = kind()
    fields = {_snake(name): name for name in vars(options)}
    for key, value in operator.options.items():
        if key not in fields:
            raise ValueError(f"{operator.name} has no option {key}, expected {sorted(fields)}")
        if key in ENUMERATIONS and isinstance(value, str):
            value = getattr(getattr(schema(), ENUMERATIONS[key]), value)
        setattr(options, fields[key], value)
    return options


@lru_cache(maxsize=1)
def _option_classes() -> dict[str, Any]:
    """The schema's class of options by an operator's name; those that share another's by hand."""
    module = schema()
    found = {}
    names = [name for name in vars(module.BuiltinOperator) if name.isupper()]
    plain = {
        name.removesuffix("OptionsT").lower(): getattr(module, name)
        for name in vars(module)
        if name.endswith("OptionsT")
    }
    for name in names:
        kind = plain.get(name.replace("_", "").lower())
        if kind is not None:
            found[name] = kind
    shared_classes = {
        "AVERAGE_POOL_2D": "Pool2DOptionsT",
        "MAX_POOL_2D": "Pool2DOptionsT",
        "L2_POOL_2D": "Pool2DOptionsT",
        "MEAN": "ReducerOptionsT",
        "SUM": "ReducerOptionsT",
        "REDUCE_MAX": "ReducerOptionsT",
        "REDUCE_MIN": "ReducerOptionsT",
        "REDUCE_PROD": "ReducerOptionsT",
        "REDUCE_ANY": "ReducerOptionsT",
        "REDUCE_ALL": "ReducerOptionsT",
        "MINIMUM": "MaximumMinimumOptionsT",
        "MAXIMUM": "MaximumMinimumOptionsT",
    }
    return found | {
        name: getattr(module, kind)
        for name, kind in shared_classes.items()
        if hasattr(module, kind)
    }


def _snake(name: str) -> str:
    """The schema's spelling of a field: strideW is stride_w."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _floats(values: Any) -> tuple[float, ...]:
    return () if values is None else tuple(float(v) for v in values)
