"""Recognise samples that are not normalised as those were that an input was calibrated with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import Affine, dequantise

Array = NDArray[np.float64]
#: How many times as wide as the calibrated range samples are at least: three bits. Data that are
#: the same but wider are a few times as wide; other units are further apart.
OTHER_UNITS = 8.0
#: Of the calibrated range, how much normalised samples use at least: one bit is lost at most.
USED = 0.5
#: Mean square of what is cut off, held to that of rounding: as range_findings does.
_GRANULAR = 1 / 12


def unnormalised(what: str, affine: Affine, values: Array) -> str:
    """How samples [N, …] differ from what an integer input was calibrated with, where a common
    normalisation would make them fit; empty where they fit, or where nothing common does.

    what: the input, in words. affine: its scale and zero point, of the calibration.
    """
    real = np.asarray(values, np.float64)
    info = np.iinfo(affine.dtype)
    low, high = (float(v) for v in dequantise(np.array([info.min, info.max], affine.dtype), affine))
    reach = max(abs(float(real.min())), abs(float(real.max())))
    if not reach >= OTHER_UNITS * max(abs(low), abs(high)):
        return ""
    scale = float(np.asarray(affine.scale))
    fitting = []
    for how, normalised in _normalisations(real):
        beyond = normalised - np.clip(normalised, low, high)
        fits = float(np.square(beyond).mean()) <= _GRANULAR * scale**2
        if fits and float(np.ptp(normalised)) >= USED * (high - low):
            fitting.append((float(np.ptp(normalised)), how))
    if not fitting:
        return ""
    widest = max(span for span, _ in fitting)
    how = next(how for span, how in fitting if span >= 0.9 * widest)
    return (
        f"{what} is not normalised as for the calibration: the samples reach {real.min():.4g} to "
        f"{real.max():.4g}, it was calibrated for {low:.3g} to {high:.3g}, and {how} fits → "
        "normalise what you feed as you did for the calibration (or calibrate with what the model "
        "is given)"
    )


def _normalisations(real: Array) -> Iterator[tuple[str, Array]]:
    fixed: tuple[tuple[str, Callable[[Array], Array]], ...] = (
        ("x / 255", lambda x: x / 255),
        ("x / 127.5 - 1", lambda x: x / 127.5 - 1),
        ("(x - 128) / 128", lambda x: (x - 128) / 128),
        ("x / 32768", lambda x: x / 32768),
        ("x / 100", lambda x: x / 100),
        ("x / 1000", lambda x: x / 1000),
    )
    for how, change in fixed:
        yield how, change(real)
    least, span = float(real.min()), float(np.ptp(real))
    if span > 0:
        yield "(x - min) / (max - min)", (real - least) / span
        yield "2 (x - min) / (max - min) - 1", 2 * (real - least) / span - 1
    deviation = float(real.std())
    if deviation > 0:
        yield "(x - mean) / standard deviation", (real - real.mean()) / deviation
    axes = tuple(range(real.ndim - 1))
    each = real.std(axes)
    if np.all(each > 0):
        yield (
            "(x - mean) / standard deviation of each feature",
            (real - real.mean(axes)) / each,
        )
