"""Draw the data of a plan: what its user feeds the model, and calibrates the conversion with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.variants import Input
from harness.assurance.world.plan import Plan

Arrays = dict[str, NDArray[Any]]
#: Samples of --inputs and of --calibration; a careless user takes `FEW` of the latter.
INPUTS, CALIBRATION, FEW = 24, 48, 4
#: The spread of calibration data that was taken elsewhere, in that of the inputs.
OTHER_SPREAD = 0.6


def inputs_of(plan: Plan, inputs: Sequence[Input]) -> Arrays:
    """The samples of a comparison by input, [INPUTS, …] each."""
    return _drawn(plan, inputs, INPUTS, "inputs")


def calibration_of(plan: Plan, inputs: Sequence[Input]) -> Arrays:
    """The samples of the calibration by input, [CALIBRATION or FEW, …] each."""
    count = FEW if plan.calibration == "few" else CALIBRATION
    arrays = _drawn(plan, inputs, count, "calibration")
    if plan.calibration == "other":
        for name, array in arrays.items():
            if array.dtype.kind == "f":
                middle = array.mean()
                arrays[name] = (middle + OTHER_SPREAD * (array - middle)).astype(array.dtype)
    return arrays


def training_of(plan: Plan, inputs: Sequence[Input]) -> Arrays:
    return _drawn(plan, inputs, 32, "training")


def _drawn(plan: Plan, inputs: Sequence[Input], count: int, purpose: str) -> Arrays:
    number = ("inputs", "calibration", "training").index(purpose)
    found = {}
    for position, entry in enumerate(inputs):
        random = np.random.default_rng([plan.seed, position, number])
        shape = (count, *entry.shape)
        if entry.vocabulary is not None:
            found[entry.name] = random.integers(1, entry.vocabulary, shape).astype(entry.dtype)
            continue
        kind = plan.data if position == 0 else "normal"
        # What a model's features are like is fixed; what is drawn of them is not.
        fixed = np.random.default_rng([plan.seed, position])
        values = _values(kind, random, fixed, shape)
        if plan.front == "masking" and position == 0:
            values[:, -(entry.shape[0] // 3) or len(values[0]) :] = 0
        found[entry.name] = values.astype(entry.dtype)
    return found


def _values(
    kind: str, random: np.random.Generator, fixed: np.random.Generator, shape: tuple[int, ...]
) -> Any:
    normal = random.normal(0, 1, shape)
    if kind == "unit":
        return random.random(shape)
    if kind == "unnormalised":  # temperature, pressure, humidity …
        last = shape[-1]
        return fixed.uniform(-20, 300, last) + 10.0 ** fixed.uniform(-1, 1.5, last) * normal
    if kind == "one-hot" and shape[-1] > 1:
        return np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])]
    if kind == "bytes":
        return random.integers(0, 256, shape).astype(np.float64)
    if kind == "heavy-tails":
        return random.standard_t(2.5, shape)
    if kind == "smooth" and len(shape) > 2:
        phase = random.uniform(0, 2 * np.pi, (shape[0], *[1] * (len(shape) - 2), shape[-1]))
        steps = np.arange(shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
        return np.sin(0.4 * steps + phase) + 0.1 * normal
    return normal
