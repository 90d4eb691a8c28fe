"""Read a flatbuffer's graphs so that two conversions of one model can be compared.

What changes no value is left out: QUANTIZE and DEQUANTIZE, which differ between recipes, and what
only computes a shape, which differs with an open batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.schema import builtin_name, dtype_name, shared, stored

Array = NDArray[Any]
#: Operators that give values another type, and no other value but by rounding.
TYPING = ("QUANTIZE", "DEQUANTIZE")
#: Those that give them another shape alone, which converters choose between.
SHAPING = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_FLOATS = ("float32", "float16")
_VERSION = b"CONVERSION_METADATA"


@dataclass(frozen=True, eq=False)
class Value:
    """A constant. values: real numbers of what has a scale, else as they are. step: its scale, of
    each value; 0 for what has none. scales: as stored, axis: whose; symmetric: zero point 0. ends:
    the least and greatest number that it can hold, where it has one scale."""

    name: str
    values: Array
    step: Array | float
    dtype: str
    scales: tuple[float, ...] = ()
    axis: int = 0
    symmetric: bool = True
    ends: tuple[float, float] = (-np.inf, np.inf)

    @property
    def real(self) -> bool:
        """Whether it stands for real numbers, not for sizes or places."""
        return self.dtype in _FLOATS or bool(self.scales)


@dataclass(eq=False)
class Operator:
    """An operator that computes something.

    position: in its graph. kind: its name; SHAPING ones are all RESHAPE. inputs: tensors, each
    followed back over TYPING operators, -1 for one that is left out. given: the same as the
    operator has them.
    """

    position: int
    kind: str
    name: str
    inputs: list[int]
    given: list[int]
    outputs: list[int]
    raw: Any
    constants: dict[int, Value] = field(default_factory=dict)
    #: Places of inputs that it keeps from one invoke to the next.
    states: frozenset[int] = frozenset()

    @property
    def activations(self) -> list[tuple[int, int]]:
        """Place and tensor of each input that is computed."""
        left_out = {*self.constants, *self.states}
        return [(k, t) for k, t in enumerate(self.inputs) if t >= 0 and k not in left_out]


class Graph:
    """One subgraph of a flatbuffer. Raises ValueError when the bytes are no .tflite file."""

    def __init__(self, content: bytes, number: int = 0) -> None:
        self.model = shared(content)
        self.main = self.model.subgraphs[number]
        self.tensors = self.main.tensors
        self.names = [builtin_name(self.model, operator) for operator in self.main.operators]
        self._made_by = {
            int(tensor): position
            for position, operator in enumerate(self.main.operators)
            for tensor in operator.outputs
        }
        self.operators = self._read()
        self.by_position = {operator.position: operator for operator in self.operators}
        self.producer = {t: operator for operator in self.operators for t in operator.outputs}

    @property
    def inputs(self) -> list[int]:
        return [int(k) for k in self.main.inputs]

    @property
    def outputs(self) -> list[int]:
        return [int(k) for k in self.main.outputs]

    def tensor_name(self, index: int) -> str:
        name = self.tensors[index].name
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")

    def shape(self, index: int) -> tuple[int, ...]:
        shape = self.tensors[index].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def origin(self, index: int) -> int:
        """The tensor that holds the same values before any QUANTIZE or DEQUANTIZE."""
        return self.chain(index)[-1]

    def chain(self, index: int) -> list[int]:
        """A tensor and those that it was made of by QUANTIZE and DEQUANTIZE, back to the first."""
        found = [index]
        while (position := self._made_by.get(found[-1])) is not None:
            if self.names[position] not in TYPING or len(found) > len(self.names):
                break
            found.append(int(self.main.operators[position].inputs[0]))
        return found

    def quantisation(self, index: int) -> tuple[str, float, int] | None:
        """Type, scale and zero point of a tensor with one scale."""
        tensor = self.tensors[index]
        given = tensor.quantization
        if given is None or given.scale is None or len(given.scale) != 1:
            return None
        zero = given.zeroPoint
        zero_point = 0 if zero is None or not len(zero) else int(zero[0])
        return dtype_name(tensor), float(given.scale[0]), zero_point

    def _read(self) -> list[Operator]:
        found, of_shapes = [], set[int]()
        for position, raw in enumerate(self.main.operators):
            name = self.names[position]
            if name in TYPING:
                continue
            given = [int(k) for k in raw.inputs]
            inputs = [k if k < 0 else self.origin(k) for k in given]
            constants = {k: v for k, t in enumerate(inputs) if (v := self._constant(t)) is not None}
            outputs = [int(k) for k in raw.outputs]
            states = {k for k, t in enumerate(inputs) if t >= 0 and self.tensors[t].isVariable}
            computed = [
                t for k, t in enumerate(inputs) if t >= 0 and k not in {*constants, *states}
            ]
            if name == "SHAPE" or (computed and all(t in of_shapes for t in computed)):
                of_shapes.update(outputs)
                continue
            kind = "RESHAPE" if name in SHAPING else name
            one = Operator(position, kind, name, inputs, given, outputs, raw, constants)
            one.states = frozenset(states)
            found.append(one)
        return found

    def _constant(self, index: int) -> Value | None:
        return None if index < 0 else _constant(self.model, self.tensors[index])


def _constant(model: Any, tensor: Any) -> Value | None:
    if tensor.isVariable:
        return None
    dtype = dtype_name(tensor)
    try:
        values = stored(model, tensor)
    except (TypeError, ValueError):
        return None
    if values is None:
        return None
    name = tensor.name.decode("utf-8", "replace") if isinstance(tensor.name, bytes) else ""
    if dtype in _FLOATS:
        return Value(name, values.astype(np.float64), 0.0, dtype)
    given = tensor.quantization
    scaled = given is not None and given.scale is not None and len(given.scale) > 0
    if not scaled or values.dtype.kind not in "iu":
        return Value(name, values, 0.0, dtype)
    scale = np.asarray(given.scale, np.float64)
    axis = int(given.quantizedDimension or 0)
    zero = np.zeros(1) if given.zeroPoint is None else np.asarray(given.zeroPoint, np.float64)
    if scale.size > 1:
        if axis >= values.ndim or values.shape[axis] != scale.size:
            return Value(name, values, 0.0, dtype)
        shape = [-1 if k == axis else 1 for k in range(values.ndim)]
        scale = scale.reshape(shape)
        zero = zero.reshape(shape) if zero.size == scale.size else zero[:1]
    real = (values.astype(np.float64) - (zero if zero.size else 0.0)) * scale
    step = np.broadcast_to(scale, real.shape)
    stored_scales = tuple(float(s) for s in given.scale)
    ends = (-np.inf, np.inf)
    if scale.size == 1:
        info, offset = np.iinfo(values.dtype), float(zero[0]) if zero.size else 0.0
        ends = tuple(float((end - offset) * scale.flat[0]) for end in (info.min, info.max))  # type: ignore[assignment]
    return Value(name, real, step, dtype, stored_scales, axis, not np.any(zero), ends)


def signature(model: Any, side: str) -> dict[int, str]:
    """The signature's name of each of the main graph's inputs or outputs, by tensor."""
    for one in model.signatureDefs or []:
        if int(one.subgraphIndex or 0) == 0:
            return {int(entry.tensorIndex): _text(entry.name) for entry in getattr(one, side) or []}
    return {}


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def converter_of(content: bytes) -> str:
    """The TensorFlow version that a file says it was converted by; empty where it says none."""
    model = shared(content)
    for entry in model.metadata or []:
        if _text(entry.name).encode() == _VERSION:
            raw = model.buffers[entry.buffer].data
            return "" if raw is None else _version(bytes(bytearray(raw)))
    return ""


@lru_cache(maxsize=8)
def _version(raw: bytes) -> str:
    """The first text of a CONVERSION_METADATA buffer (lite/schema/conversion_metadata.fbs of
    TensorFlow 2.15.1: environment.tensorflowVersion) that looks like a version."""
    for part in raw.split(b"\0"):
        try:
            text = part.decode("ascii")
        except UnicodeDecodeError:
            continue
        digits = text.split(".")
        if len(digits) >= 3 and digits[0].isdigit() and digits[1].isdigit():
            return text
    return ""


#: Operators that give rows of a table on, in its scale, and the input that is the table.
LOOKING_UP = {"GATHER": {0}, "EMBEDDING_LOOKUP": {1}}
#: States of a fused LSTM, by the place of the input.
_STATES = {18: "the hidden state", 19: "the cell state"}


def tensors_of(operator: Operator) -> list[tuple[str, int]]:
    """The tensors that an operator reads and writes as activations, with its states and
    intermediate results: what each is to it, and its number."""
    found = []
    if operator.kind in LOOKING_UP and operator.constants.keys() & LOOKING_UP[operator.kind]:
        (place,) = LOOKING_UP[operator.kind]
        found.append(("the table", operator.given[place]))
    for place in sorted({*(k for k, _ in operator.activations), *operator.states}):
        told = _STATES[place] if place in operator.states and place in _STATES else f"input {place}"
        found.append((told, operator.given[place]))
    one = len(operator.outputs) == 1
    found += [("the output" if one else f"output {k}", t) for k, t in enumerate(operator.outputs)]
    inner = operator.raw.intermediates
    found += [(f"intermediate {k}", int(t)) for k, t in enumerate([] if inner is None else inner)]
    return found
