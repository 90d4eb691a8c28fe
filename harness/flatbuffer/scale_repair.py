"""Rewrite the scales of integer LSTMs so that every kernel reads one and the same meaning.

The converter leaves three kinds of scales behind that are wrong without a word (see
harness/quantization/scale_rules.py). All are metadata which the kernels read when they prepare,
and no stored number depends on them: kernels have scales of their own, and a bias is in input
scale × input kernel scale. What the kernels read is in reference/lstm/profiles.py.

- The cell state's scale under 2^-15: TFLite has no tanh for it and leaves it out. The finest that
  all kernels have is written, or a coarser one where the cell needs the room.
- Output, hidden state (input 18) and intermediate tensor 4 stand for the same numbers. They are
  given one scale and zero point: the output's, so that whoever reads the output needs no change,
  or the hidden state's own, with a QUANTIZE behind the LSTM for whoever reads the output.
- REVERSE_V2, CONCATENATION and others hand numbers on as they are: whoever reads them takes the
  scale of the result. An LSTM that only such operators read writes with that scale; elsewhere a
  QUANTIZE is put before them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.flatbuffer.schema import builtin_name, dtype_name, pack, schema, unpack
from reference.lstm.integer_weights import IntegerLstm
from reference.operators.sequence_lstm import CELL_STATE, OUTPUT_STATE, PROJECTION

#: TFLite's kernel has tanh of the cell for these base-2 logarithms of the cell scale.
LEAST_CELL_LOG2, MOST_CELL_LOG2 = -15, -9
LSTM = "fused LSTM"
#: Which of the operator's intermediate tensors has the hidden state's quantisation.
HIDDEN_INTERMEDIATE = 4

#: Operators that hand their input's numbers on: same scale, same zero point.
PASSING = (
    *("RESHAPE", "STRIDED_SLICE", "REVERSE_V2", "CONCATENATION", "SQUEEZE", "TRANSPOSE"),
    *("PACK", "UNPACK", "SLICE", "GATHER", "EXPAND_DIMS", "SPLIT"),
)
#: Apart by less than its own rounding, two scales of one number do no harm.
HARMLESS_STEPS = 0.5

#: Subgraph and position of an operator.
Place = tuple[int, int]
#: Scale and zero point.
Quantisation = tuple[float, int]


@dataclass(frozen=True)
class Change:
    """One tensor that has another scale or zero point in the repaired file.

    place: the operator's. role: what the tensor is to it. before, after: scale and zero point.
    inserted: a QUANTIZE operator carries the numbers from one to the other, since somebody else
    reads or writes the tensor.
    """

    place: Place
    operator: str
    role: str
    tensor: str
    before: Quantisation
    after: Quantisation
    inserted: bool = False

    def __str__(self) -> str:
        where = f"{self.operator} at operator {self.place[1]}"
        if self.place[0]:
            where += f" of subgraph {self.place[0]}"
        how = ", by a QUANTIZE" if self.inserted else ""
        return f"{where}: {self.role} {_shown(self.before)} → {_shown(self.after)}{how}"


def repaired(
    content: bytes,
    cells: Mapping[Place, float] | None = None,
    own: Collection[Place] = (),
) -> tuple[bytes, tuple[Change, ...]]:
    """The same model with consistent scales, and what was changed.

    cells: the largest |cell| that an LSTM reaches, where it is known: its int16 cell state is then
    given the room for it. own: LSTMs that keep the hidden state's own scale, with a QUANTIZE behind
    them; all others take the output's. A model without a fault comes back byte for byte.
    Raises ValueError for bytes that are no flatbuffer.
    """
    reached = cells or {}
    model = unpack(content)
    changes: list[Change] = []
    # From the back: an inserted operator moves those behind it.
    for found in reversed(lstm_operators(content)):
        if isinstance(found.parameters, IntegerLstm):
            place = (found.subgraph, found.position)
            rewriting = _Rewriting(model, found, place)
            told = [*rewriting.cell(reached.get(place, 0.0)), *rewriting.hidden(place in own)]
            changes = told + changes
    for number, graph in enumerate(model.subgraphs):
        changes += _requantised(model, graph, number)
    return (pack(model) if changes else content), tuple(changes)


def steps_apart(dtype: str, given: Quantisation, wanted: Quantisation) -> float:
    """How far apart two readings of an integer are at most, in steps of the second."""
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], np.float64)
    apart = (ends - given[1]) * given[0] - (ends - wanted[1]) * wanted[0]
    return float(np.abs(apart).max() / wanted[0])


def consistent(model: IntegerLstm, reached: float = 0.0) -> IntegerLstm:
    """The operator as `repaired` leaves it where it takes the output's scale."""
    changed = copy.copy(model)
    for name, value in (
        ("cell_scale", cell_scale(model.cell_scale, model.cell_clip, reached)),
        ("output_state_scale", model.output_scale),
        ("output_state_zero_point", model.output_zero_point),
        ("hidden_scale", model.output_scale),
        ("hidden_zero_point", model.output_zero_point),
    ):
        if model.projection is None or name == "cell_scale":
            object.__setattr__(changed, name, value)
    return changed


