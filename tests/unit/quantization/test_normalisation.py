"""Samples in other units are recognised against the calibration, wider ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.quantization.normalisation import OTHER_UNITS, unnormalised
from reference.arithmetic.affine import Affine

Array = NDArray[Any]
RANDOM = np.random.default_rng(4)
BYTES = RANDOM.integers(0, 256, (20, 1, 6, 3)).astype(np.float32)
NORMAL = RANDOM.normal(0, 1, (20, 1, 6, 3)).astype(np.float32)


def _calibrated(low: float, high: float) -> Affine:
    scale = (high - low) / 255
    return Affine(scale, int(np.rint(-128 - low / scale)), "int8")


@pytest.mark.parametrize(
    ("values", "low", "high", "how"),
    [
        (BYTES, 0.0, 1.0, "x / 255"),
        (BYTES, -1.0, 1.0, "x / 127.5 - 1"),
        (100 + 60 * NORMAL, -3.5, 3.5, "standard deviation"),
        (1000 * NORMAL * np.array([1, 20, 400]), -3.5, 3.5, "of each feature"),
        (100 * RANDOM.uniform(0, 1, (9, 1, 4)), 0.0, 1.0, "x / 100"),
    ],
    ids=["bytes", "centred", "standard", "features", "per cent"],
)
def test_other_units_are_named(values: Array, low: float, high: float, how: str) -> None:
    told = unnormalised("input 'x'", _calibrated(low, high), values)
    assert told.startswith("input 'x' is not normalised as for the calibration: the samples reach")
    assert how in told
    assert "normalise what you feed" in told


@pytest.mark.parametrize("times", [0.01, 1.0, 2.0, 5.0])
def test_the_same_units_are_not(times: float) -> None:
    """As wide as the calibration, or a few times as wide: its range is wrong, not the units."""
    assert times < OTHER_UNITS
    reach = float(np.abs(NORMAL).max())
    calibrated = _calibrated(-reach, reach)
    assert unnormalised("x", calibrated, times * NORMAL) == ""


def test_what_no_normalisation_makes_fit_has_no_name() -> None:
    """Standardised they would use a tenth of the range, or be cut off."""
    heavy = np.concatenate([100 * NORMAL.ravel(), [1e9, -1e9]]).reshape(1, 1, -1)
    assert unnormalised("x", _calibrated(-3.0, 3.0), heavy) == ""
    assert unnormalised("x", _calibrated(-1.0, 1.0), np.full((4, 1, 3), 900.0)) == ""
