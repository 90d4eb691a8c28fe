"""Run small models in NumPy, as the runtimes would, with faults where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import Runtime
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.flatbuffer.schema import constant_name, shared
from harness.operators.exactness import profile_of
from reference.arithmetic.affine import Affine, dequantise, quantise
from reference.lstm.float64 import LstmState, lstm, sigmoid
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from tests.support.small_models import Array, operator_name

# Runtimes ---------------------------------------------------------------------------------------

#: (the runtime's name, the operator's, its position, what it gives [batch, …]) -> what it gives
Change = Callable[[str, str, int, Array], Array]


@dataclass
class Runtimes:
    """Stands in for OperatorRuntimes: each operator by its oracle, and then `change`.

    fails: runtimes that crash. carries: the LSTMs' states are left over from sample to sample.
    asked: the runtime and the number of outputs of each run. given: its inputs.
    """

    change: Change = lambda runtime, name, position, value: value
    fails: Collection[str] = ()
    carries: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    given: list[Sequence[Array]] = field(default_factory=list)

    def run(
        self,
        runtime: Runtime,
        content: bytes,
        inputs: Sequence[Array],
        outputs: int = 1,
        bounds: Any = None,
        resize: bool = False,
    ) -> OperatorRun:
        self.asked.append((runtime.name, outputs))
        self.given.append(inputs)
        if runtime.name in self.fails:
            return OperatorRun(StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV"))
        graph = shared(content).subgraphs[0]
        indices = [int(k) for k in graph.inputs]
        assert resize, "these files leave sizes open"
        states: dict[int, LstmState] = {}
        found = []
        for sample in zip(*inputs, strict=True):
            values = dict(zip(indices, sample, strict=True))
            self._invoke(runtime, content, values, states if self.carries else {})
            found.append([values[int(k)] for k in graph.outputs])
        stacked = tuple(np.stack(parts) for parts in zip(*found, strict=True))
        assert len(stacked) == outputs
        return OperatorRun(None, stacked)

    def _invoke(
        self,
        runtime: Runtime,
        content: bytes,
        values: dict[int, Array],
        states: dict[int, LstmState],
    ) -> None:
        model = shared(content)
        (graph,) = model.subgraphs
        lstms = {found.position: found for found in lstm_operators(content)}
        for position, operator in enumerate(graph.operators):
            name = operator_name(model, operator)
            index = int(operator.outputs[0])
            if position in lstms:
                found = lstms[position]
                value, state = _lstm(found, values[found.input], runtime, states.get(position))
                states[position] = state
            else:
                given = [_real(model, graph, int(k), values) for k in operator.inputs]
                value = _stored(graph.tensors[index], _OPERATIONS[name](operator, *given))
            values[index] = self.change(runtime.name, name, position, value)


def _lstm(
    found: FoundLstm, x: Array, runtime: Runtime, initial: LstmState | None
) -> tuple[Array, LstmState]:
    model = found.parameters
    if isinstance(model, IntegerLstm):
        run = lstm_integer(model, x, profile_of(runtime), initial)
        return run.outputs, run.state
    assert model is not None
    run = lstm(model, x, found.options, initial)
    return run.outputs.astype(np.float32), run.state


def _affine(tensor: Any) -> Affine | None:
    given = tensor.quantization
    if given is None or given.scale is None:
        return None
    dtype = constant_name("TensorType", tensor.type).lower()
    return Affine(float(given.scale[0]), int(given.zeroPoint[0]), dtype)


def _real(model: Any, graph: Any, index: int, values: Mapping[int, Array]) -> Array:
    """A tensor, computed or constant, as real numbers."""
    tensor = graph.tensors[index]
    value = values.get(index)
    if value is None:
        raw, dtype = model.buffers[tensor.buffer].data, constant_name("TensorType", tensor.type)
        value = np.frombuffer(bytes(bytearray(raw)), dtype.lower()).reshape(tensor.shape)
    affine = _affine(tensor)
    return value.astype(np.float64) if affine is None else dequantise(value, affine)


def _stored(tensor: Any, value: Array) -> Array:
    affine = _affine(tensor)
    return value.astype(np.float32) if affine is None else quantise(value, affine)


def _fully_connected(operator: Any, x: Array, kernel: Array, *bias: Array) -> Array:
    found = x @ kernel.T + (bias[0] if bias else 0.0)
    fused = operator.builtinOptions.fusedActivationFunction
    return np.asarray(np.maximum(found, 0) if fused else found)


def _softmax(operator: Any, x: Array) -> Array:
    grown = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True))


_OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "FULLY_CONNECTED": _fully_connected,
    "SOFTMAX": _softmax,
    "ADD": lambda operator, a, b: a + b,
    "CONCATENATION": lambda operator, *parts: np.concatenate(parts, axis=-1),
    "DEQUANTIZE": lambda operator, x: x,
    "LOGISTIC": lambda operator, x: sigmoid(x),
    "QUANTIZE": lambda operator, x: x,
    "RELU": lambda operator, x: np.maximum(x, 0),
    "REVERSE_V2": lambda operator, x: np.flip(x, 1),
    "STRIDED_SLICE": lambda operator, x: x[:, -1],
    "TANH": lambda operator, x: np.tanh(x),
}


# Models and faults ------------------------------------------------------------------------------


def at(position: int, fault: Callable[[Array], Array], runtime: str = "") -> Change:
    """A change of what one operator gives, on one runtime or on all."""

    def change(ran: str, operator: str, place: int, value: Array) -> Array:
        hit = place == position and runtime in ("", ran)
        return fault(value.copy()) if hit else value

    return change


def late(value: Array) -> Array:
    """Every step [batch, time, …] has the value of the step before."""
    return np.concatenate([np.zeros_like(value[:, :1]), value[:, :-1]], axis=1)
