"""Build an operator-level subject: its model, its inputs, and what it must answer.

That is, by its specification: the float64 LSTM of its description, or for integers the ideal
quantised one. What it answers to the bit is the affair of its runtime's profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.operators import BATCH, FEATURES, SAMPLES, STEPS, UNITS, OperatorForm
from harness.flatbuffer.bidirectional_builder import (
    OperatorBidirectional,
    build_basic,
    build_bidirectional,
)
from harness.flatbuffer.int16_rewriter import to_int16x8
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.operators.quantizer import integer_lstm, quantised
from reference.arithmetic.affine import Affine, dequantise
from reference.budgets.float_lstm import float_budget
from reference.budgets.quantised_lstm import kernel_budget
from reference.lstm.float64 import LstmOptions, LstmState, bidirectional, lstm
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.weights import Gates, LstmWeights

Array = NDArray[Any]
Wanted = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One operator ready to run. inputs [N, …]; wanted: each output's value [N, …] and budget, in
    real units; states: tensor indices; initial: written into them before each sample; carry:
    samples continue one another; affine: of an integer output."""

    content: bytes
    inputs: Array
    wanted: tuple[Wanted, ...]
    states: tuple[int, ...] = ()
    initial: tuple[Array, ...] = ()
    carry: bool = False
    affine: Affine | None = None


def prepare(form: OperatorForm) -> Prepared:
    """The model of a form with seeded weights and inputs, and what it must answer."""
    if form.kernel == "bidirectional":
        return _both_directions(form)
    if form.kernel == "basic":
        return _basic(form)
    return _float(form) if form.arithmetic == "float32" else _integer(form)


def real_outputs(prepared: Prepared, outputs: Sequence[Array]) -> list[Array]:
    """Outputs as real numbers."""
    if prepared.affine is None:
        return list(outputs)
    return [dequantise(output, prepared.affine) for output in outputs]


