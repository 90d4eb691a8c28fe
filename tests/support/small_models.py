"""Small converted models without a converter, and runtimes in NumPy, for tests of the diagnosis.

A model is described as the network oracle reads it; `converted` makes its flatbuffer, float or
int8, from any weights, so that a fault is a change of the weights before, or of the bytes behind.
`Runtimes` answers as a native runtime does, by the oracles' own arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.lstm_builder import OperatorLstm, OperatorModel, build
from harness.flatbuffer.schema import constant_name, schema, shared, unpack
from harness.flatbuffer.structure import Structure
from harness.operators.quantizer import integer_lstm
from reference.budgets.monte_carlo import calibrate
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import LstmWeights
from reference.network import evaluate
from tests.support.networks import lstm_weights, named

Array = NDArray[Any]
Weights = dict[str, Array]
Form = Literal["float32", "int8", "int8-float-io"]
BATCH, STEPS, FEATURES, UNITS = 2, 5, 3, 4
_OPERATORS = {"tanh": "TANH", "sigmoid": "LOGISTIC", "relu": "RELU", "softmax": "SOFTMAX"}
_FIXED = {"tanh": (2.0**-7, 0), "sigmoid": (2.0**-8, -128), "softmax": (2.0**-8, -128)}


# Flatbuffers ------------------------------------------------------------------------------------


def weights_of(document: Mapping[str, Any], features: int = FEATURES) -> Weights:
    """Weights for the LSTMs, Bidirectionals and Dense layers of a document whose input has that
    many features; every layer reads the input or one layer before."""
    widths = {entry["name"]: features for entry in document["inputs"]}
    found: Weights = {}
    for k, node in enumerate(document["nodes"]):
        wide, name, kind = widths[node["inputs"][0]], node["name"], node["class"]
        units = node["config"].get("units", wide)
        if kind == "LSTM":
            found |= named(name, lstm_weights(units, wide, seed=7 * k + 3))
        elif kind == "Bidirectional":
            units = node["config"]["layer"]["config"]["units"]
            both = [lstm_weights(units, wide, seed=7 * k + way) for way in (3, 5)]
            found |= named(name, [*both[0], *both[1]])
            units *= 2
        elif kind == "Dense":
            random = np.random.default_rng([k, wide])
            found |= named(name, [random.normal(size=s) for s in ((wide, units), (units,))])
        widths |= {name: units, f"{name}:0": units}
    return {name: value.astype(np.float32) for name, value in found.items()}


def converted(
    document: Mapping[str, Any],
    weights: Weights,
    samples: Mapping[str, Array],
    form: Form = "float32",
) -> bytes:
    """The flatbuffer of a model; samples [N, batch, …] give its sizes, and in int8 its ranges."""
    return _Converter(document, weights, samples, form).content()


def ranges_of(
    document: Mapping[str, Any], weights: Weights, samples: Mapping[str, Array]
) -> dict[str, tuple[float, float]]:
    """What each tensor reaches on samples that each start at rest."""
    return dict(calibrate(document, weights, samples, carry_state=False))


class _Converter:
    def __init__(
        self,
        document: Mapping[str, Any],
        weights: Weights,
        samples: Mapping[str, Array],
        form: Form,
    ) -> None:
        self.document, self.weights, self.samples, self.form = document, weights, samples, form
        self.integer = form != "float32"
        self.graph = GraphBuilder()
        self.tensors: dict[str, int] = {}
        self.ranges = ranges_of(document, weights, samples) if self.integer else {}

    def content(self) -> bytes:
        inputs = []
        for entry in self.document["inputs"]:
            name, shape = entry["name"], self.samples[entry["name"]].shape[1:]
            if self.form == "int8-float-io":
                inputs.append(self.graph.tensor(name, shape, "float32"))
                self.tensors[name] = self.ranged(f"{name}/quantised", shape, self.ranges[name])
                self.graph.operator("QUANTIZE", inputs[-1:], [self.tensors[name]])
            else:
                self.tensors[name] = self.ranged(name, shape, self.ranges.get(name))
                inputs.append(self.tensors[name])
        for node in self.document["nodes"]:
            self.tensors[node["name"]] = self.node(node)
            self.tensors[f"{node['name']}:0"] = self.tensors[node["name"]]
        outputs = [self.tensors[name] for name in self.document["outputs"]]
        if self.form == "int8-float-io":
            integers, outputs = outputs, []
            for k, name in zip(integers, self.document["outputs"], strict=True):
                outputs.append(self.graph.tensor(f"{name}/real", self.shape(k), "float32"))
                self.graph.operator("DEQUANTIZE", [k], outputs[-1:])
        return self.graph.pack(inputs, outputs)

    def ranged(self, name: str, shape: Sequence[int], ends: tuple[float, float] | None) -> int:
        if ends is None or not self.integer:
            return self.graph.tensor(name, shape, "float32")
        low, high = min(0.0, ends[0]), max(0.0, ends[1])
        scale = float(np.float32((high - low) / 255))
        return self.graph.tensor(name, shape, "int8", scale, int(np.rint(-128 - low / scale)))

    def like(self, name: str, shape: Sequence[int], tensor: int) -> int:
        scale, zero_point = self.affine(tensor)
        dtype = "int8" if self.integer else "float32"
        return self.graph.tensor(name, shape, dtype, scale if self.integer else None, zero_point)

    def affine(self, tensor: int) -> tuple[float, int]:
        found = self.graph.tensors[tensor].quantization
        return (found.scale[0], found.zeroPoint[0]) if self.integer else (0.0, 0)

    def shape(self, tensor: int) -> list[int]:
        return [int(size) for size in self.graph.tensors[tensor].shape]

    def node(self, node: Mapping[str, Any]) -> int:
        name, kind, config = node["name"], node["class"], node["config"]
        x = self.tensors[node["inputs"][0]]
        own = [self.weights[k] for k in self.weights if k.rpartition("/")[0] == name]
        if kind == "LSTM":
            return self.lstm(name, node["inputs"][0], x, own, config)
        if kind == "Bidirectional":
            inner = {**config["layer"]["config"], "return_sequences": True}
            ways = []
            for way, part in (("forward", own[:3]), ("backward", own[3:])):
                options = {**inner, "go_backwards": way == "backward"}
                ways.append(self.lstm(f"{name}/{way}", node["inputs"][0], x, part, options))
            ways[1] = self.plain("REVERSE_V2", f"{name}/flipped", ways[1:])
            *lead, units = self.shape(ways[0])
            y = self.ranged(name, [*lead, 2 * units], self.ranges.get(name))
            self.graph.operator("CONCATENATION", ways, [y])
            return y
        if kind == "Dense":
            return self.dense(name, x, own, config)
        if kind == "Activation":
            return self.function(name, config["activation"], x)
        assert kind == "Add"
        y = self.ranged(name, self.shape(x), self.ranges.get(name))
        self.graph.operator("ADD", [self.tensors[k] for k in node["inputs"]], [y])
        return y

    def plain(self, operator: str, name: str, inputs: Sequence[int]) -> int:
        y = self.like(name, self.shape(inputs[0]), inputs[0])
        self.graph.operator(operator, inputs, [y])
        return y

    def function(self, name: str, function: str, x: int) -> int:
        if self.integer and function in _FIXED:
            y = self.graph.tensor(name, self.shape(x), "int8", *_FIXED[function])
        else:
            y = self.ranged(name, self.shape(x), self.ranges.get(name))
        self.graph.operator(_OPERATORS[function], [x], [y])
        return y

    def dense(self, name: str, x: int, own: Sequence[Array], config: Mapping[str, Any]) -> int:
        function = config.get("activation", "linear")
        kernel, bias = np.asarray(own[0]).T, own[1] if len(own) > 1 else None
        inputs = [x]
        if self.integer:
            step = float(np.abs(kernel).max() / 127)
            data = np.rint(kernel / np.float32(step))
            inputs.append(self.graph.tensor(f"{name}/kernel", kernel.shape, "int8", step, 0, data))
            if bias is not None:
                step *= self.affine(x)[0]
                data = np.rint(bias / np.float32(step))
                k = self.graph.tensor(f"{name}/bias", bias.shape, "int32", step, 0, data)
                inputs.append(k)
        else:
            inputs.append(self.graph.tensor(f"{name}/kernel", kernel.shape, "float32", data=kernel))
            if bias is not None:
                k = self.graph.tensor(f"{name}/bias", bias.shape, "float32", data=bias)
                inputs.append(k)
        inner = name if function in ("linear", "relu") else f"{name}/logits"
        y = self.ranged(inner, [*self.shape(x)[:-1], len(kernel)], self.ranges.get(inner))
        options = schema().FullyConnectedOptionsT()
        if function == "relu":
            options.fusedActivationFunction = schema().ActivationFunctionType.RELU
        self.graph.operator("FULLY_CONNECTED", inputs, [y], options=options)
        return y if function in ("linear", "relu") else self.function(name, function, y)

    def lstm(
        self, name: str, reads: str, x: int, own: Sequence[Array], config: Mapping[str, Any]
    ) -> int:
        time_major = bool(config.get("time_major"))
        if config.get("go_backwards"):
            x = self.plain("REVERSE_V2", f"{name}/reversed", [x])
        options = LstmOptions(time_major=time_major)
        parameters: Any = LstmWeights.from_keras(*own)
        if self.integer:
            (real,) = evaluate({**self.document, "outputs": [reads]}, self.weights, self.samples)
            real = np.flip(real, 2) if config.get("go_backwards") else real
            parameters = integer_lstm(parameters, real, options)
            scale, zero_point = self.affine(x)
            parameters = replace(parameters, input_scale=scale, input_zero_point=zero_point)
        steps, batch = self.shape(x)[:2] if time_major else self.shape(x)[1::-1]
        y = self.merge(build(OperatorLstm(parameters, steps, batch, options)), x, name)
        if config.get("return_sequences"):
            return y
        last = self.like(f"{name}/last", [batch, self.shape(y)[-1]], y)
        self.graph.operator("STRIDED_SLICE", [y], [last])
        return last

    def merge(self, built: OperatorModel, x: int, name: str) -> int:
        """Put a model of one operator behind the tensor x; its output's index."""
        (part,) = (model := unpack(built.content)).subgraphs
        by, buffers = len(self.graph.tensors), len(self.graph.buffers)
        for tensor in part.tensors:
            tensor.name = f"{name}:{tensor.name.decode()}"
            tensor.buffer += buffers
        self.graph.tensors += part.tensors
        self.graph.buffers += model.buffers
        (operator,) = part.operators
        intermediates = operator.intermediates
        self.graph.operator(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            [x if k == built.input else k + by if k >= 0 else -1 for k in operator.inputs],
            [built.output + by],
            [] if intermediates is None else [k + by for k in intermediates],
            operator.builtinOptions,
        )
        return built.output + by


