"""Change one constant, option, scale or wire of a flatbuffer, whatever operator has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import tensor_type
from harness.flatbuffer.schema import builtin_name, dtype_name, pack, schema, stored, unpack

Array = NDArray[Any]
Edit = Callable[[bytes], bytes]


def _operators(model: Any, kind: str) -> list[Any]:
    found = [o for o in model.subgraphs[0].operators if builtin_name(model, o) == kind]
    if not found:
        raise ValueError(f"no {kind} to put a fault into")
    return found


def write(model: Any, tensor: Any, values: Array) -> None:
    """Other values for a constant. Equal constants may share a buffer: it gets its own."""
    buffer = schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    tensor.buffer, tensor.type = len(model.buffers), tensor_type(str(values.dtype))
    model.buffers.append(buffer)


def _changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Raises ValueError where nothing is changed."""
    model = unpack(content)
    before = pack(model)
    change(model)
    after = pack(model)
    if after == before:
        raise ValueError("the fault changes nothing")
    return after


def constant(kind: str, place: int, change: Callable[[Array], Array], number: int = 0) -> Edit:
    """Other stored values for an input of the number-th operator of a kind."""

    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[_operators(model, kind)[number].inputs[place]]
        values = stored(model, tensor)
        if values is None:
            raise ValueError(f"input {place} of {kind} is no constant")
        changed = change(values.copy())
        info = np.iinfo(values.dtype) if values.dtype.kind == "i" else None
        clipped = changed if info is None else np.clip(changed, info.min, info.max)
        write(model, tensor, clipped.astype(values.dtype))

    return lambda content: _changed(content, edit)


def option(kind: str, name: str, value: Any, number: int = 0) -> Edit:
    def edit(model: Any) -> None:
        options = _operators(model, kind)[number].builtinOptions
        if not hasattr(options, name):
            raise ValueError(f"{kind} has no option {name}")
        given = getattr(options, name)
        setattr(options, name, value(given) if callable(value) else value)

    return lambda content: _changed(content, edit)


