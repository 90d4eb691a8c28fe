"""Run a whole model with the oracles of its operators, many samples at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.budgets.float_lstm import SAMPLES, interval
from reference.operators.delegation import dynamic
from reference.operators.description import ABSENT, Graph, Model, Operator
from reference.operators.folds import Value
from reference.operators.kernel import Call, NoOracle
from reference.operators.profiles import (
    TFLITE_REFERENCE,
    TFLM,
    WITHOUT_DELEGATE,
    OperatorProfile,
)
from reference.operators.samples import Answers, Uneven, compute_all

Array = NDArray[Any]

#: A loop of more steps than this is one that does not end.
MOST_STEPS = 100_000
#: Draws of the rounding of whole graphs, as for a float LSTM.
DRAWS = SAMPLES
_RUN_GRAPHS = ("WHILE", "IF", "CALL_ONCE")
_RESOURCES = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")


@dataclass(frozen=True, eq=False)
class Trace:
    """What the tensors of a graph hold, by index: [N, …], or the same for all samples. missing: by
    the position of an operator without an oracle, why; what it would give is not in values. exact:
    the tensors that are due to the bit, whatever computes the model."""

    values: Mapping[int, Value]
    missing: Mapping[int, str]
    exact: frozenset[int]

    def of(self, index: int, count: int) -> Array | None:
        """[N, …], None where it is not known."""
        found = self.values.get(index)
        return None if found is None else found.spread(count)


def run(model: Model, inputs: Sequence[Array], profile: OperatorProfile) -> Trace:
    """Run the first graph from given inputs, [N, …] each, variables at rest before each sample.

    Operators that are due to the bit are; what computed floats hold is their oracle's value,
    rounded to the tensor's type.
    """
    count = len(inputs[0])
    try:
        return _Runner(model, profile, count).graph(0, [Value(a) for a in inputs])
    except Uneven:
        if count == 1:
            raise
        each = [run(model, [a[k : k + 1] for a in inputs], profile) for k in range(count)]
        return _joined(each)


def at_equal_inputs(
    model: Model, position: int, values: Mapping[int, Array], profile: OperatorProfile
) -> tuple[tuple[Array, ...], tuple[Array | None, ...]]:
    """What an operator of the first graph must answer to what a runtime gave it, and the largest
    error allowed, None where it is due to the bit.

    values: by tensor, [N, …]; an operator's variables are at rest. Raises NoOracle, also where an
    input is not among the values.
    """
    graph = model.graphs[0]
    operator = graph.operators[position]
    held: list[Value | None] = []
    for index in operator.inputs:
        if index != ABSENT and index in values:
            held.append(Value(values[index]))
        else:
            held.append(_given(graph, index, {}) or _rest(graph, operator, index))
        if index != ABSENT and held[-1] is None and not _at_rest(graph, index):
            raise NoOracle(f"{operator.name}: its input {graph.tensors[index].name!r} is not known")
    count = next((len(v.array) for v in held if v is not None and not v.shared), 1)
    found = _answers(model, graph, operator, held, profile, count)
    return (
        tuple(value.spread(count) for value in found.values),
        tuple(
            None if allowed is None else _spread(allowed, value, count)
            for allowed, value in zip(found.allowed, found.values, strict=True)
        ),
    )


def _answers(
    model: Model,
    graph: Graph,
    operator: Operator,
    held: Sequence[Value | None],
    profile: OperatorProfile,
    count: int,
) -> Answers:
    try:
        found = _Runner(model, profile, count).operator(graph, operator, held)
        if operator.name not in _RUN_GRAPHS or all(v.array.dtype.kind != "f" for v in found.values):
            return found
        return _with_rounding(model, graph, operator, held, profile, count, found)
    except Uneven:
        if count == 1:
            raise NoOracle(f"{operator.name}: its loops do not end alike") from None
    each = [
        _answers(model, graph, operator, [_one(v, k) for v in held], profile, 1)
        for k in range(count)
    ]
    try:
        values = tuple(
            Value(np.stack([e.values[k].of(0) for e in each])) for k in range(len(each[0].values))
        )
    except ValueError:
        raise NoOracle(f"{operator.name}: answers of different shapes") from None
    allowed = tuple(_apiece([e.allowed[k] for e in each], v.array) for k, v in enumerate(values))
    return Answers(values, allowed, {})


def _with_rounding(
    model: Model,
    graph: Graph,
    operator: Operator,
    held: Sequence[Value | None],
    profile: OperatorProfile,
    count: int,
    exact: Answers,
) -> Answers:
    """The answer of an operator that runs graphs, with what the rounding in all of them comes to:
    the interval of draws, as for a float LSTM (reference/budgets/float_lstm.py). TFLite Micro's are
    drawn by the reference kernels, the same to rounding and without the C library's calls."""
    many = [v if v is None or v.shared else Value(np.repeat(v.array, DRAWS, axis=0)) for v in held]
    drawn_by = TFLITE_REFERENCE if profile is TFLM else profile
    runner = _Runner(model, drawn_by, count * DRAWS, np.random.default_rng(0))
    drawn = runner.operator(graph, operator, many)
    allowed: list[Array | None] = []
    for value, noisy in zip(exact.values, drawn.values, strict=True):
        if value.array.dtype.kind != "f" or noisy.shared:
            allowed.append(None)
            continue
        one = value.spread(count).astype(np.float64)
        runs = noisy.array.astype(np.float64).reshape(count, DRAWS, *one.shape[1:]).swapaxes(0, 1)
        with np.errstate(invalid="ignore", over="ignore"):
            spread = interval(runs - one, one)
        if not runner.rounded:
            allowed.append(None)
        elif not np.isfinite(spread).all() or spread.max(initial=0.0) > 0.1 * np.abs(one).max():
            raise NoOracle(f"{operator.name}: it amplifies rounding errors up to its own answers")
        else:
            allowed.append(spread)
    return exact._replace(allowed=tuple(allowed))


