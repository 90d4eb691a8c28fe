"""The QUANTIZE operator's two forms follow their definitions where they part."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference.arithmetic.affine import Affine, quantise
from reference.arithmetic.quantize_operator import quantize_operator

INT8, INT16 = Affine(0.1, 3, "int8"), Affine(0.1, 0, "int16")


def _codes(values: Any, affine: Affine, form: str) -> list[int]:
    found = quantize_operator(np.array(values, np.float32), affine, form)  # type: ignore[arg-type]
    assert found.dtype == affine.dtype
    return [int(code) for code in found.ravel()]


def test_the_reference_form_is_the_harness_own_quantisation() -> None:
    x = np.random.default_rng(0).uniform(-15, 15, (3, 50)).astype(np.float32)
    want = quantise(x, INT8, "half_away", np.float32)
    np.testing.assert_array_equal(quantize_operator(x, INT8, "reference"), want)


def test_the_optimised_form_sends_ties_to_even() -> None:
    half = Affine(0.5, 0, "int8")
    ties = [0.25, 0.75, 1.25, -0.25, -0.75, -1.25]
    assert _codes(ties, half, "optimised") == [0, 2, 2, 0, -2, -2]
    assert _codes(ties, half, "reference") == [1, 2, 3, -1, -2, -3]


@pytest.mark.parametrize("scale", [0.1, 0.3, 0.007, 1.7])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_the_optimised_form_multiplies_by_the_float32_reciprocal(dtype: str, scale: float) -> None:
    """By exact rational arithmetic: one rounding of 1 ÷ scale, one of the product."""
    affine = Affine(float(np.float32(scale)), 0 if dtype == "int16" else -7, dtype)
    steps = np.random.default_rng(1).integers(-90, 90, 64) + 0.5
    x = (steps * scale).astype(np.float32)
    got = _codes(x, affine, "optimised")
    reciprocal = Fraction(float(np.float32(1) / np.float32(scale)))
    for value, code in zip(x, got, strict=True):
        product = float(np.float32(float(Fraction(float(value)) * reciprocal)))
        assert code == round(product) + affine.zero_point


def test_int16_values_beyond_whole_blocks_are_divided_in_float64() -> None:
    affine = Affine(0.5, 0, "int16")
    ties = [0.25] * 11  # eight in a block: to even; three left over: away from zero
    assert _codes(ties, affine, "optimised") == [0] * 8 + [1] * 3
    assert _codes(ties[:7], affine, "optimised") == [1] * 7
    assert _codes(ties[:8], affine, "optimised") == [0] * 8
    assert _codes(ties[:11], Affine(0.5, 0, "int8"), "optimised") == [0] * 11


@pytest.mark.parametrize("form", ["reference", "optimised"])
def test_what_does_not_fit_saturates(form: str) -> None:
    assert _codes([12.4, 12.45, 99.0, 1e30], INT8, form) == [127, 127, 127, 127]
    assert _codes([-13.1, -13.2, -99.0, -1e30], INT8, form) == [-128, -128, -128, -128]
    ends = Affine(1.0, -128, "int8")
    assert _codes([254.6, 255.0, 256.0, 0.0, -1.0], ends, form) == [127, 127, 127, -128, -128]
    tiny = Affine(2.0**-40, 5, "int8")
    assert _codes([3e38, -3e38], tiny, form) == [127, -128]


def test_shapes_are_kept() -> None:
    x = np.zeros((2, 3, 4), np.float32)
    for form in ("reference", "optimised"):
        assert quantize_operator(x, INT8, form).shape == x.shape
        assert quantize_operator(x, INT16, form).shape == x.shape


def test_not_a_number_and_channels_are_refused() -> None:
    x = np.array([1.0, np.nan], np.float32)
    for form in ("reference", "optimised"):
        with pytest.raises(ValueError, match=r"^NaN has no quantised value$"):
            quantize_operator(x, INT8, form)
    channels = Affine(np.array([0.1, 0.2]), np.array([0, 0]), "int8", axis=0)
    for affine in (channels, Affine(0.1, 3, "uint8")):
        with pytest.raises(
            ValueError, match=r"^only the per-tensor operator to int8 and int16 is described$"
        ):
            quantize_operator(x[:1], affine, "reference")


def test_values_are_float32_whatever_they_come_in() -> None:
    tenth = Affine(float(np.float32(0.1)), 0)
    assert quantize_operator(np.array([0.25]), tenth, "reference").tolist() == [3]
    # A little more than a tie, which float32 does not see.
    near = np.array([0.25 + 1e-9] * 8)
    assert quantize_operator(near, Affine(0.5, 0), "optimised").tolist() == [0] * 8


def test_what_is_left_of_int16_is_divided_in_float64() -> None:
    """0.25 over float32(0.1): less than a tie in float64."""
    tenth = Affine(float(np.float32(0.1)), 0, "int16")
    assert _codes([0.25] * 3, tenth, "optimised") == [2] * 3
    assert _codes([0.25] * 3, tenth, "reference") == [3] * 3
