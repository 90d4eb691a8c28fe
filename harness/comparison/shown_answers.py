"""Choose a few answers beside what they must be, for a picture in the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Most values of a picture: more would not be told apart on a screen.
MOST = 160
#: Of these, how many are the worst ones.
_WORST = 32
#: Dimensions of an output with time steps: samples, batch, steps, units.
_SEQUENCE = 4


def shown(
    expected: Sequence[Array], actual: Sequence[Array], budgets: Sequence[Any]
) -> dict[str, Any] | None:
    """The report's entry `answers`; None where nothing can be shown.

    expected, actual: an array [N, batch, …] for each output, real numbers. budgets: of each output,
    with `largest`. Of the output that uses most of its budget: where it has time steps, the unit
    and sample that are furthest off, step by step, and the largest error of any sample at each
    step; else values of all samples, evenly chosen, and the worst.
    """
    found = [
        (_share(want, got, allowed), k)
        for k, (want, got, allowed) in enumerate(zip(expected, actual, budgets, strict=False))
        if want.shape == got.shape and want.size
    ]
    if not found:
        return None
    _, k = max(found)
    with np.errstate(invalid="ignore"):  # a NaN of whatever kind is shown as none
        want, got = (np.asarray(side[k], np.float64) for side in (expected, actual))
    largest = float(budgets[k].largest)
    entry: dict[str, Any] = {
        "output": k,
        "of": len(expected),
        "budget": largest if np.isfinite(largest) else None,
    }
    error = np.abs(np.nan_to_num(got - want, nan=np.inf, posinf=np.inf, neginf=np.inf))
    if want.ndim == _SEQUENCE and want.shape[2] > 1:
        return entry | _by_step(want, got, error)
    flat = error.reshape(-1)
    even = np.linspace(0, flat.size - 1, min(flat.size, MOST - _WORST)).astype(int)
    chosen = np.unique(np.concatenate([even, np.argsort(flat)[-_WORST:]]))
    return entry | {
        "expected": _numbers(want.reshape(-1)[chosen]),
        "actual": _numbers(got.reshape(-1)[chosen]),
    }


def _by_step(want: Array, got: Array, error: Array) -> dict[str, Any]:
    sample, row, _, unit = np.unravel_index(int(error.argmax()), error.shape)
    steps = want.shape[2]
    kept = slice(0, min(steps, MOST))
    return {
        "steps": steps,
        "sample": int(sample),
        "unit": int(unit),
        "expected": _numbers(want[sample, row, kept, unit]),
        "actual": _numbers(got[sample, row, kept, unit]),
        "by_step": _numbers(error[:, :, kept].max(axis=(0, 1, 3))),
    }


def _share(want: Array, got: Array, allowed: Any) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        error = float(np.max(np.abs(np.asarray(got, np.float64) - want)))
    return error / max(float(allowed.largest), 1e-300) if np.isfinite(error) else np.inf


def _numbers(values: Array) -> list[float | None]:
    """Six digits, which a picture cannot show; None for what is no number."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
