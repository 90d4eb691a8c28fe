"""Put faults into a healthy flatbuffer, each as a tool chain might."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.schema import builtin_name, pack, schema, stored, unpack

RECURRENT_FORGET, INPUT_CELL = 6, 3


def _operators(model: Any, name: str) -> list[Any]:
    operators = model.subgraphs[0].operators
    return [operator for operator in operators if builtin_name(model, operator) == name]


def _tensor(model: Any, number: int, lstm: int = 0) -> Any:
    operator = _operators(model, "UNIDIRECTIONAL_SEQUENCE_LSTM")[lstm]
    return model.subgraphs[0].tensors[int(operator.inputs[number])]


def _edit(model: Any, tensor: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    values = stored(model, tensor)
    assert values is not None
    changed = change(values.copy()).astype(values.dtype)
    model.buffers[tensor.buffer].data = np.frombuffer(
        np.ascontiguousarray(changed).tobytes(), np.uint8
    )


def one_weight(content: bytes) -> bytes:
    """One weight of the first LSTM's forget gate loses its sign."""

    def change(values: NDArray[Any]) -> NDArray[Any]:
        place = np.unravel_index(int(np.abs(values.astype(np.float64)).argmax()), values.shape)
        values[place] = -values[place]
        return values

    model = unpack(content)
    _edit(model, _tensor(model, RECURRENT_FORGET), change)
    return pack(model)


def one_scale(content: bytes) -> bytes:
    """The scale of the cell gate's input kernel of the second LSTM is doubled; a float model's
    weights are."""
    model = unpack(content)
    tensor = _tensor(model, INPUT_CELL, lstm=1)
    if tensor.quantization is not None and tensor.quantization.scale is not None:
        tensor.quantization.scale = [2 * float(tensor.quantization.scale[0])]
    else:
        _edit(model, tensor, lambda values: 2 * values)
    return pack(model)


def transposed(content: bytes) -> bytes:
    """A recurrent kernel of the second LSTM is transposed."""
    model = unpack(content)
    _edit(model, _tensor(model, RECURRENT_FORGET, lstm=1), lambda values: values.T)
    return pack(model)


def another_activation(content: bytes) -> bytes:
    """The last layer's tanh becomes a sigmoid."""
    model = unpack(content)
    builtin = schema().BuiltinOperator
    (operator,) = _operators(model, "TANH")
    code = model.operatorCodes[operator.opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = builtin.LOGISTIC
    tensor = model.subgraphs[0].tensors[int(operator.outputs[0])]
    if tensor.quantization is not None and tensor.quantization.scale is not None:
        tensor.quantization.scale, tensor.quantization.zeroPoint = [2.0**-8], [-128]
    return pack(model)