def cell_scale(scale: float, clip: float, reached: float = 0.0) -> float:
    """A cell state's scale that all kernels have: a power of two, 2^-15 to 2^-9.

    scale: as it is; one that is right already stays. clip: the operator's own, in real units, 0
    for none: beyond it the cell needs no room. reached: the largest |cell| known; where the cell
    does not hold it, the scale is the finest that does.
    """
    _, exponent = math.frexp(scale)
    log2 = exponent - 1 if scale == 2.0 ** (exponent - 1) else exponent
    room = min(reached, clip) if clip > 0 else reached
    if room > 2.0**log2 * (2**15 - 1):
        log2 = min(math.ceil(math.log2(room / (2**15 - 1))), MOST_CELL_LOG2)
    if log2 > MOST_CELL_LOG2 and 0 < clip <= 2.0**MOST_CELL_LOG2 * (2**15 - 1):
        log2 = MOST_CELL_LOG2
    return 2.0 ** max(log2, LEAST_CELL_LOG2)


@dataclass(frozen=True, eq=False)
class _Rewriting:
    """Changes one LSTM of a ModelT in place."""

    model: Any
    found: FoundLstm
    place: Place

    @property
    def graph(self) -> Any:
        return self.model.subgraphs[self.found.subgraph]

    @property
    def operator(self) -> Any:
        return self.graph.operators[self.found.position]

    def cell(self, reached: float) -> list[Change]:
        index = int(self.operator.inputs[CELL_STATE])
        before = self.quantisation(index)
        wanted = (cell_scale(before[0], float(self.operator.builtinOptions.cellClip), reached), 0)
        if before == wanted:
            return []
        return [self.state(CELL_STATE, "cell state", wanted)]

    def hidden(self, own: bool) -> list[Change]:
        """Output, hidden state and intermediate 4 with one quantisation."""
        operator, intermediates = self.operator, self.operator.intermediates
        projected = len(operator.inputs) > PROJECTION and operator.inputs[PROJECTION] >= 0
        if projected or intermediates is None or len(intermediates) <= HIDDEN_INTERMEDIATE:
            return []
        inner, state = int(intermediates[HIDDEN_INTERMEDIATE]), int(operator.inputs[OUTPUT_STATE])
        output = int(operator.outputs[0])
        changes = []
        if (meant := self.read_as(output)) != self.quantisation(output):
            changes.append(self.set(output, "output", meant))
        found = {index: self.quantisation(index) for index in (output, state, inner)}
        if len(set(found.values())) == 1:
            return changes
        wanted = found[inner] if own else found[output]
        if found[inner] != wanted:
            changes.append(self.set(inner, "intermediate 4", wanted))
        if found[state] != wanted:
            changes.insert(0, self.state(OUTPUT_STATE, "hidden state", wanted))
        if found[output] != wanted:
            changes.append(self.behind(output, wanted))
        return changes

    def read_as(self, output: int) -> Quantisation:
        """What the output's numbers mean to those who read them, where all agree and only hand
        them on; else what its own tensor says."""
        readers = [o for o in self.graph.operators if output in o.inputs]
        handed = {
            quantisation_of(self.graph.tensors[o.outputs[0]])
            for o in readers
            if output in _handed_on(self.model, o)
        }
        only = all(output in _handed_on(self.model, o) for o in readers)
        if not readers or not only or len(handed) != 1 or output in self.graph.outputs:
            return self.quantisation(output)
        (meant,) = handed
        own = self.quantisation(output)
        if meant is None or steps_apart(self.dtype, own, meant) <= HARMLESS_STEPS:
            return own
        return meant

    # Tensors -------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        return dtype_name(self.graph.tensors[self.operator.outputs[0]])

    def quantisation(self, index: int) -> Quantisation:
        found = quantisation_of(self.graph.tensors[index])
        assert found is not None  # the reader made an IntegerLstm of it
        return found

    def set(self, index: int, role: str, wanted: Quantisation, inserted: bool = False) -> Change:
        tensor = self.graph.tensors[index]
        before = self.quantisation(index)
        tensor.quantization = _like(tensor.quantization, wanted)
        return Change(self.place, LSTM, role, text(tensor.name), before, wanted, inserted)

    def state(self, number: int, role: str, wanted: Quantisation) -> Change:
        """A state has another quantisation: a variable's start, 0, means the same in all of them;
        a given one is requantised."""
        index = int(self.operator.inputs[number])
        tensor = self.graph.tensors[index]
        writers = [o for o in self.graph.operators if index in o.outputs]
        readers = [o for o in self.graph.operators if index in o.inputs]
        if tensor.isVariable:
            return self.set(index, role, wanted)
        role = f"initial {role}"
        if (
            [builtin_name(self.model, o) for o in writers] == ["QUANTIZE"]
            and len(readers) == 1
            and index not in self.graph.outputs
        ):
            return self.set(index, role, wanted)
        before, fresh = self.quantisation(index), self._copy(index, wanted)
        self._replace_input(number, fresh)
        self._quantize(index, fresh, self.found.position)
        return Change(self.place, LSTM, role, text(tensor.name), before, wanted, inserted=True)

    def behind(self, output: int, wanted: Quantisation) -> Change:
        """The LSTM writes with a quantisation of its own and a QUANTIZE hands on the old one."""
        before, fresh = self.quantisation(output), self._copy(output, wanted)
        self.operator.outputs = [fresh]
        self._quantize(fresh, output, self.found.position + 1)
        name = text(self.graph.tensors[output].name)
        return Change(self.place, LSTM, "output", name, before, wanted, inserted=True)

    def _copy(self, index: int, wanted: Quantisation) -> int:
        tensors = self.graph.tensors
        tensors.append(_another(tensors[index], len(tensors), wanted))
        return len(self.graph.tensors) - 1

    def _replace_input(self, number: int, index: int) -> None:
        inputs = list(self.operator.inputs)
        inputs[number] = index
        self.operator.inputs = inputs

    def _quantize(self, source: int, target: int, position: int) -> None:
        self.graph.operators.insert(position, _quantize(self.model, source, target))