def structure(content: bytes) -> Structure:
    """The structure as the inspecting worker describes it, without signatures and options."""
    model = shared(content)
    (graph,) = model.subgraphs
    tensors = []
    for tensor in graph.tensors:
        given, raw = tensor.quantization, model.buffers[tensor.buffer].data
        scaled = given is not None and given.scale is not None
        tensors.append(
            {
                "name": tensor.name.decode(),
                "dtype": constant_name("TensorType", tensor.type).lower(),
                "shape": [int(n) for n in tensor.shape],
                "signature": [int(n) for n in tensor.shape],
                "scale": [float(n) for n in given.scale] if scaled else [],
                "zero_point": [int(n) for n in given.zeroPoint] if scaled else [],
                "axis": None,
                "variable": bool(tensor.isVariable),
                "bytes": 0 if raw is None else len(raw),
            }
        )
    operators = [
        {
            "name": operator_name(model, operator),
            "inputs": [int(k) for k in operator.inputs],
            "outputs": [int(k) for k in operator.outputs],
            "intermediates": [] if inner is None else [int(k) for k in inner],
            "options": {},
        }
        for operator in graph.operators
        for inner in [operator.intermediates]
    ]
    main = {"inputs": [int(k) for k in graph.inputs], "outputs": [int(k) for k in graph.outputs]}
    described = {**main, "tensors": tensors, "operators": operators}
    return Structure({"subgraphs": [described], "signatures": []})


def operator_name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    return constant_name("BuiltinOperator", code)


def sampled(document: Mapping[str, Any], count: int = 4, batch: int = BATCH) -> dict[str, Array]:
    """Inputs of a document, [count, batch, …], float32."""
    random = np.random.default_rng(11)
    found = {}
    for entry in document["inputs"]:
        shape = (count, batch, *entry["shape"])
        found[entry["name"]] = random.uniform(-1, 1, shape).astype(np.float32)
    return found


def gate(array: Array, which: str) -> tuple[slice, ...]:
    """The columns of a gate (i, f, c or o) in one of Keras's LSTM arrays."""
    units = array.shape[-1] // 4
    start = "ifco".index(which) * units
    return (..., slice(start, start + units))  # type: ignore[return-value]


def swapped(array: Array, one: str, other: str) -> Array:
    """Two gates of one of Keras's LSTM arrays, in each other's place."""
    found = array.copy()
    found[gate(array, one)], found[gate(array, other)] = (
        array[gate(array, other)],
        array[gate(array, one)],
    )
    return found
