"""Account for the differences between two runtimes' integer LSTMs by named factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.float64 import LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_preparation import truncated_steps
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import Profile, factors, with_factor

#: Factors that change nothing within one invoke.
_IDLE = ("state", "first_recurrent")


@dataclass(frozen=True)
class Attribution:
    """values: compared; different: of them differ between the two profiles.

    by_factor: how many of the different values each factor changes when the factors are
    exchanged one after another; a value can be changed by several.
    residual: values of the observed outputs that their own profile does not explain, 0 expected;
    None when nothing observed was given.
    """

    values: int
    different: int
    by_factor: dict[str, int]
    residual: int | None


def attribute(
    model: IntegerLstm,
    x: NDArray[Any],
    a: Profile,
    b: Profile,
    observed_a: NDArray[Any] | None = None,
    observed_b: NDArray[Any] | None = None,
    initial: LstmState | None = None,
) -> Attribution:
    """Walk from profile a to profile b, one factor at a time, and count what each step changes.

    x: quantised input as for lstm_integer; observed: the runtimes' outputs for it, same shape.
    """
    path = [lstm_integer(model, x, a, initial).outputs]
    profile, names = a, factors(a, b)
    for name in names:
        profile = with_factor(profile, name, b)
        idle = _is_idle(name, model)
        path.append(path[-1] if idle else lstm_integer(model, x, profile, initial).outputs)
    differs = path[0] != path[-1]
    by_factor = {
        name: int(np.count_nonzero((path[k] != path[k + 1]) & differs))
        for k, name in enumerate(names)
    }
    residual = None
    if observed_a is not None and observed_b is not None:
        residual = int(
            np.count_nonzero(observed_a != path[0]) + np.count_nonzero(observed_b != path[-1])
        )
    return Attribution(differs.size, int(np.count_nonzero(differs)), by_factor, residual)


def _is_idle(factor: str, model: IntegerLstm) -> bool:
    """Whether a factor changes nothing of a model, so that it need not be run."""
    if factor == "other_activation":
        return model.activation == "tanh"
    if factor == "clip_quotient":
        narrow, wide = (
            truncated_steps(max(model.cell_clip, 0.0), model.cell_scale, 2**15 - 1, precision)
            for precision in (np.float32, np.float64)
        )
        return narrow == wide
    if factor in ("accumulator", "half_bit"):
        return model.activation_dtype == "int8"
    return factor in _IDLE