def _requantised(model: Any, graph: Any, number: int) -> list[Change]:
    """Put a QUANTIZE before each operator that hands on numbers of another meaning."""
    changes: list[Change] = []
    operators = []
    for position, operator in enumerate(graph.operators):
        inputs = list(operator.inputs)
        for index in dict.fromkeys(_handed_on(model, operator)):
            tensor, result = graph.tensors[index], graph.tensors[operator.outputs[0]]
            before, wanted = quantisation_of(tensor), quantisation_of(result)
            dtype = dtype_name(tensor)
            if before is None or wanted is None or dtype != dtype_name(result):
                continue
            if steps_apart(dtype, before, wanted) <= HARMLESS_STEPS:
                continue
            graph.tensors.append(_another(tensor, len(graph.tensors), wanted))
            operators.append(_quantize(model, index, len(graph.tensors) - 1))
            inputs = [len(graph.tensors) - 1 if one == index else one for one in inputs]
            name = builtin_name(model, operator)
            told = Change(
                (number, position), name, "input", text(tensor.name), before, wanted, True
            )
            changes.append(told)
        operator.inputs = inputs
        operators.append(operator)
    graph.operators = operators
    return changes


def _handed_on(model: Any, operator: Any) -> list[int]:
    """The inputs of an operator whose integers it hands on as they are."""
    name = builtin_name(model, operator)
    if name not in PASSING:
        return []
    inputs = [int(index) for index in operator.inputs]
    if name in ("CONCATENATION", "PACK"):
        return inputs
    return inputs[1:2] if name == "SPLIT" else inputs[:1]


def _another(tensor: Any, number: int, wanted: Quantisation) -> Any:
    """A tensor of the same type and shape with another quantisation and no buffer."""
    found = copy.copy(tensor)
    found.name = f"{text(tensor.name)}_repaired_{number}"
    found.quantization = _like(tensor.quantization, wanted)
    found.buffer = 0
    return found


def _quantize(model: Any, source: int, target: int) -> Any:
    """A QUANTIZE from one tensor to another."""
    operator = schema().OperatorT()
    operator.opcodeIndex = _code_of_quantize(model)
    operator.inputs, operator.outputs = [source], [target]
    operator.builtinOptionsType = schema().BuiltinOptions.QuantizeOptions
    operator.builtinOptions = schema().QuantizeOptionsT()
    return operator


def _code_of_quantize(model: Any) -> int:
    """The index of QUANTIZE among a model's operator codes, which gets one if need be."""
    number = int(schema().BuiltinOperator.QUANTIZE)
    for index, code in enumerate(model.operatorCodes):
        if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == number:
            return index
    code = schema().OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, number, 2
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def quantisation_of(tensor: Any) -> Quantisation | None:
    """Scale and zero point of an integer tensor; None for any other, and for several scales."""
    parameters = tensor.quantization
    if parameters is None or parameters.scale is None or len(parameters.scale) != 1:
        return None
    if dtype_name(tensor) not in ("int8", "int16"):
        return None
    zero_points = parameters.zeroPoint
    zero_point = 0 if zero_points is None or len(zero_points) == 0 else int(zero_points[0])
    return float(parameters.scale[0]), zero_point


def _like(parameters: Any, wanted: Quantisation) -> Any:
    """Quantisation parameters of one scale and zero point; the range that the converter noted is
    of the old ones, and goes."""
    changed = copy.copy(parameters)
    changed.scale, changed.zeroPoint = [float(np.float32(wanted[0]))], [int(wanted[1])]
    changed.min, changed.max = None, None
    return changed


def _shown(quantisation: Quantisation) -> str:
    scale, zero_point = quantisation
    fraction, exponent = math.frexp(scale)
    size = f"2^{exponent - 1}" if fraction == 0.5 else f"{scale:.6g}"
    return f"(scale {size}, zero point {zero_point})"


def text(name: bytes | str) -> str:
    """A tensor's name as text."""
    return name.decode(errors="replace") if isinstance(name, bytes) else name
