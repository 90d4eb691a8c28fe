"""Prove that an integer file's repaired scales are the same function, and less wrong.

Nothing but what the repair says it changed may be another. Each LSTM operator, before and after,
is held to the float64 value of the numbers that the file stored before (kernels, biases and inputs
dequantised), on every runtime, and every runtime to its integer oracle, to the bit. With the Keras
model the whole file is held to it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome
from fixtures.recipes import AS_CONVERTED
from fixtures.runtimes import Runtime
from fixtures.subjects import Subject
from harness.checks.parity import measure_parity
from harness.flatbuffer.int16_rewriter import indices
from harness.flatbuffer.operator_extraction import Part
from harness.flatbuffer.scale_repair import (
    Change,
    Place,
    consistent,
    quantisation_of,
    repaired,
    text,
)
from harness.flatbuffer.schema import builtin_name, unpack
from harness.operators.exactness import merged
from harness.pipeline.cases import Case, Measured
from harness.quantization.scale_predictions import PROFILES, predict
from harness.session.session import Session
from reference.arithmetic.affine import Affine, dequantise, quantise
from reference.budgets.quantised_lstm import dequantised_weights, ideal_run
from reference.lstm.float64 import LstmOptions, LstmRun, LstmState, lstm
from reference.lstm.integer_weights import IntegerLstm

Array = NDArray[Any]
SUITE = "repair"


@dataclass(frozen=True)
class OperatorError:
    """How far one runtime's LSTM operator is from the float64 value of its own numbers.

    error: root mean square, in the output's unit; None where the runtime did not answer (how says
    why). spread: standard deviation of that value: an error as large says nothing any more.
    """

    place: Place
    number: int
    runtime: str
    error: float | None
    spread: float
    how: str = ""


@dataclass(frozen=True)
class File:
    """A flatbuffer's operators and whole answers on each runtime."""

    operators: tuple[OperatorError, ...]
    whole: dict[str, Measured]
    #: What makes a runtime's LSTM another than its oracle says, or wrong by its own arithmetic.
    faults: tuple[str, ...] = ()


def examine(
    session: Session,
    subject: Subject,
    runtimes: Sequence[Runtime],
    numbers: Sequence[IntegerLstm | None] = (),
) -> File:
    """Run a flatbuffer's LSTM operators and, where its Keras model is known, the whole file.

    numbers: what each LSTM's numbers mean, where they are held to another file's than their own.
    """
    case = Case(SUITE, subject, AS_CONVERTED)
    artifacts = session.artifacts(case)
    errors: list[OperatorError] = []
    faults: list[str] = []
    for part in artifacts.operators.parts:
        model = part.found.parameters
        if not isinstance(model, IntegerLstm):
            continue
        value = true_value(part, numbers[part.position] if numbers else None)
        errors += [_error(session, part, model, value, runtime) for runtime in runtimes]
        faults += _wrong(part, model, runtimes)
    for name, entries in artifacts.operators.results.items():
        faults += [
            f"LSTM {entry.position} on {name}: {entry.problem or entry.message}"
            for entry in entries
            if not entry.proven and entry.problem == ""
        ]
    whole = {}
    if subject.keras_path is not None:
        whole = {
            runtime.name: measure_parity(replace(case, runtime=runtime), session)
            for runtime in runtimes
        }
    return File(tuple(errors), whole, tuple(faults))


def keeping_own_scale(content: bytes, parts: Sequence[Part]) -> set[Place]:
    """The LSTMs for which the output's scale is too coarse, or too narrow, for the hidden state.

    Those whose ideal quantised run at the output's scale has more than twice the error of the run
    at the hidden state's own, requantised to the output's for whoever reads it: only that is worth
    another operator.
    """
    _, changes = repaired(content)
    places = {change.place for change in changes if "cell" not in change.role}
    own = set()
    for part in parts:
        model, place = part.found.parameters, (part.found.subgraph, part.found.position)
        if place not in places or not isinstance(model, IntegerLstm):
            continue
        value = true_value(part)
        x = _real_inputs(part)
        initial = _initial(part, model)
        whole = consistent(model)
        alone = replace(
            whole,
            output_state_scale=model.hidden_scale,
            output_state_zero_point=model.hidden_zero_point,
            hidden_scale=model.hidden_scale,
            hidden_zero_point=model.hidden_zero_point,
            output_scale=model.hidden_scale,
            output_zero_point=model.hidden_zero_point,
        )
        output = _affine(model)
        outputs = ideal_run(alone, x, initial).outputs
        requantised = dequantise(quantise(outputs, output), output)
        error = _rms(ideal_run(whole, x, initial).outputs - value)
        if error > 2 * _rms(requantised - value):
            own.add(place)
    return own


def cells_reached(parts: Sequence[Part]) -> dict[Place, float]:
    """The largest |cell| of each integer LSTM on its real inputs, by the float64 value."""
    reached = {}
    for part in parts:
        model = part.found.parameters
        if isinstance(model, IntegerLstm):
            steps = _run(part, keep_steps=True).steps
            largest = max((float(np.abs(step.cell).max()) for step in steps), default=0.0)
            reached[part.found.subgraph, part.found.position] = largest
    return reached


def true_value(part: Part, numbers: IntegerLstm | None = None) -> Array:
    """The outputs [batch, time, units], or time-major, of the numbers that the file stores (or of
    another file's), without any rounding on the way."""
    return _run(part, numbers).outputs


def _run(part: Part, numbers: IntegerLstm | None = None, keep_steps: bool = False) -> LstmRun:
    own = part.found.parameters
    assert isinstance(own, IntegerLstm)
    model = numbers or own
    options = LstmOptions(cell_clip=model.cell_clip, time_major=model.time_major)
    affine = Affine(own.input_scale, own.input_zero_point, own.activation_dtype)
    x = dequantise(_real_inputs(part), affine)
    initial = _initial(part, own)
    return lstm(dequantised_weights(model), x, options, initial, keep_steps=keep_steps)


