"""One small model in float32 and in int8, as a converter makes them, without any converter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.assurance.certificate.constants import edits
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import builtin_name, pack, schema, stored, unpack

Array = NDArray[Any]
STEPS, FEATURES, FILTERS, UNITS = 6, 3, 4, 5


def draw(*shape: int, seed: int = 0) -> Array:
    random = np.random.default_rng([seed, *shape])
    return random.normal(size=shape).astype(np.float32)


def _options(kind: str, **values: Any) -> Any:
    options = getattr(schema(), f"{kind}OptionsT")()
    for name, value in values.items():
        setattr(options, name, value)
    return options


class _Small:
    """A convolution with RELU, a mean over time, two Dense heads with SOFTMAX and LOGISTIC."""

    def __init__(self, integer: bool, seed: int, sizes: float) -> None:
        self.graph, self.integer, self.seed = GraphBuilder(), integer, seed
        self.sizes = sizes

    def activation(self, name: str, shape: tuple[int, ...], scale: float, zero: int = 0) -> int:
        if not self.integer:
            return self.graph.tensor(name, shape, "float32")
        return self.graph.tensor(name, shape, "int8", scale * self.sizes, zero)

    def kernel(self, name: str, values: Array, per_channel: bool = False) -> tuple[int, Array]:
        """The tensor and its scales."""
        if not self.integer:
            return self.graph.tensor(name, values.shape, "float32", data=values), np.ones(1)
        axes = tuple(range(1, values.ndim)) if per_channel else None
        scales = np.atleast_1d(np.abs(values).max(axis=axes) / 127).astype(np.float32)
        shaped = scales.reshape(-1, *(1,) * (values.ndim - 1)) if per_channel else scales
        stored = np.rint(values / shaped).astype(np.int8)
        tensor = self.graph.tensor(name, values.shape, "int8", float(scales[0]), 0, stored)
        given = self.graph.tensors[tensor].quantization
        given.scale, given.zeroPoint = [float(s) for s in scales], [0] * len(scales)
        return tensor, scales

    def bias(self, name: str, values: Array, source: float, scales: Array) -> int:
        if not self.integer:
            return self.graph.tensor(name, values.shape, "float32", data=values)
        steps = np.broadcast_to(scales.astype(np.float64) * source * self.sizes, values.shape)
        stored = np.rint(values / steps).astype(np.int32)
        tensor = self.graph.tensor(name, values.shape, "int32", float(steps[0]), 0, stored)
        self.graph.tensors[tensor].quantization.scale = [float(s) for s in steps[: len(scales)]]
        return tensor

    def dense(self, name: str, source: int, scale: float, seed: int) -> int:
        weights = draw(UNITS, FILTERS, seed=self.seed + seed)
        kernel, scales = self.kernel(f"model/{name}/MatMul", weights)
        bias = self.bias(f"{name}/bias", draw(UNITS, seed=self.seed + seed + 1), scale, scales)
        made = self.activation(f"model/{name}/BiasAdd", (1, UNITS), 0.02 + 0.001 * seed, 3)
        options = _options("FullyConnected", fusedActivationFunction=0)
        self.graph.operator("FULLY_CONNECTED", [source, kernel, bias], [made], options=options)
        return made

    def content(self) -> bytes:
        graph = self.graph
        x = self.activation("serving_default_x:0", (1, 1, STEPS, FEATURES), 0.05)
        weights = draw(FILTERS, 1, 3, FEATURES, seed=self.seed)
        kernel, scales = self.kernel("model/conv/Conv1D", weights, per_channel=True)
        bias = self.bias("conv/bias", draw(FILTERS, seed=self.seed), 0.05, scales)
        conv = self.activation("model/conv/Relu", (1, 1, STEPS, FILTERS), 0.03, -128)
        options = _options(
            *("Conv2D",),
            padding=0,
            strideW=1,
            strideH=1,
            dilationWFactor=1,
            dilationHFactor=1,
            fusedActivationFunction=1,
        )
        graph.operator("CONV_2D", [x, kernel, bias], [conv], options=options)
        axis = graph.tensor("axis", (2,), "int32", data=np.array([1, 2], np.int32))
        mean = self.activation("model/mean/Mean", (1, FILTERS), 0.03, -128)
        reducer = _options("Reducer", keepDims=False)
        graph.operator("MEAN", [conv, axis], [mean], options=reducer)
        one = self.dense("one", mean, 0.03, 3)
        other = self.dense("other", mean, 0.03, 5)
        first = self.activation("model/soft/Softmax", (1, UNITS), 2.0**-8 / self.sizes, -128)
        graph.operator("SOFTMAX", [one], [first], options=_options("Softmax", beta=1.0))
        second = self.activation("model/sigmoid/Sigmoid", (1, UNITS), 2.0**-8 / self.sizes, -128)
        graph.operator("LOGISTIC", [other], [second])
        return _signed(graph.pack([x], [first, second]), x, first, second)


def _signed(content: bytes, x: int, first: int, second: int) -> bytes:
    model = unpack(content)
    one = schema().SignatureDefT()
    one.signatureKey, one.subgraphIndex = b"serving_default", 0

    def entry(name: bytes, tensor: int) -> Any:
        found = schema().TensorMapT()
        found.name, found.tensorIndex = name, tensor
        return found

    one.inputs = [entry(b"x", x)]
    one.outputs = [entry(b"output_0", first), entry(b"output_1", second)]
    model.signatureDefs = [one]
    return pack(model)


def plain(seed: int = 0) -> bytes:
    """The model in float32."""
    return _Small(False, seed, 1.0).content()


def integer(seed: int = 0, sizes: float = 1.0) -> bytes:
    """The same in int8. sizes: times the scales of its activations, as another calibration."""
    return _Small(True, seed, sizes).content()


def reordered(content: bytes) -> bytes:
    """The same graph with the second head's operators before the first one's."""
    model = unpack(content)
    conv, mean, one, other, soft, sigmoid = model.subgraphs[0].operators
    model.subgraphs[0].operators = [conv, mean, other, sigmoid, one, soft]
    return pack(model)


def relu_apart(content: bytes) -> bytes:
    """The convolution's RELU as an operator of its own."""
    model = unpack(content)
    graph = model.subgraphs[0]
    conv = graph.operators[0]
    conv.builtinOptions.fusedActivationFunction = 0
    target = int(conv.outputs[0])
    between = schema().TensorT()
    given = graph.tensors[target]
    between.name, between.shape, between.type = b"between", given.shape, given.type
    between.quantization, between.buffer = given.quantization, 0
    graph.tensors.append(between)
    conv.outputs = [len(graph.tensors) - 1]
    code = schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema().BuiltinOperator.RELU
    model.operatorCodes.append(code)
    relu = schema().OperatorT()
    relu.opcodeIndex, relu.inputs = len(model.operatorCodes) - 1, list(conv.outputs)
    relu.outputs = [target]
    graph.operators.insert(1, relu)
    return pack(model)


def coarser_kernel(content: bytes, kind: str, factor: float) -> bytes:
    """The first kernel of a kind stored anew with a scale so many times as large."""
    model = unpack(content)
    for operator in model.subgraphs[0].operators:
        if builtin_name(model, operator) == kind:
            tensor = model.subgraphs[0].tensors[operator.inputs[1]]
            values = stored(model, tensor)
            assert values is not None
            edits.write(model, tensor, np.rint(values / factor).astype(np.int8))
            edits.set_scale(tensor, float(tensor.quantization.scale[0]) * factor)
            return pack(model)
    raise ValueError(kind)


def called(content: bytes, kind: str, other: str) -> bytes:
    """The first operator of a kind under another one's name."""
    model = unpack(content)
    for operator in model.subgraphs[0].operators:
        if builtin_name(model, operator) == kind:
            code = schema().OperatorCodeT()
            code.builtinCode = getattr(schema().BuiltinOperator, other)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            operator.opcodeIndex = len(model.operatorCodes)
            model.operatorCodes.append(code)
            return pack(model)
    raise ValueError(kind)
