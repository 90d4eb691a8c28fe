"""Compute what a kernel answers to a sequence that is given to it in pieces, invoke by invoke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.float64 import LstmRun, LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import Profile


def lstm_invokes(
    model: IntegerLstm,
    x: NDArray[Any],
    profile: Profile,
    lengths: Sequence[int],
    initial: LstmState | None = None,
) -> LstmRun:
    """Run the integer LSTM in several invokes of the given numbers of steps.

    x: the whole sequence, as for `lstm_integer`; lengths add up to its steps. initial: the variable
    tensors at first, at rest where None; a kernel that clears its state does not read them.
    Returns the outputs of all steps, and the variable tensors after the last invoke: those of a
    kernel that clears its state stay as they were.
    Raises ValueError as `lstm_integer` does, and for lengths that do not fit.
    """
    axis = 0 if model.time_major else 1
    if x.ndim != 3 or sum(lengths) != x.shape[axis] or min(lengths, default=0) < 1:
        raise ValueError(f"pieces of {list(lengths)} steps do not make up an input of {x.shape}")
    if profile.state == "carried":
        return _one_after_another(model, x, profile, lengths, initial)
    outputs = np.empty((*x.shape[:2], model.outputs), model.activation_dtype)
    for length in dict.fromkeys(lengths):
        _all_of_one_length(model, x, profile, lengths, length, outputs)
    rows = x.shape[1 - axis]
    rest = LstmState(
        np.full((rows, model.outputs), model.output_state_zero_point, model.activation_dtype),
        np.zeros((rows, model.units), np.int16),
    )
    return LstmRun(outputs, initial or rest, ())


def _one_after_another(
    model: IntegerLstm,
    x: NDArray[Any],
    profile: Profile,
    lengths: Sequence[int],
    state: LstmState | None,
) -> LstmRun:
    axis = 0 if model.time_major else 1
    outputs = []
    for piece in np.split(x, np.cumsum(lengths)[:-1], axis):
        run = lstm_integer(model, piece, profile, state)
        outputs.append(run.outputs)
        state = run.state
    assert state is not None
    return LstmRun(np.concatenate(outputs, axis), state, ())


def _all_of_one_length(
    model: IntegerLstm,
    x: NDArray[Any],
    profile: Profile,
    lengths: Sequence[int],
    length: int,
    outputs: NDArray[Any],
) -> None:
    """Invokes that start from nothing do not know of each other: those of one length are the
    entries of one batch."""
    starts = np.cumsum([0, *lengths[:-1]])[np.asarray(lengths) == length]
    steps = starts[:, None] + np.arange(length)
    if model.time_major:
        pieces = x[steps].swapaxes(0, 1).reshape(length, -1, x.shape[2])
        found = lstm_integer(model, pieces, profile).outputs
        outputs[steps] = found.reshape(length, len(starts), x.shape[1], -1).swapaxes(0, 1)
    else:
        pieces = x[:, steps].reshape(-1, length, x.shape[2])
        found = lstm_integer(model, pieces, profile).outputs
        outputs[:, steps] = found.reshape(x.shape[0], len(starts), length, -1)