def steps_off(steps: int) -> Callable[[Array], Array]:
    """One weight of medium size so many steps away, towards zero where it would leave its type."""

    def change(values: Array) -> Array:
        flat = values.astype(np.int64).reshape(-1)
        place = int(np.argsort(np.abs(flat))[flat.size // 2])
        flat[place] += -steps if flat[place] > 0 else steps
        return flat.reshape(values.shape)

    return change


def channels_of_scales_reversed(kind: str, number: int = 0) -> Edit:
    """The scales of a kernel's channels in reverse order."""

    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[_operators(model, kind)[number].inputs[1]]
        given = tensor.quantization.scale
        if given is None or len(given) < 2:
            raise ValueError(f"{kind} has one scale")
        tensor.quantization.scale = list(given)[::-1]

    return lambda content: _changed(content, edit)


def dead_channel(axis: int) -> Callable[[Array], Array]:
    """Every weight of channel 1 is zero."""

    def change(values: Array) -> Array:
        np.moveaxis(values, axis, 0)[1] = 0
        return values

    return change


def coarser(kind: str, factor: float, number: int = -1) -> Edit:
    """The scale of an operator's output, and of every tensor that goes on with the same one, so
    many times as large: what reads it reads the same numbers."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        own = graph.tensors[_operators(model, kind)[number].outputs[0]].quantization
        given = float(own.scale[0])
        for tensor in graph.tensors:
            one = tensor.quantization
            if one is not None and one.scale is not None and len(one.scale) == 1:
                if float(one.scale[0]) == given and dtype_name(tensor) in ("int8", "int16"):
                    set_scale(tensor, given * factor)

    return lambda content: _changed(content, edit)


def set_scale(tensor: Any, scale: float) -> None:
    old, new = tensor.quantization, schema().QuantizationParametersT()
    new.scale, new.zeroPoint = [float(np.float32(scale))], old.zeroPoint
    tensor.quantization = new


def zero_point(kind: str, shift: int, number: int = -1) -> Edit:
    """Another zero point for an operator's output."""

    def edit(model: Any) -> None:
        tensor = model.subgraphs[0].tensors[_operators(model, kind)[number].outputs[0]]
        old, new = tensor.quantization, schema().QuantizationParametersT()
        new.scale, new.zeroPoint = old.scale, [int(old.zeroPoint[0]) + shift]
        tensor.quantization = new

    return lambda content: _changed(content, edit)


def cell_scale(factor: float) -> Edit:
    """The scale of the first LSTM's cell state."""

    def edit(model: Any) -> None:
        operator = _operators(model, "UNIDIRECTIONAL_SEQUENCE_LSTM")[0]
        tensor = model.subgraphs[0].tensors[operator.inputs[19]]
        set_scale(tensor, float(tensor.quantization.scale[0]) * factor)

    return lambda content: _changed(content, edit)


def requantised(kind: str, factor: float, number: int = 0) -> Edit:
    """Two QUANTIZE operators before an operator's first input: to steps so many times as coarse,
    and back."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        operator = _operators(model, kind)[number]
        place = next(k for k, one in enumerate(graph.operators) if one is operator)
        source = int(operator.inputs[0])
        given = graph.tensors[source]
        if given.quantization is None or given.quantization.scale is None:
            raise ValueError(f"the input of {kind} has no scale")
        coarse, back = (_like(graph, given, name) for name in (b"coarse", b"back"))
        set_scale(graph.tensors[coarse], float(given.quantization.scale[0]) * factor)
        code = _code(model)
        graph.operators.insert(place, _quantize(code, coarse, back))
        graph.operators.insert(place, _quantize(code, source, coarse))
        operator.inputs = [back, *list(operator.inputs)[1:]]

    return lambda content: _changed(content, edit)


def _like(graph: Any, given: Any, name: bytes) -> int:
    tensor = schema().TensorT()
    tensor.name, tensor.type = name, given.type
    tensor.shape, tensor.shapeSignature = given.shape, given.shapeSignature
    tensor.quantization, tensor.buffer = given.quantization, 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _code(model: Any) -> int:
    code = schema().OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema().BuiltinOperator.QUANTIZE
    code.version = 2
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _quantize(code: int, source: int, target: int) -> Any:
    operator = schema().OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    return operator


def outputs_swapped(content: bytes) -> bytes:
    """The first two outputs stand in each other's place, the signature as it was."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        one, other, *rest = list(graph.outputs)
        graph.outputs = [other, one, *rest]

    return _changed(content, edit)


def names_swapped(content: bytes) -> bytes:
    """The first two outputs of the signature have each other's name."""

    def edit(model: Any) -> None:
        one, other, *_ = model.signatureDefs[0].outputs
        one.name, other.name = other.name, one.name

    return _changed(content, edit)


def weights_swapped(kind: str) -> Edit:
    """The first two operators of a kind exchange kernels and biases."""

    def edit(model: Any) -> None:
        one, other, *_ = _operators(model, kind)
        mine, its = list(one.inputs), list(other.inputs)
        one.inputs, other.inputs = [mine[0], *its[1:]], [its[0], *mine[1:]]

    return lambda content: _changed(content, edit)


def heads_swapped(kind: str) -> Edit:
    """The last two operators of a kind exchange kernels and biases."""

    def edit(model: Any) -> None:
        *_, one, other = _operators(model, kind)
        mine, its = list(one.inputs), list(other.inputs)
        one.inputs, other.inputs = [mine[0], *its[1:]], [its[0], *mine[1:]]

    return lambda content: _changed(content, edit)


def removed(kind: str, number: int = 0) -> Edit:
    """An operator of one input and one output is left out."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        operator = _operators(model, kind)[number]
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        graph.operators = [one for one in graph.operators if one is not operator]
        for one in graph.operators:
            one.inputs = [source if int(k) == target else int(k) for k in one.inputs]
        graph.outputs = [source if int(k) == target else int(k) for k in graph.outputs]
        for entry in model.signatureDefs[0].outputs:
            entry.tensorIndex = source if entry.tensorIndex == target else entry.tensorIndex

    return lambda content: _changed(content, edit)


# What changes nothing ------------------------------------------------------------------------


def renamed(content: bytes) -> bytes:
    """Every tensor has another name, and the file another description."""

    def edit(model: Any) -> None:
        for number, tensor in enumerate(model.subgraphs[0].tensors):
            tensor.name = f"t{number}".encode()
        model.description = b"made elsewhere"

    return _changed(content, edit)


def versions_raised(content: bytes) -> bytes:
    """Operators say that they are of a later version."""

    def edit(model: Any) -> None:
        for code in model.operatorCodes:
            if int(code.version) == 1:
                code.version = 2

    return _changed(content, edit)


def without_metadata(content: bytes) -> bytes:
    """Nothing says which converter made the file."""

    def edit(model: Any) -> None:
        model.metadata = []

    return _changed(content, edit)


def buffers_apart(content: bytes) -> bytes:
    """Every constant has a buffer of its own, at another place of the file."""

    def edit(model: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            values = None if tensor.isVariable else model.buffers[tensor.buffer].data
            if values is not None and len(values):
                buffer = schema().BufferT()
                buffer.data = values
                tensor.buffer = len(model.buffers)
                model.buffers.append(buffer)

    return _changed(content, edit)
