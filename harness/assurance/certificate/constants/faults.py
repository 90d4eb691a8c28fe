"""List a fault of each kind of constant, option, scale and wire, on three architectures.

Every one goes unseen by a comparison of answers, or may: what is judged is the file itself, gated
with its source and the samples that it was calibrated with. Beside them stand the files unharmed,
and what is equivalent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.variants import Variant
from harness.assurance.certificate.constants import edits
from harness.assurance.certificate.constants.sources import (
    CONVOLVED,
    EMBEDDED,
    NORMALISED,
    SOURCES,
    WORDS,
    Edit,
    said,
)
from harness.assurance.certificate.fault import Fault, Place
from harness.assurance.certificate.readings import InjectionBench, Reading

Array = NDArray[Any]
_CONV, _DENSE, _LSTM = "CONV_2D", "FULLY_CONNECTED", "UNIDIRECTIONAL_SEQUENCE_LSTM"


def _second(by: int) -> Any:
    """The second value so many steps more."""
    return lambda values: values + by * (np.arange(values.size) == 1)


def _unused(values: Array) -> Array:
    """A row of the table that no sample asks for."""
    values[WORDS + 3] = values[WORDS + 3][::-1]
    return values


def _once_more(values: Array) -> Array:
    """As if an epsilon of 0.01 had been folded twice: off by a percent or so, channel by
    channel."""
    axes = tuple(range(1, values.ndim))
    sizes = 1 + 0.02 * np.arange(len(values)) / max(len(values) - 1, 1)
    shrunk = values / sizes.reshape(-1, *(1,) * len(axes))
    return np.asarray(np.rint(shrunk))


_OF_ALL: tuple[tuple[str, str, Edit], ...] = (
    (
        "one weight of the LSTM a step off",
        "one weight",
        edits.constant(_LSTM, 2, edits.steps_off(1)),
    ),
    (
        "one recurrent weight 20 steps off",
        "one weight",
        edits.constant(_LSTM, 7, edits.steps_off(20)),
    ),
    ("a bias of the LSTM off by 50", "one bias", edits.constant(_LSTM, 13, _second(50))),
    (
        "one weight of a Dense a step off",
        "one weight",
        edits.constant(_DENSE, 1, edits.steps_off(1), -1),
    ),
    ("a bias of a Dense off by 50", "one bias", edits.constant(_DENSE, 2, _second(50), -1)),
    ("a cell clip of 2", "clip that is not reached", edits.option(_LSTM, "cellClip", 2.0)),
    ("a cell clip of 3", "clip that is not reached", edits.option(_LSTM, "cellClip", 3.0)),
    ("time_major turned round", "options", edits.option(_LSTM, "timeMajor", True)),
    ("RELU behind a Dense", "options", edits.option(_DENSE, "fusedActivationFunction", 1, -1)),
    ("the softmax's beta 2", "options", edits.option("SOFTMAX", "beta", 2.0)),
    ("the softmax left out", "operator lost", edits.removed("SOFTMAX")),
    ("the scale of a Dense × 4", "one scale", edits.coarser(_DENSE, 4.0)),
    ("the scale of a Dense × 8", "one scale", edits.coarser(_DENSE, 8.0)),
    ("the scale of a cell state × 8", "one scale", edits.cell_scale(8.0)),
    ("the scale of a cell state × ¼", "one scale", edits.cell_scale(0.25)),
    ("two QUANTIZE before a Dense", "values rounded once more", edits.requantised(_DENSE, 3.0)),
)
_CONVOLUTION: tuple[tuple[str, str, Edit], ...] = (
    (
        "one weight of a Conv1D a step off",
        "one weight",
        edits.constant(_CONV, 1, edits.steps_off(1)),
    ),
    (
        "one weight of a Conv1D 20 steps off",
        "one weight",
        edits.constant(_CONV, 1, edits.steps_off(20)),
    ),
    ("a bias of a Conv1D off by 100", "one bias", edits.constant(_CONV, 2, _second(100))),
    ("a channel of a Conv1D dead", "channels", edits.constant(_CONV, 1, edits.dead_channel(0))),
    (
        "the scales of a Conv1D's channels reversed",
        "channels",
        edits.channels_of_scales_reversed(_CONV),
    ),
    ("a Conv1D's stride 2", "options", edits.option(_CONV, "strideW", 2)),
    ("a Conv1D's padding turned round", "options", edits.option(_CONV, "padding", lambda v: 1 - v)),
    ("a Conv1D's dilation 2", "options", edits.option(_CONV, "dilationWFactor", 2)),
    (
        "a Conv1D's activation another",
        "options",
        edits.option(_CONV, "fusedActivationFunction", lambda v: 0 if v else 1),
    ),
    ("a Conv1D's activation RELU6", "options", edits.option(_CONV, "fusedActivationFunction", 3)),
    ("the scale of a Conv1D's output × 4", "one scale", edits.coarser(_CONV, 4.0, 0)),
)
_ALONE: tuple[tuple[Variant, str, str, Edit], ...] = (
    (CONVOLVED, "a pooling window 3", "options", edits.option("MAX_POOL_2D", "filterHeight", 3)),
    (
        EMBEDDED,
        "a row of the table that no sample uses",
        "table",
        edits.constant("GATHER", 0, _unused),
    ),
    (
        EMBEDDED,
        "one weight of the table off",
        "table",
        edits.constant("GATHER", 0, edits.steps_off(9)),
    ),
    (
        NORMALISED,
        "a normalisation's factor off",
        "normalisation",
        edits.constant("MUL", 1, _second(9)),
    ),
    (
        NORMALISED,
        "a normalisation's offset off",
        "normalisation",
        edits.constant("ADD", 1, _second(9)),
    ),
    (NORMALISED, "epsilon folded twice", "normalisation", edits.constant(_CONV, 1, _once_more)),
    (
        NORMALISED,
        "a Dense beside a normalisation off",
        "one bias",
        edits.constant(_DENSE, 2, _second(50), 0),
    ),
    (
        NORMALISED,
        "the axis of a concatenation",
        "options",
        edits.option("CONCATENATION", "axis", 1),
    ),
    (
        NORMALISED,
        "the axis of a reversal",
        "options",
        edits.constant("REVERSE_V2", 1, lambda v: v + 1),
    ),
    (NORMALISED, "the axes of a mean", "options", edits.constant("MEAN", 1, lambda v: v + 1)),
    (
        NORMALISED,
        "keep_dims of a mean",
        "options",
        edits.option("MEAN", "keepDims", lambda v: not v),
    ),
    (NORMALISED, "alpha of a LeakyReLU 0.2", "options", edits.option("LEAKY_RELU", "alpha", 0.2)),
    (NORMALISED, "two outputs in each other's place", "outputs", edits.outputs_swapped),
    (NORMALISED, "two outputs by each other's name", "outputs", edits.names_swapped),
    (NORMALISED, "the heads' weights exchanged", "outputs", edits.heads_swapped(_DENSE)),
)


def _shuffled(array: Array) -> Array:
    """Every sample with its steps in another order."""
    order = np.random.default_rng(1).permutation(array.shape[2])
    return np.ascontiguousarray(array[:, :, order])


_CALIBRATIONS: tuple[tuple[str, Any], ...] = (
    ("calibration × 0.9", lambda a: (0.9 * a).astype(a.dtype)),
    ("calibration × 2", lambda a: (2 * a).astype(a.dtype)),
    ("calibration × 5", lambda a: (5 * a).astype(a.dtype)),
    ("calibration with its steps shuffled", _shuffled),
)


def _fault(variant: Variant, name: str, family: str, edit: Edit) -> Fault:
    def examine(bench: InjectionBench) -> list[Reading]:
        return said(bench, variant, edit)

    setting = f"int8 · {variant.name.removeprefix('certificate-')} · beside its source"
    return Fault(name, f"{family}, beside its source", "model", setting, examine)


def constant_faults() -> list[Fault]:
    found = [_fault(v, *row) for v in SOURCES for row in _OF_ALL]
    found += [_fault(v, *row) for v in (CONVOLVED, NORMALISED) for row in _CONVOLUTION]
    found += [_fault(*row) for row in _ALONE]
    place: Place = "recipe"
    for variant in SOURCES:
        for name, change in _CALIBRATIONS:
            if variant is EMBEDDED and "shuffled" not in name:
                continue  # words have no size

            def examine(
                bench: InjectionBench, variant: Variant = variant, change: Any = change
            ) -> list[Reading]:
                return said(bench, variant, calibrated=change)

            setting = f"int8 · {variant.name.removeprefix('certificate-')} · beside its source"
            family = "other calibration samples, beside its source"
            found.append(Fault(name, family, place, setting, examine))
    return found


def constant_neighbours() -> Iterator[tuple[str, Any]]:
    """Name and examination of the files unharmed, and of what is equivalent."""
    for variant in SOURCES:
        name = variant.name.removeprefix("certificate-")
        yield f"{name} · int8 · beside its source", lambda bench, v=variant: said(bench, v)
        for what, edit in (
            ("other names", edits.renamed),
            ("later versions", edits.versions_raised),
            ("no metadata", edits.without_metadata),
            ("constants apart", edits.buffers_apart),
        ):
            yield (
                f"{name}, {what} · int8 · beside its source",
                lambda bench, v=variant, e=edit: said(bench, v, e),
            )
