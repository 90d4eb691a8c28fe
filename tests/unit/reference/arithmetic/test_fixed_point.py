"""Fixed-point rescaling is what exact rational arithmetic says."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.arithmetic.fixed_point import (
    Multiplier,
    multiply_double_rounding,
    multiply_int64,
    multiply_single_rounding,
    quantised_multiplier,
    reduced_mantissa,
    rounding_doubling_high_mul,
    rounding_doubling_high_mul_int16,
    rounding_right_shift,
    saturate,
    stacked_multipliers,
    wrap_int32,
)

int32 = st.integers(-(2**31), 2**31 - 1)
small_multiplier = st.builds(Multiplier, st.integers(2**30, 2**31 - 1), st.integers(-20, 0))


def whole(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (0.75, (3 * 2**29, 0)),
        (0.0, (0, 0)),
        (1 - 2.0**-40, (2**30, 1)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (3.0, (3 * 2**29, 2)),
    ],
)
def test_multiplier_of_a_real(real: float, expected: tuple[int, int]) -> None:
    assert quantised_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1.0, math.nan, math.inf])
def test_impossible_multipliers_are_refused(real: float) -> None:
    with pytest.raises(ValueError, match="multiplier"):
        quantised_multiplier(real)


@given(st.floats(2.0**-30, 2.0**20))
def test_multiplier_is_within_half_a_unit(real: float) -> None:
    mantissa, shift = quantised_multiplier(real)
    exact = Fraction(real) * Fraction(2) ** (31 - int(shift))
    assert abs(exact - int(mantissa)) <= Fraction(1, 2)
    assert 2**30 <= mantissa < 2**31


def test_right_shift_rounds_ties_away_from_zero() -> None:
    assert rounding_right_shift(whole(-3, -2, -1, 1, 2, 3), 1).tolist() == [-2, -1, -1, 1, 1, 2]
    assert rounding_right_shift(whole(5, -5), 0).tolist() == [5, -5]
    assert rounding_right_shift(whole(6, -6), whole(2, 1)).tolist() == [2, -3]
    assert rounding_right_shift(whole(-1, -1, -3), whole(0, 1, 1)).tolist() == [-1, -1, -2]
    with pytest.raises(ValueError, match="shift"):
        rounding_right_shift(whole(1), -1)


@given(int32, st.integers(0, 31))
def test_right_shift_is_exact_rounding(x: int, bits: int) -> None:
    assert rounding_right_shift(whole(x), bits)[0] == half_away(Fraction(x, 2**bits))


@given(int32, int32)
def test_high_mul_is_exact_rounding(a: int, b: int) -> None:
    expected = min(half_up(Fraction(a * b, 2**31)), 2**31 - 1)
    assert rounding_doubling_high_mul(whole(a), b)[0] == expected


def test_only_the_product_of_two_minima_saturates() -> None:
    assert rounding_doubling_high_mul(whole(-(2**31)), -(2**31))[0] == 2**31 - 1
    assert rounding_doubling_high_mul_int16(whole(-(2**15)), -(2**15))[0] == 2**15 - 1
    assert rounding_doubling_high_mul_int16(whole(-(2**15)), 2**14)[0] == -(2**14)


@given(st.integers(-(2**29), 2**29), small_multiplier)
def test_double_rounding_rounds_twice(x: int, by: Multiplier) -> None:
    first = half_up(Fraction(x * int(by.mantissa), 2**31))
    expected = half_away(Fraction(first, 2 ** -int(by.shift)))
    assert multiply_double_rounding(whole(x), by)[0] == expected


@given(st.integers(-(2**29), 2**29), small_multiplier)
def test_single_rounding_rounds_once(x: int, by: Multiplier) -> None:
    expected = half_up(Fraction(x * int(by.mantissa), 2 ** (31 - int(by.shift))))
    assert multiply_single_rounding(whole(x), by)[0] == expected


def test_where_double_and_single_rounding_part() -> None:
    by = Multiplier(2**30, -1)  # a quarter
    x = whole(1, -2, -6)
    assert multiply_double_rounding(x, by).tolist() == [1, -1, -2]
    assert multiply_single_rounding(x, by).tolist() == [0, 0, -1]


def test_a_left_shift_wraps_at_32_bits() -> None:
    assert multiply_double_rounding(whole(2**30), Multiplier(2**30, 2)).tolist() == [0]
    assert multiply_double_rounding(whole(3), Multiplier(2**30, 2)).tolist() == [6]
    assert wrap_int32(whole(2**31, -(2**31) - 1)).tolist() == [-(2**31), 2**31 - 1]


def test_the_15_bit_multiplier() -> None:
    assert reduced_mantissa(Multiplier(2**30 + 2**15, 0)) == 2**14 + 1
    assert reduced_mantissa(Multiplier(2**30 + 2**15 - 1, 0)) == 2**14
    assert reduced_mantissa(Multiplier(2**31 - 1, 0)) == 0x7FFF
    quarter = Multiplier(2**30, -1)
    assert multiply_int64(whole(1, 2, -2, -3), quarter).tolist() == [0, 1, 0, -1]
    assert multiply_int64(whole(3), Multiplier(2**30, 14)).tolist() == [3 * 2**13]
    with pytest.raises(ValueError, match="64-bit"):
        multiply_int64(whole(1), Multiplier(2**30, 15))


def test_stacked_multipliers_broadcast_over_their_axis() -> None:
    by = stacked_multipliers([0.5, 2.0], ndim=3)
    x = np.full((2, 1, 3), 10, np.int64)
    assert multiply_double_rounding(x, by).tolist() == [[[5, 5, 5]], [[20, 20, 20]]]


def test_saturation() -> None:
    assert saturate(whole(-40000, 5, 40000), "int16").tolist() == [-32768, 5, 32767]