@dataclass(eq=False)
class _Runner:
    """Runs graphs for count samples. random: of an error within what is allowed that is added to
    every computed float; rounded: whether there was any."""

    model: Model
    profile: OperatorProfile
    count: int
    random: np.random.Generator | None = None
    rounded: bool = False
    loose: bool = False
    resources: dict[str, Value] = field(default_factory=dict)
    once: set[int] = field(default_factory=set)

    def graph(self, number: int, inputs: Sequence[Value], strict: bool = False) -> Trace:
        """Run one graph. strict: raise NoOracle rather than leave tensors open."""
        graph = self.model.graphs[number]
        values: dict[int, Value] = dict(zip(graph.inputs, inputs, strict=True))
        variables: dict[int, Value] = {}
        missing: dict[int, str] = {}
        loose: set[int] = set()  # that come from sums whose order is anybody's
        for position, operator in enumerate(graph.operators):
            known = {**values, **variables}
            held = [
                _given(graph, index, known) or _rest(graph, operator, index)
                for index in operator.inputs
            ]
            unknown = any(
                value is None and index != ABSENT and not _at_rest(graph, index)
                for index, value in zip(operator.inputs, held, strict=True)
            )
            if unknown:
                continue  # it lies behind an operator without an oracle
            before, self.loose = self.loose, False
            try:
                found = self.operator(graph, operator, held)
            except NoOracle as error:
                if strict:
                    raise
                missing[position] = str(error)
                continue
            self.loose |= any(allowed is not None for allowed in found.allowed)
            if self.loose or loose & set(operator.inputs):
                loose |= set(operator.outputs)
            self.loose |= before
            if found.states and number:
                raise NoOracle(f"{operator.name} with a state of its own in a loop")
            for index, value, allowed in zip(
                operator.outputs, found.values, found.allowed, strict=True
            ):
                values[index] = self._rounded(value, allowed, graph.tensors[index].dtype)
            for k, state in found.states.items():
                variables[operator.inputs[k]] = state
        return Trace(values, missing, frozenset(values) - loose)

    def operator(self, graph: Graph, operator: Operator, held: Sequence[Value | None]) -> Answers:
        """One operator's answers as its oracle has them."""
        if operator.name in _RUN_GRAPHS:
            return self._control(operator, held)
        if operator.name in _RESOURCES:
            return self._resource(operator, held)
        profile = self.profile
        if profile in WITHOUT_DELEGATE and dynamic(graph):
            profile = WITHOUT_DELEGATE[profile]
        return compute_all(call_without_values(graph, operator), held, profile, self.count)

    def _rounded(self, value: Value, allowed: Array | None, dtype: str) -> Value:
        """What the tensor of a computed float holds."""
        if allowed is None or value.array.dtype.kind != "f":
            return value
        array, shared = value
        if self.random is not None and np.any(allowed):
            array = value.spread(self.count)
            shared, self.rounded = False, True
            array = array + self.random.uniform(-1, 1, array.shape) * allowed
        return Value(np.asarray(array, dtype), shared)

    def _control(self, operator: Operator, held: Sequence[Value | None]) -> Answers:
        options, state = operator.options, [value for value in held if value is not None]
        if len(state) != len(held):
            raise NoOracle(f"{operator.name} without one of its inputs")
        try:
            if operator.name == "CALL_ONCE":
                number = int(options["init_subgraph_index"])
                if number not in self.once:
                    self.once.add(number)
                    self.graph(number, [], strict=True)
                return Answers((), (), {})
            if operator.name == "IF":
                branch = "then" if self._decided(state[0]) else "else"
                outputs = self._outputs(int(options[f"{branch}_subgraph_index"]), state[1:])
            else:
                outputs = self._loop(options, state)
        except NoOracle as error:
            raise NoOracle(f"{operator.name} of {error}") from None
        return Answers(tuple(outputs), (None,) * len(outputs), {})

    def _loop(self, options: Mapping[str, Any], state: list[Value]) -> list[Value]:
        condition, body = (int(options[f"{k}_subgraph_index"]) for k in ("cond", "body"))
        for _ in range(MOST_STEPS):
            (goes_on,) = self._outputs(condition, state)
            if not self._decided(goes_on):
                return state
            state = self._outputs(body, state)
        raise NoOracle(f"more than {MOST_STEPS} steps")

    def _outputs(self, number: int, inputs: Sequence[Value]) -> list[Value]:
        trace = self.graph(number, inputs, strict=True)
        graph = self.model.graphs[number]
        found = [_given(graph, index, trace.values) for index in graph.outputs]
        if any(value is None for value in found):
            raise NoOracle("a graph whose output nothing computes")
        return [value for value in found if value is not None]

    def _decided(self, value: Value) -> bool:
        first = bool(np.asarray(value.of(0)).reshape(-1)[0])
        if not value.shared and not np.all(value.array.astype(bool) == first):
            raise Uneven("a condition that holds for some samples")
        return first

    def _resource(self, operator: Operator, held: Sequence[Value | None]) -> Answers:
        if operator.name == "VAR_HANDLE":
            name = f"{operator.options.get('container')}/{operator.options.get('shared_name')}"
            return Answers((Value(np.asarray(name), True),), (None,), {})
        handle = held[0]
        assert handle is not None
        name = str(handle.array)
        if operator.name == "ASSIGN_VARIABLE":
            assert held[1] is not None
            self.resources[name] = held[1]
            return Answers((), (), {})
        if name not in self.resources:
            raise NoOracle("READ_VARIABLE of what nothing has assigned")
        return Answers((self.resources[name],), (None,), {})


