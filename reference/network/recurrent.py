"""Compute Keras 2.15's recurrent layers in float64: time, masks, states, directions.

The loop follows backend.rnn: a masked step keeps every state and repeats the previous output,
zeros before the first one. Cells are in `reference.network.cells`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference.network.cells import Cell, make_cell
from reference.network.config import wrapped
from reference.network.hooks import Array, UnsupportedLayer
from reference.network.layers import LEAD, Function, Layer, Run, Tensor
from reference.network.steps import added

_WITH_CELL = {"LSTM": "LSTMCell", "GRU": "GRUCell", "SimpleRNN": "SimpleRNNCell"}
_CONVOLUTIONAL = ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_RECURRENT = (*_WITH_CELL, "RNN", *_CONVOLUTIONAL)


def fused(layer: Layer, masked: bool) -> bool:
    """Whether the 2.15.1 converter makes one UNIDIRECTIONAL_SEQUENCE_LSTM of this layer."""
    options = layer.options
    return (
        layer.kind == "LSTM"
        and (options["activation"], options["recurrent_activation"]) == ("tanh", "sigmoid")
        and bool(options["use_bias"])
        and not (options["unroll"] or options["stateful"] or options["recurrent_dropout"])
        and not (masked or layer.states_read)
    )


def recurrent(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """LSTM, GRU, SimpleRNN, RNN and ConvLSTM1D: outputs, then final states if returned."""
    options, name = layer.options, layer.name
    (x, mask), initial = inputs[0], [state.value for state in inputs[1:]]
    is_fused = fused(layer, mask is not None)
    inner: Mapping[str, Any]
    if layer.kind == "RNN":
        kind, inner = wrapped(name, options["cell"])
        if kind == "StackedRNNCells" and (options["return_state"] or initial):
            raise UnsupportedLayer(f"layer {name!r}: the nested states of StackedRNNCells")
    else:
        kind, inner = _WITH_CELL.get(layer.kind, layer.kind), options
    cell, left = make_cell(run, name, kind, inner, list(layer.weights), x.shape[-1], is_fused)
    if left:
        raise ValueError(f"layer {name!r}: {len(left)} weights too many")
    time_axis = LEAD if options["time_major"] else LEAD + 1
    steps, batch_shape = _time_first(x, time_axis)
    masks = None if mask is None else _time_first(mask, time_axis)[0]
    states = _initial(run, cell, name, initial, is_fused, steps, batch_shape[0])
    backwards = bool(options["go_backwards"])
    outputs, states = _scan(cell, steps, masks, states, backwards, options)
    if run.carried is not None and is_fused:
        run.carried[name] = states
    if options["return_sequences"]:
        values = np.moveaxis(np.stack(outputs), 0, 2)  # [trials, rows, time, …]
        values = values.reshape(len(values), *batch_shape, *values.shape[2:])
        values = np.moveaxis(values, LEAD + 1, time_axis)
    else:
        values = _unfold(outputs[-1], batch_shape)
    found = [Tensor(values, mask if options["return_sequences"] else None)]
    if options["return_state"]:
        found += [Tensor(_unfold(state, batch_shape)) for state in states]
    return found


def _scan(
    cell: Cell,
    steps: Array,
    masks: Array | None,
    states: list[Array],
    backwards: bool,
    options: Mapping[str, Any],
) -> tuple[list[Array], list[Array]]:
    """Every step's output [trials, rows, …] in the order of computation, and the last states."""
    projected = cell.project(steps)
    outputs: list[Array] = []
    previous: Array | None = None
    for t in reversed(range(len(steps))) if backwards else range(len(steps)):
        output, new_states = cell.step([part[t] for part in projected], states)
        if masks is not None:
            here = masks[t].reshape(*masks[t].shape, *(1,) * (output.ndim - 2))
            if previous is None or options["zero_output_for_mask"]:
                previous = np.zeros_like(output)
            output = np.where(here, output, previous)
            new_states = [np.where(here, n, o) for n, o in zip(new_states, states, strict=True)]
            previous = output
        states = new_states
        outputs.append(output)
    if not outputs:
        raise ValueError("a sequence without time steps")
    return outputs, states


