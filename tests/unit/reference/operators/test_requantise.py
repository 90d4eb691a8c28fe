"""QUANTIZE, DEQUANTIZE and CAST: their forms, their blocks, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference.operators.kernel import NoOracle
from reference.operators.profiles import TFLITE_BUILTIN, TFLITE_DEFAULT, TFLM, OperatorProfile
from tests.support.operator_calls import (
    changed,
    float16,
    float32,
    int8,
    int16,
    int32,
    tensor,
    uint8,
    value,
)

#: 0.3 in float32 is a little more than 3/10: 4.5 steps are a tie by the reciprocal alone.
TIES = float32(0.3) * (np.arange(12, dtype=np.float32) + float32(0.5))


def _quantized(x: Any, dtype: str, profile: OperatorProfile, **factors: Any) -> list[int]:
    target = tensor(np.zeros(1, dtype), 0.3, -3 if dtype == "int8" else 0)
    found = value("QUANTIZE", x, output=target, profile=changed(profile, **factors))
    assert found.dtype == dtype
    return [int(one) for one in found]


def test_a_division_rounds_ties_away_and_a_reciprocal_to_even() -> None:
    x = float32([0.5, 1.5, -0.5, -2.5]) * float32(0.25)
    target = tensor(int8(0), 0.25, 5)
    divided = replace(TFLITE_DEFAULT, quantize_int8="division")
    assert value("QUANTIZE", x, output=target, profile=divided).tolist() == [6, 7, 4, 2]
    assert value("QUANTIZE", x, output=target).tolist() == [5, 7, 5, 3]


def test_blocks_of_eight_leave_the_rest_to_a_division() -> None:
    x = float32([0.5] * 11)
    target = tensor(int8(0), 1.0, 0)
    found = value("QUANTIZE", x, output=target, profile=TFLITE_BUILTIN)
    assert found.tolist() == [0] * 8 + [1] * 3
    whole = value("QUANTIZE", x, output=target, profile=TFLITE_DEFAULT)
    assert whole.tolist() == [0] * 11
    target = tensor(int16(0), 1.0, 0)
    for profile in (TFLITE_BUILTIN, TFLITE_DEFAULT):
        found = value("QUANTIZE", x, output=target, profile=profile)
        assert found.tolist() == [0] * 8 + [1] * 3
    assert value("QUANTIZE", x, output=target, profile=TFLM).tolist() == [1] * 11
    square = value("QUANTIZE", x[:9].reshape(3, 3), output=target, profile=TFLITE_BUILTIN)
    assert square.tolist() == [[0] * 3, [0] * 3, [0, 0, 1]]


def test_the_rest_of_a_block_is_divided_in_float64() -> None:
    x = np.tile(np.nextafter(float32(0.5), float32(0)), 9)
    found = value("QUANTIZE", x, output=tensor(int8(0), 1.0), profile=TFLITE_BUILTIN)
    assert found.tolist() == [0] * 9
    # 1.35 / 0.3 is 4.4999998 with float32's numbers, and 4.5 once it is rounded to float32.
    tie = float32(np.tile(1.35, 9))
    target = tensor(int8(0), 0.3)
    assert float(tie[0]) / float(float32(0.3)) < 4.5 == tie[0] / float32(0.3)
    assert value("QUANTIZE", tie, output=target, profile=TFLITE_BUILTIN).tolist()[8] == 4
    assert value("QUANTIZE", tie, output=target, profile=TFLM).tolist() == [5] * 9


def test_floats_saturate_and_infinity_too() -> None:
    x = float32([1e30, -1e30, np.inf, -np.inf])
    target = tensor(int8(0), 1e-10, 3)
    for profile in (TFLITE_DEFAULT, TFLITE_BUILTIN, TFLM):
        found = value("QUANTIZE", x, output=target, profile=profile)
        assert found.tolist() == [127, -128, 127, -128]


def test_uint8_is_quantised_as_int8_is() -> None:
    x = float32([0.5, 300, -1])
    target = tensor(uint8(0), 1.0, 10)
    assert value("QUANTIZE", x, output=target).tolist() == [10, 255, 9]
    assert value("QUANTIZE", x, output=target, profile=TFLM).tolist() == [11, 255, 9]


def test_what_is_not_known_of_quantize_is_refused() -> None:
    x = float32([1.0])
    with pytest.raises(NoOracle, match="QUANTIZE to int32"):
        value("QUANTIZE", x, output=tensor(int32(0), 1.0))
    with pytest.raises(NoOracle, match="QUANTIZE by channels"):
        value("QUANTIZE", x, output=tensor(int8([0]), (1.0, 2.0), axis=0))
    with pytest.raises(NoOracle, match="QUANTIZE of NaN"):
        value("QUANTIZE", float32([np.nan]), output=tensor(int8(0), 1.0))


def _rescaled(x: Any, ratio: float, form: str, zeros: tuple[int, int] = (0, 0)) -> list[int]:
    codes = int8(x)
    source, target = tensor(codes, ratio, zeros[0]), tensor(codes, 1.0, zeros[1])
    profile = changed(TFLITE_DEFAULT, requantize_int8=form)
    return [
        int(n) for n in value("QUANTIZE", codes, tensors=(source,), output=target, profile=profile)
    ]


def test_int8_is_rescaled_in_three_ways() -> None:
    x = [-6, -2, 2, 6] * 4 + [-6, -2]
    away, up = [-2, -1, 1, 2], [-1, 0, 1, 2]
    assert _rescaled(x, 0.25, "multiplier") == [*away * 4, -2, -1]
    assert _rescaled(x, 0.25, "blocks") == [*up * 4, -2, -1]
    assert _rescaled(x, 0.25, "xnnpack") == [*up * 4, -1, 0]
    assert _rescaled([5], 2.0, "blocks", (2, -10)) == [-4]
    assert _rescaled([5] * 16, 2.0, "blocks", (2, -10)) == [-4] * 16
    assert _rescaled([127, -128], 4.0, "multiplier", (0, 5)) == [127, -128]


def test_xnnpack_takes_ratios_from_a_256th_to_128() -> None:
    x = [-128, 127]
    # 8.8 fixed point has one step for a ratio of a 256th, and 1.3 of them are one, too.
    assert _rescaled(x, 1.3 / 256, "xnnpack") == [0, 0]
    assert _rescaled([-128, 127], 1 / 256, "xnnpack") == [0, 0]
    assert _rescaled(x, 1.3 / 256, "multiplier") == [-1, 1]
    assert _rescaled([-128] * 17, 0.9 / 256, "xnnpack")[16] == 0
    below, by_blocks = (_rescaled([-128] * 17, 255 / 65536, form) for form in ("xnnpack", "blocks"))
    assert below == by_blocks
    assert _rescaled([1, 0], 128.0, "xnnpack") == [127, 0]
    assert _rescaled([1, -1], 130.0, "xnnpack") == [127, -128]


def test_other_integers_are_rescaled_by_the_multiplier() -> None:
    x = int16([-6, -2, 2, 6])
    for profile in (TFLITE_DEFAULT, TFLITE_BUILTIN, TFLM):
        to_int8 = tensor(int8(0), 1.0, 1)
        found = value("QUANTIZE", x, tensors=(tensor(x, 0.25),), output=to_int8, profile=profile)
        assert found.tolist() == [-1, 0, 2, 3]
        assert found.dtype == np.int8
    wide = value("QUANTIZE", x, tensors=(tensor(x, 2.0),), output=tensor(int32(0), 1.0))
    assert wide.tolist() == [-12, -4, 4, 12]
    once = replace(TFLM, rounding="single")
    found = value("QUANTIZE", x, tensors=(tensor(x, 0.25),), output=tensor(x, 1.0), profile=once)
    assert found.tolist() == [-1, 0, 1, 2]


def test_dequantize_multiplies_or_subtracts_products_in_blocks() -> None:
    x = int8([99] * 11)
    source = tensor(x, 0.1, -8)
    scale = float32(0.1)
    exact = float32(np.float64(scale) * 107)
    apart = float32(99) * scale + float32(8) * scale
    assert exact != apart
    out = tensor(float32(0))
    found = value("DEQUANTIZE", x, tensors=(source,), output=out, profile=TFLITE_BUILTIN)
    assert found.tolist() == [*[apart] * 8, *[exact] * 3]
    assert found.dtype == np.float32
    found = value("DEQUANTIZE", x, tensors=(source,), output=out)
    assert found.tolist() == [exact] * 11


def test_dequantize_knows_channels_and_halves() -> None:
    x = int8([[1, 2], [3, 4]])
    out = tensor(float32(0))
    by_column = tensor(x, (0.5, 2.0), axis=1)
    assert value("DEQUANTIZE", x, tensors=(by_column,), output=out).tolist() == [[0.5, 4], [1.5, 8]]
    by_row = replace(tensor(x, (0.5, 2.0), axis=0), zero_point=(1, 3))
    assert value("DEQUANTIZE", x, tensors=(by_row,), output=out).tolist() == [[0, 0.5], [0, 2]]
    bare = replace(tensor(x, (0.5, 2.0), axis=0), zero_point=())
    assert value("DEQUANTIZE", x, tensors=(bare,), output=out).tolist() == [[0.5, 1], [6, 8]]
    half = float16([0.1])
    found = value("DEQUANTIZE", half, output=out)
    assert found.dtype == np.float32
    assert found[0] == float32(half[0])


def test_a_cast_is_cs_and_has_no_oracle_out_of_range() -> None:
    out = tensor(int8(0))
    assert value("CAST", float32([1.9, -1.9, 127.9, -128.9]), output=out).tolist() == [
        1,
        -1,
        127,
        -128,
    ]
    for beyond in (128.0, -129.0, np.nan, np.inf):
        with pytest.raises(NoOracle, match="CAST of a number beyond int8"):
            value("CAST", float32([beyond]), output=out)
    assert value("CAST", int32([300]), output=out).tolist() == [44]
    assert value("CAST", float32([0.2, 0]), output=tensor(np.bool_(0))).tolist() == [True, False]
    assert value("CAST", np.array([1]), output=tensor(float32(0))).dtype == np.float32
