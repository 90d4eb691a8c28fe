"""Products of matrices, rescaling and windows: what the operators' oracles stand on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference.arithmetic.fixed_point import quantised_multiplier
from reference.operators.description import Tensor
from reference.operators.kernel import NoOracle
from reference.operators.rescaling import (
    activation_range,
    float_range,
    multipliers,
    rescale,
    rescale_wide,
)
from reference.operators.sums import products, windows

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("most", [3, 2**12, 2**20, 2**29])
def test_an_integer_product_is_exact(most: int) -> None:
    a = RANDOM.integers(-most, most, (5, 7))
    b = RANDOM.integers(-most, most, (7, 4))
    want = a.astype(object) @ b.astype(object)
    found = products.integer_product(a, b)
    assert found.dtype == np.int64
    assert (found == want).all()


def test_a_product_at_the_end_of_what_a_float_holds_is_exact() -> None:
    # 2**24 + 1 and 2**53 + 1 are the first whole numbers that float32 and float64 do not hold
    for a, b in (([[2**12, 1]], [[2**12], [1]]), ([[2**26, 1]], [[2**27], [1]])):
        (found,) = products.integer_product(np.array(a), np.array(b)).ravel()
        assert found == a[0][0] * b[0][0] + 1
    empty = products.integer_product(np.zeros((2, 0), np.int64), np.zeros((0, 3), np.int64))
    assert (empty == 0).all()


def test_a_product_beyond_int64_is_refused() -> None:
    big = np.full((1, 2), 2**31, np.int64)
    with pytest.raises(OverflowError, match="a sum of 2 products may reach 9223372036854775808"):
        products.integer_product(big, big.T)
    assert products.integer_product(big[:, :1], big.T[:1]) == 2**62


def test_gamma_is_highams() -> None:
    u = 2.0**-24
    assert products.gamma(1) == u / (1 - u)
    assert products.gamma(1000) == 1000 * u / (1 - 1000 * u)


def test_a_float_product_is_bounded_by_its_terms() -> None:
    a, b = np.array([[1.0, -2.0]], np.float32), np.array([[3.0], [4.0]], np.float32)
    value, allowed = products.float_product(a, b, None)
    assert value == -5
    assert allowed == products.gamma(2) * 11 + 2 * 2.0**-150
    value, allowed = products.float_product(a, b, np.array([-7.0], np.float32))
    assert value == -12
    assert allowed == products.gamma(3) * 18 + 3 * 2.0**-150


def test_multipliers_are_those_of_each_number() -> None:
    reals = [0.0, 1e-12, 2.0**-32, 2.0**-33, 0.3, 0.5, 0.99999999999, 1.0, 3.7, 2.0**-31.5]
    mantissa, shift = multipliers(np.array(reals))
    for k, real in enumerate(reals):
        assert (np.asarray(mantissa)[k], np.asarray(shift)[k]) == quantised_multiplier(real)


@pytest.mark.parametrize(
    ("value", "real", "double", "double_up", "single", "float32"),
    [
        (3, 0.5, 2, 2, 2, 2),
        (-3, 0.5, -1, -1, -1, -2),
        (5, 0.5, 3, 3, 3, 2),
        (-523, 0.25, -131, -130, -131, -131),
        (-6, 0.25, -2, -1, -1, -2),
        (6, 0.25, 2, 2, 2, 2),
        (10, 0.25, 3, 3, 3, 2),
        (7, 3.0, 21, 21, 21, 21),
    ],
)
def test_each_way_of_rescaling_has_its_ties(
    value: int, real: float, double: int, double_up: int, single: int, float32: int
) -> None:
    accumulator, by = np.array([value], np.int64), np.asarray(real)
    assert rescale(accumulator, by, "double") == double
    assert rescale(accumulator, by, "double_up") == double_up
    assert rescale(accumulator, by, "single") == single
    assert rescale(accumulator, by, "float32") == float32


@pytest.mark.parametrize(
    ("value", "real", "want"),
    [(5, 0.5, 3), (-5, 0.5, -2), (5, 0.1, 1), (-7, 0.3, -2), (-523, 0.25, -131), (7, 3.0, 21)],
)
def test_neon_cuts_and_then_rounds_ties_up(value: int, real: float, want: int) -> None:
    found = rescale(np.array([value], np.int64), np.asarray(real, np.float32), "neon")
    assert found == want


def test_neon_saturates_a_left_shift() -> None:
    huge = np.array([2**31 - 1, -(2**31)], np.int64)
    found = rescale(huge, np.asarray(16.0, np.float32), "neon")
    assert found.tolist() == [2**29, -(2**29)]


def test_a_left_shift_wraps_at_32_bits() -> None:
    assert rescale(np.array([2**30], np.int64), np.asarray(2.0), "double_up") == 0
    assert rescale(np.array([2**30], np.int64), np.asarray(2.0), "double") == 0


def test_a_float_that_is_far_off_stays_far_off() -> None:
    huge = np.array([2**31 - 1, -(2**31)], np.int64)
    assert rescale(huge, np.asarray(255.0, np.float32), "float32").tolist() == [2**24, -(2**24)]


def test_wide_rescaling_rounds_a_mantissa_of_15_bits() -> None:
    assert rescale_wide(np.array([2**40], np.int64), np.asarray(2.0**-30)) == 1024
    assert rescale_wide(np.array([-3], np.int64), np.asarray(0.5)) == -1


def _tensor(scale: float, zero: int, dtype: str = "int8") -> Tensor:
    return Tensor("y", dtype, (1,), (scale,), (zero,))


def test_an_activation_is_a_range_of_codes() -> None:
    assert activation_range("NONE", _tensor(0.1, 3), "away") == (-128, 127)
    assert activation_range("NONE", _tensor(0.1, 0, "int16"), "away") == (-32768, 32767)
    assert activation_range("RELU", _tensor(0.1, 3), "away") == (3, 127)
    assert activation_range("RELU6", _tensor(0.25, -100), "away") == (-100, -76)
    assert activation_range("RELU6", _tensor(0.01, -100), "away") == (-100, 127)
    assert activation_range("RELU_N1_TO_1", _tensor(0.25, 5), "even") == (1, 9)
    assert activation_range("RELU_N1_TO_1", _tensor(0.001, 5), "even") == (-128, 127)


def test_the_ends_of_an_activation_have_ties() -> None:
    # 6 / 4 is 1.5 steps: away from zero, or to even once the zero point is added
    for zero, even in ((0, 2), (1, 2), (2, 4), (-1, 0)):
        assert activation_range("RELU6", _tensor(4.0, zero), "away") == (zero, zero + 2)
        assert activation_range("RELU6", _tensor(4.0, zero), "even") == (zero, even)


@pytest.mark.parametrize("activation", ["TANH", "SIGN_BIT"])
def test_another_activation_is_no_range(activation: str) -> None:
    with pytest.raises(NoOracle, match=f"a fused activation {activation}"):
        activation_range(activation, _tensor(1.0, 0), "away")
    with pytest.raises(NoOracle, match=f"a fused activation {activation}"):
        float_range(activation)


def test_float_activations() -> None:
    assert float_range("NONE") == (-np.inf, np.inf)
    assert float_range("RELU") == (0, np.inf)
    assert float_range("RELU6") == (0, 6)
    assert float_range("RELU_N1_TO_1") == (-1, 1)


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation", "padding", "front", "results"),
    [
        (5, 3, 1, 1, "SAME", 1, 5),
        (6, 3, 2, 1, "SAME", 0, 3),
        (5, 3, 2, 1, "SAME", 1, 3),
        (4, 2, 1, 3, "SAME", 1, 4),
        (6, 2, 3, 1, "SAME", 0, 2),
        (5, 3, 1, 1, "VALID", 0, 3),
        (6, 3, 2, 1, "VALID", 0, 2),
        (7, 2, 2, 3, "VALID", 0, 2),
        (3, 3, 3, 1, "VALID", 0, 1),
    ],
)
def test_windows_lie_as_padding_says(
    size: int, window: int, stride: int, dilation: int, padding: str, front: int, results: int
) -> None:
    axis = windows.axis_of(size, window, stride, dilation, padding)
    assert (axis.front, axis.results) == (front, results)
    flat = windows.axis_of(1, 1, 1, 1, "VALID")
    image = np.arange(1, size + 1).reshape(1, size, 1, 1)
    seen = windows.windows(image, (axis, flat), -9)[0, :, 0, :, 0, 0]
    padded = np.concatenate([[-9] * front, np.arange(1, size + 1), [-9] * 20])
    want = [[padded[r * stride + t * dilation] for t in range(window)] for r in range(results)]
    assert seen.tolist() == want
    turned = windows.windows(image.swapaxes(1, 2), (flat, axis), -9)[0, 0, :, 0, :, 0]
    assert turned.tolist() == want


def test_a_window_that_falls_short_sees_nothing_when_padding_wraps() -> None:
    short, fits = windows.axis_of(6, 1, 2, 1, "SAME"), windows.axis_of(5, 3, 1, 1, "SAME")
    valid = replace(short, same=False)
    image = np.ones((1, 6, 5, 1), np.int64)
    assert short.short
    assert not fits.short
    assert not valid.short
    assert (windows.windows(image, (short, fits), 7, blind=True) == 7).all()
    assert (windows.windows(image.swapaxes(1, 2), (fits, short), 7, blind=True) == 7).all()
    assert (windows.windows(image, (short, fits), 7) == 1).any()
    assert (windows.windows(image, (valid, fits), 7, blind=True) == 1).any()
    point = windows.axis_of(5, 1, 1, 1, "SAME")
    assert (windows.windows(image, (short, point), 7, blind=True) == 1).all()