def _time_first(x: Array, time_axis: int) -> tuple[Array, tuple[int, int]]:
    """[time, trials, samples * batch, …] from [trials, samples, …], and (samples, batch)."""
    moved = np.moveaxis(x, time_axis, 0)
    time, trials, samples, batch = moved.shape[:4]
    return moved.reshape(time, trials, samples * batch, *moved.shape[4:]), (samples, batch)


def _unfold(state: Array, batch_shape: tuple[int, int]) -> Array:
    return state.reshape(len(state), *batch_shape, *state.shape[2:])


def _initial(
    run: Run,
    cell: Cell,
    name: str,
    given: list[Array],
    is_fused: bool,
    steps: Array,
    samples: int,
) -> list[Array]:
    """Initial states [trials or 1, rows, …]: given, carried over from the last run, or zero."""
    rows = steps.shape[2]
    shapes = cell.state_shapes(steps.shape[3:])
    zeros = [np.zeros((1, rows, *shape)) for shape in shapes]
    if given:
        batch = steps.shape[2] // samples
        states = [
            np.broadcast_to(s, (len(s), samples, batch, *s.shape[LEAD + 1 :])).reshape(
                len(s), rows, *s.shape[LEAD + 1 :]
            )
            for s in given
        ]
        if [state.shape[1:] for state in states] != [zero.shape[1:] for zero in zeros]:
            raise ValueError(f"layer {name!r}: initial states of wrong number or shape")
        return states
    if run.carried is not None and is_fused:
        return run.carried.get(name, zeros)
    return zeros


def bidirectional(run: Run, layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Two recurrent layers, the second one backwards, its outputs put in the input's order.

    Keras has both give zeros at masked steps when they return sequences, whatever they say
    themselves (keras/layers/rnn/bidirectional.py 2.15, force_zero_output_for_mask).
    """
    name = layer.name
    kind, forward = wrapped(name, layer.options["layer"])
    if kind not in _RECURRENT:
        raise UnsupportedLayer(f"layer {name!r}: Bidirectional({kind})")
    back_kind, backward = kind, {**forward, "go_backwards": not forward["go_backwards"]}
    if layer.options["backward_layer"]:
        back_kind, backward = wrapped(name, layer.options["backward_layer"])
        if back_kind not in _RECURRENT or backward["go_backwards"] == forward["go_backwards"]:
            raise UnsupportedLayer(f"layer {name!r}: backward layer of class {back_kind}")
    states, weights = inputs[1:], len(layer.weights)
    half, middle = len(states) // 2, weights // 2
    directions = []
    for part, part_kind, options, own, first in (
        ("forward", kind, forward, layer.weights[:middle], states[:half]),
        ("backward", back_kind, backward, layer.weights[middle:], states[half:]),
    ):
        options = {**options, "zero_output_for_mask": options["return_sequences"]}
        inner = Layer(f"{name}/{part}", part_kind, options, own, layer.states_read)
        directions.append(recurrent(run, inner, [inputs[0], *first]))
    ahead, back = directions
    if forward["return_sequences"]:
        axis = LEAD if forward["time_major"] else LEAD + 1
        back[0] = Tensor(np.flip(back[0].value, axis), back[0].mask)
    final = [*ahead[1:], *back[1:]]
    merge = layer.options["merge_mode"]
    if merge is None:
        return [ahead[0], back[0], *final]
    pair = [ahead[0].value, back[0].value]
    if merge == "concat":
        value = run.hooks.tensor(name, np.concatenate(pair, axis=-1))
    elif merge == "mul":
        value = run.hooks.tensor(name, pair[0] * pair[1])
    else:
        scale = 0.5 if merge == "ave" else 1.0
        value = added(run.hooks, name, *(scale * part for part in pair))
    return [Tensor(value, ahead[0].mask), *final]


RECURRENT: dict[str, Function] = {
    **dict.fromkeys(_RECURRENT, recurrent),
    "Bidirectional": bidirectional,
}
