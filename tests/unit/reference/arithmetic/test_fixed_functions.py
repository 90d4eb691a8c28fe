"""32-bit fixed-point functions: near their functions, and at their ends as gemmlowp has them."""

from __future__ import annotations

import numpy as np
import pytest

from reference.arithmetic import fixed_functions as fixed
from tests.support.operator_calls import int64

EXP = [0, 725, 341177383, 790014891, 2147483124]
LOGISTIC = [
    241,
    1247187,
    612019099,
    810762295,
    1073741699,
    2146236460,
    1535464548,
    1336721352,
    1073741948,
]
TANH = [
    -2147483647,
    -2147482200,
    -1558674772,
    -992389248,
    -260,
    2147482200,
    1558674772,
    992389248,
    260,
]
LOG = [0, 46516384, 117059764, 558195838]

X = np.arange(-(2**31), 2**31, 2**20 + 77).astype(np.int64)


@pytest.mark.parametrize("bits", [0, 2, 4, 5])
def test_exp_of_negative_numbers(bits: int) -> None:
    x = X[X < 0]
    found = fixed.exp_negative(x, bits)
    assert np.abs(found / 2.0**31 - np.exp(x / 2.0 ** (31 - bits))).max() < 2.4e-7
    assert fixed.exp_negative(int64([0]), bits).tolist() == [2**31 - 1]


def test_exp_takes_five_integer_bits_at_most() -> None:
    for bits in (-1, 6):
        with pytest.raises(ValueError, match=f"exp takes 0 to 5 integer bits of 32: {bits}"):
            fixed.exp_negative(X, bits)


@pytest.mark.parametrize("bits", [2, 4])
def test_logistic_and_tanh(bits: int) -> None:
    real = X / 2.0 ** (31 - bits)
    assert np.abs(fixed.logistic(X, bits) / 2.0**31 - 1 / (1 + np.exp(-real))).max() < 7e-8
    assert np.abs(fixed.tanh(X, bits) / 2.0**31 - np.tanh(real)).max() < 1.5e-7
    assert fixed.logistic(int64([0]), bits).tolist() == [2**30]
    assert fixed.tanh(int64([0]), bits).tolist() == [0]


def test_a_reciprocal_of_what_lies_above_one() -> None:
    x = X[X >= 0]
    assert np.abs(fixed.reciprocal(x) / 2.0**31 - 1 / (1 + x / 2.0**31)).max() < 4e-9
    assert fixed.reciprocal(int64([0])).tolist() == [2**31 - 1]


def test_a_logarithm_of_what_lies_above_one() -> None:
    x = (np.exp(np.linspace(0, 8.3, 4000)) * 2**19).astype(np.int64)
    assert np.abs(fixed.logarithm(x, 12, 5) / 2.0**26 - np.log(x / 2.0**19)).max() < 4e-8


def test_last_bits() -> None:
    """Of the functions that the runtimes' own answers fix (tests/support/golden/operators.npz)."""
    x = int64([-(2**31), -(10**9), -123456789, -(2**26) - 1, -1])
    assert fixed.exp_negative(x, 5).tolist() == EXP
    assert fixed.logistic(np.concatenate([x, -x[1:]]), 4).tolist() == LOGISTIC
    assert fixed.tanh(np.concatenate([x, -x[1:]]), 4).tolist() == TANH
    assert fixed.logarithm(int64([2**19, 2**20 + 1, 3 * 10**6, 2**31 - 1]), 12, 5).tolist() == LOG


def test_sums_of_last_bits() -> None:
    """A constant that is off by one moves some last bit of thousands."""
    below = X[X < 0]
    assert int(fixed.exp_negative(below, 5).sum()) == 136678715644
    assert int(fixed.logistic(X, 4).sum()) == 4397295706734
    assert int(np.abs(fixed.tanh(X, 4)).sum()) == 8415058655322
    assert int(fixed.reciprocal(X[X >= 0]).sum()) == 3048806593282
    x = (np.exp(np.linspace(0, 8.3, 4000)) * 2**19).astype(np.int64)
    assert int(fixed.logarithm(x, 12, 5).sum()) == 1114007111856