def call_without_values(graph: Graph, operator: Operator) -> Call:
    """An operator with its tensors, before anything is in them."""
    return Call(
        operator.name,
        operator.version,
        operator.options,
        tuple(None if k == ABSENT else graph.tensors[k] for k in operator.inputs),
        (),
        tuple(graph.tensors[k] for k in operator.outputs),
        tuple(graph.tensors[k] for k in operator.intermediates),
    )


def _given(graph: Graph, index: int, values: Mapping[int, Value]) -> Value | None:
    """What is in a tensor: computed, or constant, or not known."""
    if index == ABSENT:
        return None
    if index in values:
        return values[index]
    data = graph.tensors[index].data
    if data is None or graph.tensors[index].variable:
        return None
    return Value(data, True)


def _apiece(allowed: Sequence[Array | None], values: Array) -> Array | None:
    """What is allowed to each of several samples; one that is due to the bit has nothing."""
    if all(limit is None for limit in allowed):
        return None
    zero = np.zeros(())
    shape = values.shape[1:]
    found: Array = np.stack(
        [np.broadcast_to(zero if a is None else np.reshape(a, shape), shape) for a in allowed]
    )
    return found


def _at_rest(graph: Graph, index: int) -> bool:
    """Whether a tensor is a variable that nothing but its own operator writes."""
    written = {k for operator in graph.operators for k in operator.outputs}
    return graph.tensors[index].variable and index not in written


#: The operators that know of themselves what their variables hold at rest.
_STATEFUL = ("UNIDIRECTIONAL_SEQUENCE_LSTM",)


def _rest(graph: Graph, operator: Operator, index: int) -> Value | None:
    """What another operator reads in a variable that nothing has written: its zero."""
    if index == ABSENT or operator.name in _STATEFUL or not _at_rest(graph, index):
        return None
    tensor = graph.tensors[index]
    return Value(np.full(tensor.shape, tensor.zero, tensor.dtype), True)


def _one(value: Value | None, sample: int) -> Value | None:
    if value is None or value.shared:
        return value
    return Value(value.array[sample : sample + 1])


def _spread(allowed: Array, value: Value, count: int) -> Array:
    """What is allowed, [N, …]."""
    if value.shared:
        return np.broadcast_to(allowed, (count, *value.array.shape))
    return np.broadcast_to(allowed, value.array.shape)


def _joined(each: Sequence[Trace]) -> Trace:
    """The traces of single samples as one, where their values have one shape."""
    values: dict[int, Value] = {}
    for index in each[0].values:
        found = [trace.values.get(index) for trace in each]
        if any(value is None for value in found):
            continue
        arrays = [value.of(0) for value in found if value is not None]
        if len({array.shape for array in arrays}) == 1:
            values[index] = Value(np.stack(arrays))
    exact = frozenset.intersection(*(trace.exact for trace in each))
    return Trace(values, each[0].missing, exact & set(values))