def _real_inputs(part: Part) -> Array:
    """What the samples make the operator read: without the sequences drawn over its range."""
    real = len(part.inputs) - part.drawn
    return merged(part.inputs[:real], part.found.options.time_major)


def _initial(part: Part, model: IntegerLstm) -> LstmState | None:
    """The states that other operators compute, in real units; None at rest."""
    if not part.initial:
        return None
    real = len(part.inputs) - part.drawn
    hidden, cell = (state[:real].reshape(-1, state.shape[-1]) for state in part.initial)
    of_hidden = Affine(
        model.output_state_scale, model.output_state_zero_point, model.activation_dtype
    )
    return LstmState(dequantise(hidden, of_hidden), cell * model.cell_scale)


def _error(
    session: Session, part: Part, model: IntegerLstm, value: Array, runtime: Runtime
) -> OperatorError:
    place, spread = (part.found.subgraph, part.found.position), float(np.std(value))
    bounds = session.settings.bounds(Subject("", "tflite"))
    run = session.operators.run(runtime, part.content, part.arrays, part.states, bounds=bounds)
    if run.result is not None:
        return OperatorError(place, part.position, runtime.name, None, spread, str(run.result))
    real = len(part.inputs) - part.drawn
    outputs = merged(run.outputs[0][:real], part.found.options.time_major)
    error = _rms(dequantise(outputs, _affine(model)) - value)
    return OperatorError(place, part.position, runtime.name, error, spread)


def _wrong(part: Part, model: IntegerLstm, runtimes: Sequence[Runtime]) -> list[str]:
    """Runtimes that are wrong by their own arithmetic at these scales."""
    asked = {runtime.adapter.kernels for runtime in runtimes}
    return [
        f"LSTM {part.position} on {name}: {said.over:.3g} times the budget of its arithmetic"
        for name, said in predict(model, _real_inputs(part)).items()
        if name in asked and name in PROFILES and said.wrong
    ]


def worse(before: File, after: File) -> list[str]:
    """What the repair left worse than it was, or wrong; empty where it is proven."""
    found = list(after.faults)
    old = {(error.number, error.runtime): error for error in before.operators}
    for new in after.operators:
        was = old.get((new.number, new.runtime))
        if was is None or (was.error is not None and new.error is None):
            found.append(f"LSTM {new.number} on {new.runtime} does not run any more: {new.how}")
    for name, measured in after.whole.items():
        was_whole = before.whole[name].result
        ran = was_whole.agreed or was_whole.outcome is Outcome.DIVERGED
        runs = measured.result.agreed or measured.result.outcome is Outcome.DIVERGED
        if (ran and not runs) or (was_whole.agreed and not measured.result.agreed):
            found.append(f"{name}: {measured.result}")
    return found


def other_changes(before: bytes, after: bytes, changes: Sequence[Change]) -> list[str]:
    """What is another in the repaired file beyond the changes told: stored numbers, types, shapes,
    the graph, and scales of tensors that no change names."""
    old, new = unpack(before), unpack(after)
    named = {change.tensor for change in changes}
    found = []
    for graph, again in zip(old.subgraphs, new.subgraphs, strict=True):
        fresh = range(len(graph.tensors), len(again.tensors))
        for index, tensor in enumerate(graph.tensors):
            other, name = again.tensors[index], text(tensor.name)
            if _stored(old, tensor) != _stored(new, other):
                found.append(f"tensor {name!r} holds other numbers or is of another form")
            if name not in named and quantisation_of(tensor) != quantisation_of(other):
                found.append(f"tensor {name!r} has another scale or zero point")
        meaning = _meanings(new, again, fresh)
        kept = [o for o in again.operators if not _inserted(new, o, fresh)]
        if [_operator(old, o, {}) for o in graph.operators] != [
            _operator(new, o, meaning) for o in kept
        ]:
            found.append("the graph is another")
        if (list(graph.inputs), list(graph.outputs)) != (list(again.inputs), list(again.outputs)):
            found.append("inputs or outputs are others")
    return found


def _stored(model: Any, tensor: Any) -> tuple[Any, ...]:
    raw = model.buffers[tensor.buffer].data
    return int(tensor.type), list(tensor.shape), None if raw is None else bytes(bytearray(raw))


def _inserted(model: Any, operator: Any, fresh: range) -> bool:
    """Whether an operator is a QUANTIZE from or to a tensor that the repair made."""
    touched = [*operator.inputs, *operator.outputs]
    return builtin_name(model, operator) == "QUANTIZE" and any(k in fresh for k in touched)


def _meanings(model: Any, graph: Any, fresh: range) -> dict[int, int]:
    """Of each tensor that the repair made, the one of the original that it stands for."""
    found = {}
    for operator in graph.operators:
        if _inserted(model, operator, fresh):
            (source,), (target,) = operator.inputs, operator.outputs
            new, original = (source, target) if source in fresh else (target, source)
            found[int(new)] = int(original)
    return found


def _operator(model: Any, operator: Any, meaning: Mapping[int, int]) -> tuple[Any, ...]:
    """An operator's kind, options and tensors, with the originals of those the repair made."""
    lists = (operator.inputs, operator.outputs, operator.intermediates)
    tensors = [[meaning.get(int(k), int(k)) for k in indices(one)] for one in lists]
    options = operator.builtinOptions
    return builtin_name(model, operator), tensors, {} if options is None else dict(vars(options))


def _affine(model: IntegerLstm) -> Affine:
    return Affine(model.output_scale, model.output_zero_point, model.activation_dtype)


def _rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))