def _weights(form: OperatorForm, seed: int = 0) -> LstmWeights:
    """Normal weights; a projection comes with a bias."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> Array:
        return (form.gain * random.normal(0, 0.4, shape)).astype(np.float32)

    def gates(*shape: int, cell: bool = True) -> Gates:
        first = None if form.cifg else draw(*shape)
        return Gates(first, draw(*shape), draw(*shape) if cell else None, draw(*shape))

    width = form.projection
    projection = None if width is None else draw(width, UNITS)
    return LstmWeights(
        gates(UNITS, FEATURES),
        gates(UNITS, width or UNITS),
        gates(UNITS),
        gates(UNITS, cell=False) if form.peephole else None,
        projection,
        None if width is None else draw(width),
        gates(UNITS) if form.layer_norm else None,
    )


def _options(form: OperatorForm) -> LstmOptions:
    return LstmOptions(
        time_major=form.time_major,
        cell_clip=form.cell_clip,
        projection_clip=form.projection_clip,
        activation=form.activation,
    )


def _inputs(form: OperatorForm, steps: int = STEPS) -> Array:
    shape = (steps, form.batch) if form.time_major else (form.batch, steps)
    return np.random.default_rng(1).normal(0, 1, (SAMPLES, *shape, FEATURES)).astype(np.float32)


def _states() -> LstmState:
    random = np.random.default_rng(7)
    shape = (BATCH, UNITS)
    return LstmState(
        random.uniform(-0.8, 0.8, shape).astype(np.float32),
        random.uniform(-1.5, 1.5, shape).astype(np.float32),
    )


def _float(form: OperatorForm) -> Prepared:
    """A float operator against the float64 LSTM within its rounding budget."""
    weights, options = _weights(form), _options(form)
    one_step = form.kernel == "full"
    steps = 1 if one_step else STEPS
    initial = None if form.initial == "zeros" else _states()
    operator = OperatorLstm(
        weights,
        steps,
        form.batch,
        options,
        input_count=form.input_count,
        initial=initial if form.initial == "stored" else None,
        operator="LSTM" if one_step else "UNIDIRECTIONAL_SEQUENCE_LSTM",
    )
    made = build(operator)
    x = _inputs(form, steps)
    values, budgets = [], []
    state = initial
    for sample in x:
        run = lstm(weights, sample, options, state)
        values.append(run.outputs)
        budgets.append(float_budget(weights, sample, options, state).outputs)
        state = run.state if form.carry else state
    if one_step:  # it has no time axis
        x, values, budgets = x[:, :, 0], [v[:, 0] for v in values], [b[:, 0] for b in budgets]
    written: tuple[Array, ...] = ()
    if form.initial == "written" and initial is not None:
        written = tuple(np.stack([part.astype(np.float32)] * len(x)) for part in initial)
    return Prepared(
        made.content,
        x,
        ((np.stack(values), np.stack(budgets)),),
        (made.hidden_state, made.cell_state),
        written,
        form.carry,
    )


def _both_directions(form: OperatorForm) -> Prepared:
    """Two directions, each against the float64 LSTM."""
    ahead, back = _weights(form, 0), _weights(form, 1)
    options = _options(form)
    x = _inputs(form)
    operator = OperatorBidirectional(ahead, back, STEPS, form.batch, options, form.merged)
    made = build_bidirectional(operator)
    runs, bounds = [], []
    reverse = replace(options, go_backwards=True)
    for sample in x:
        runs.append(list(bidirectional(ahead, back, sample, options, merge=None)))
        pair = [float_budget(ahead, sample, options), float_budget(back, sample, reverse)]
        bounds.append([budget.outputs for budget in pair])
    if form.merged:
        runs = [[np.concatenate(pair, axis=-1)] for pair in runs]
        bounds = [[np.concatenate(pair, axis=-1)] for pair in bounds]
    wanted = tuple(
        (np.stack([run[k] for run in runs]), np.stack([bound[k] for bound in bounds]))
        for k in range(len(runs[0]))
    )
    return Prepared(made.content, x, wanted)


def _basic(form: OperatorForm) -> Prepared:
    """One step of the BASIC form."""
    weights = _weights(form)
    made = build_basic(weights, form.batch)
    x = _inputs(form, 1)
    values = np.stack([lstm(weights, sample).outputs[:, 0] for sample in x])
    budgets = np.stack([float_budget(weights, sample).outputs[:, 0] for sample in x])
    states = (made.hidden_state, made.cell_state)
    return Prepared(made.content, x[:, :, 0], ((values, budgets),), states)


def _integer(form: OperatorForm) -> Prepared:
    """An integer operator against the ideal quantised LSTM at the right scales."""
    x = _inputs(form)
    right = integer_lstm(_weights(form), x, _options(form))
    doubled = {name: 2 * getattr(right, name) for name in form.doubled}
    model: IntegerLstm = replace(right, **form.replaced, **doubled)  # type: ignore[arg-type]
    operator = OperatorLstm(
        model,
        STEPS,
        form.batch,
        intermediates=form.intermediates,
        input_count=form.input_count,
    )
    made = build(operator)
    content = made.content
    if form.arithmetic == "int16x8":
        content = to_int16x8(content)
        (found,) = lstm_operators(content)
        assert isinstance(found.parameters, IntegerLstm)
        right = model = found.parameters
    integers = quantised(
        x, Affine(model.input_scale, model.input_zero_point, model.activation_dtype)
    )
    values, budgets = [], []
    state = None
    for sample in integers:
        ideal, budget = kernel_budget(right, sample, state)
        values.append(ideal.outputs)
        budgets.append(budget.outputs)
        state = ideal.state if form.carry else None
    return Prepared(
        content,
        integers,
        ((np.stack(values), np.stack(budgets)),),
        (made.hidden_state, made.cell_state),
        carry=form.carry,
        affine=Affine(model.output_scale, model.output_zero_point, model.activation_dtype),
    )
