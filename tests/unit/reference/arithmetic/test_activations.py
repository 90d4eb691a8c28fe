"""Fixed-point tanh and logistic follow each runtime's tables."""

import numpy as np
import pytest

from reference.arithmetic.activations import (
    gemmlowp_logistic,
    gemmlowp_tanh,
    sigmoid_table,
    table_logistic,
    table_tanh,
    table_tanh_scaling,
    tabulated,
)

ALL = np.arange(-(2**15), 2**15).astype(np.int16)
REAL = ALL.astype(np.float64)
STEP = 2.0**-15


def steps_off(result: np.ndarray, exact: np.ndarray) -> float:  # type: ignore[type-arg]
    return float(np.abs(result - exact / STEP).max())


@pytest.mark.parametrize("integer_bits", range(7))
def test_gemmlowp_tanh_is_tanh(integer_bits: int) -> None:
    exact = np.tanh(REAL / 2 ** (15 - integer_bits))
    assert 1 < steps_off(gemmlowp_tanh(ALL, integer_bits), exact) < 12.1


def test_gemmlowp_tanh_is_odd_and_zero_at_zero() -> None:
    result = gemmlowp_tanh(ALL[1:], 3).astype(int)
    assert (result == -result[::-1]).all()
    assert result[2**15 - 1] == 0


def test_gemmlowp_logistic_is_the_logistic_function() -> None:
    result = gemmlowp_logistic(ALL).astype(int)
    assert steps_off(result, 1 / (1 + np.exp(-REAL / 2**12))) < 12.1
    mirrored = result[1:] + result[:0:-1]
    assert set(mirrored) <= {2**15 - 1, 2**15}
    assert result[2**15] == 2**14


@pytest.mark.parametrize(
    ("x", "tanh", "logistic"),
    [(0, 0, 16384), (4096, 24964, 23952), (-4096, -24964, 8815), (32767, 32767, 32756)],
)
def test_gemmlowp_golden_values(x: int, tanh: int, logistic: int) -> None:
    """Read from TFLite 2.15.1's int16 TANH and LOGISTIC, whose 65536 answers all agree."""
    at = np.array([x], np.int16)
    assert gemmlowp_tanh(at, 3)[0] == tanh
    assert gemmlowp_logistic(at)[0] == logistic


def test_table_functions_are_close_to_the_exact_ones() -> None:
    assert steps_off(table_tanh(ALL, 3, 0), np.tanh(REAL / 2**12)) < 2.1
    assert steps_off(table_logistic(ALL), 1 / (1 + np.exp(-REAL / 2**12))) < 2.1


def test_the_table_is_monotonic_and_starts_at_a_half() -> None:
    table = sigmoid_table()
    assert table.shape == (256,)
    assert (table[0], table[1], table[254], table[255]) == (2**15, 33451, 65534, 65535)
    assert (np.diff(table) >= 0).all()
    exact = 2**16 / (1 + np.exp(-np.arange(256) / 24))
    assert np.abs(table - exact).max() < 1.2


def test_cell_state_scaling_of_the_table() -> None:
    assert table_tanh_scaling(-12) == (3, 0)
    assert table_tanh_scaling(-10) == (12, 0)
    assert table_tanh_scaling(-15) == (3, 3)
    for log2 in (-18, -15, -9):
        exact = np.tanh(REAL * 2.0**log2)
        assert steps_off(table_tanh(ALL, *table_tanh_scaling(log2)), exact) < 24


def test_a_tabulated_function_gives_the_same_answers() -> None:
    table = tabulated(gemmlowp_tanh, 2)
    assert (table[ALL] == gemmlowp_tanh(ALL, 2)).all()
    assert not table.flags.writeable


def test_impossible_formats_are_refused() -> None:
    for function, integer_bits in ((gemmlowp_tanh, 13), (gemmlowp_logistic, 14)):
        with pytest.raises(ValueError, match=r"^exp takes 0 to 13 integer bits of 16: 14$"):
            function(ALL[:1], integer_bits)
    with pytest.raises(ValueError, match="integer bits"):
        gemmlowp_logistic(ALL[:1], -1)


def test_the_table_saturates_from_its_last_entry_on() -> None:
    """Entry 255 is never interpolated from: TFLM's int16 TANH answers 32767 from x = 21760 on."""
    x = np.array([21759, 21760, 21845, 21846, -21759, -21760], np.int16)
    assert table_tanh(x, 3, 0).tolist() == [32767, 32767, 32767, 32767, -32767, -32767]
    assert table_tanh(x - np.sign(x) * np.int16(86), 3, 0).tolist()[:2] == [32766, 32766]


def test_a_fine_cell_scale_rounds_its_argument_half_up() -> None:
    """Scale 2**-15: the argument is (3 x + 4) >> 3, and the first interval rises by 683."""
    x = np.array([1, 2, 3, -1, -2, -3], np.int16)
    assert table_tanh(x, 3, 3).tolist() == [0, 3, 3, 0, -3, -3]


def test_table_functions_interpolate_and_round_exactly() -> None:
    """Against NumPy's own interpolation: ties go up for positive, down for negative arguments."""
    table = sigmoid_table().astype(np.float64)
    for function, fraction, centre, divisor in (
        (table_logistic, 512, 2**15, 2),
        (table_tanh, 256, 2**15, 1),
    ):
        x = ALL[np.abs(3 * REAL) < 255 * fraction]
        exact = np.interp(np.abs(3.0 * x) / fraction, np.arange(256), table) - centre
        positive = np.floor(exact[x >= 0] / divisor + 0.5)
        negative = np.ceil(-exact[x < 0] / divisor - 0.5)
        offset = 2**14 if function is table_logistic else 0
        result = function(x, 3, 0) - offset
        assert (result[x >= 0] == positive).all()
        assert (result[x < 0] == negative).all()


@pytest.mark.parametrize("integer_bits", range(14))
def test_gemmlowp_functions_in_every_format(integer_bits: int) -> None:
    """The kernels use few of them."""
    real = REAL / 2 ** (15 - integer_bits)
    logistic = gemmlowp_logistic(ALL, integer_bits)
    assert logistic.dtype == np.int16
    assert logistic[2**15] == 2**14
    with np.errstate(over="ignore"):
        assert steps_off(logistic, 1 / (1 + np.exp(-real))) < 6.8
    if integer_bits < 13:
        tanh = gemmlowp_tanh(ALL, integer_bits)
        assert tanh.dtype == np.int16
        assert tanh[2**15] == 0
        assert steps_off(tanh, np.tanh(real)) < 12.1


def test_table_functions_are_int16() -> None:
    assert table_tanh(ALL, 3, 0).dtype == table_logistic(ALL).dtype == np.int16
