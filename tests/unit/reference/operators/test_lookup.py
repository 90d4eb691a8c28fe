"""Tables that 8-bit and 16-bit operators answer from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.operators.elements.lookup import (
    all_int8,
    each_code,
    look_up_int8,
    look_up_int16,
    table_of_int8,
    table_of_int16,
    table_of_xnnpack,
)
from tests.support.operator_calls import Array, float32, int8, int16


def test_an_int8_table_is_indexed_by_bits() -> None:
    assert all_int8().tolist()[126:130] == [126, 127, -128, -127]
    table = table_of_int8(lambda x: x * float32(3), 0.5, 1, 0.25, -2)
    x = int8([[-128, -1], [0, 20]])
    assert look_up_int8(table, x).tolist() == [[-128, -14], [-8, 112]]
    assert look_up_int8(table, x[:, ::-1]).tolist() == [[-14, -128], [112, -8]]
    assert table.dtype == np.int8
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_many_int8_values_are_looked_up_and_others_computed() -> None:
    seen = []

    def function(x: Array) -> Array:
        seen.append(x.size)
        return x.astype(np.int32) * 3

    many = np.tile(np.arange(-128, 128).astype(np.int8), (3, 2))
    for x in (many, many[0, :256], many.astype(np.int16)):
        found = each_code(function, x)
        assert np.array_equal(found, x.astype(np.int32) * 3)
        assert found.dtype == np.int32
    assert seen == [256, 256, 1536]
    each_code(function, many[0, :257])
    each_code(function, many[0, :3])
    assert seen[3:] == [256, 3]


def test_ties_go_away_from_zero_to_even_or_with_the_zero_point() -> None:
    x, identity = int8([-3, -1, 1, 3]), lambda x: x
    scales = (0.5, 0, 1.0, 1)
    assert look_up_int8(table_of_int8(identity, *scales), x).tolist() == [-1, 0, 2, 3]
    apart = table_of_xnnpack(identity, *scales, zero_first=False)
    assert look_up_int8(apart, x).tolist() == [-1, 1, 1, 3]
    together = table_of_xnnpack(identity, *scales, zero_first=True)
    assert look_up_int8(together, x).tolist() == [0, 0, 2, 2]
    far = table_of_xnnpack(lambda x: x * float32(1e9), 1.0, 3, 1.0, 0, zero_first=False)
    assert look_up_int8(far, int8([2, 3, 4])).tolist() == [-128, 0, 127]


def test_an_int8_table_saturates_at_infinity() -> None:
    table = table_of_int8(lambda x: x * float32(1e38), 1.0, 0, 1e-3, 5)
    assert look_up_int8(table, int8([-9, 0, 9])).tolist() == [-128, 5, 127]


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_an_int16_table_of_the_identity_is_nearly_the_identity(
    precision: type[np.floating[Any]],
) -> None:
    table = table_of_int16(lambda x: x, 2.0**-10, 0, 2.0**-10, 0, precision)
    assert table.shape == (513,)
    # 65536 steps are told from 65535 of the range: by so much does it stretch.
    assert table[:3].tolist() == [-32768, -32641, -32513]
    assert table[-1] == 32767
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0
    x = int16([-32768, -32767, -65, -1, 0, 1, 63, 64, 127, 128, 32000])
    assert np.abs(look_up_int16(table, x) - x).max() <= 1


def test_zero_points_move_both_ends() -> None:
    table = table_of_int16(lambda x: x, 1.0, -32768, 1.0, 32767, np.float64)
    # The input runs from 0 to 65535 and the output from -65535 to 0.
    assert table[0] == 0
    assert table[1] == 128
    assert table[-1] == 32767


def test_samples_are_moved_by_half_of_what_the_middle_is_off() -> None:
    def function(x: Array) -> Array:
        return np.asarray(0.5 * np.sin(400 * x))

    table = table_of_int16(function, 2.0**-15, 0, 2.0**-15, 0, np.float64)
    per_unit = 2**16 / (2**16 - 1) * 2**15
    step = (2**16 - 1) / 2**15 / 512
    for k in range(0, 512, 7):
        x = -1 + k * step
        first, middle, last = (function(np.asarray(x + j * step)) * per_unit for j in (0, 0.5, 1))
        assert abs(table[k] - (first - ((first + last) / 2 - middle) / 2)) < 1.6


def test_what_cancels_to_nan_is_nothing() -> None:
    table = table_of_int16(lambda x: np.where(x > 0, np.inf, x), 1.0, 0, 1.0, 0, np.float32)
    assert table[400] == 0
    assert table[-1] == 32767


def test_a_slope_wraps_as_int16_does() -> None:
    table = np.zeros(513, np.int64)
    table[256], table[257] = -30000, 30000
    assert look_up_int16(table, int16([0, 64, 127])).tolist() == [-30000, -32768, 2**16 - 35493]
