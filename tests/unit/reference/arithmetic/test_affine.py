"""Affine quantisation rounds, clamps and refuses as it is defined."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.arithmetic.affine import Affine, dequantise, limits, quantise, round_half_away


def test_ties_go_away_from_zero() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, 2.0**52 + 1])
    expected = [-3, -2, -1, 1, 2, 3, 0, 2.0**52 + 1]
    assert round_half_away(x).tolist() == expected


def test_the_two_roundings_differ_exactly_on_ties() -> None:
    affine = Affine(0.5, 3)
    real = np.array([0.25, 0.75, 1.0, -0.25, -0.75])
    assert quantise(real, affine).tolist() == [4, 5, 5, 2, 1]
    assert quantise(real, affine, "half_even").tolist() == [3, 5, 5, 3, 1]


def test_saturation_and_dtype() -> None:
    affine = Affine(0.1, -128)
    result = quantise(np.array([-5.0, 0.0, 25.5, 1e9, -np.inf, np.inf]), affine)
    assert result.dtype == np.int8
    assert result.tolist() == [-128, -128, 127, 127, -128, 127]


def test_per_axis_scales_follow_their_axis() -> None:
    affine = Affine(np.array([1.0, 0.5]), np.array([0, 10]), axis=1)
    quantised = quantise(np.array([[4.0, 4.0], [-4.0, -4.0]]), affine)
    assert quantised.tolist() == [[4, 18], [-4, 2]]
    assert dequantise(quantised, affine).tolist() == [[4.0, 4.0], [-4.0, -4.0]]


def test_division_precision_changes_a_tie() -> None:
    scale = float(np.float32(0.1))
    real = np.array([np.float32(0.25)])
    exact = Fraction(float(real[0])) / Fraction(scale)
    assert exact < Fraction(5, 2)
    assert quantise(real, Affine(scale)).tolist() == [2]
    assert quantise(real, Affine(scale), precision=np.float32).tolist() == [3]


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(0.0, 0), (-1.0, 0), (np.inf, 0), (np.nan, 0), (1.0, 128)]
)
def test_impossible_parameters_are_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(ValueError, match=r"scale|zero point"):
        Affine(scale, zero_point)


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^NaN has no quantised value$"):
        quantise(np.array([np.nan]), Affine(1.0))


@given(
    st.floats(1e-3, 1e3),
    st.integers(-128, 127),
    st.lists(st.integers(-128, 127), min_size=1, max_size=20),
)
def test_round_trip_is_the_identity(scale: float, zero_point: int, values: list[int]) -> None:
    affine = Affine(scale, zero_point)
    quantised = np.array(values, np.int8)
    assert quantise(dequantise(quantised, affine), affine).tolist() == values


@given(st.floats(1e-3, 1e3), st.integers(-128, 127), st.floats(-1e4, 1e4))
def test_the_error_is_half_a_step_inside_the_range(scale: float, zero: int, real: float) -> None:
    affine = Affine(scale, zero)
    result = quantise(np.array([real]), affine)
    low, high = limits("int8")
    if low < result[0] < high:
        assert abs(dequantise(result, affine)[0] - real) <= scale / 2 * (1 + 1e-9)
