"""SOFTMAX and LOG_SOFTMAX: rows on which the runtimes part, as they answered, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference.operators.elements.float_functions import log_softmax, softmax
from reference.operators.kernel import NoOracle
from reference.operators.profiles import (
    LITERT,
    LITERT_ARM64,
    TFLITE_DEFAULT,
    TFLITE_REFERENCE,
    TFLM,
)
from tests.support.operator_calls import answer, float32, int8, int16, int32, tensor, uint8, value

INT8 = tensor(int8(0), 1 / 256, -128)
INT16 = tensor(int16(0), 1 / 32768)


def test_int8_is_a_float_table_or_fixed_point() -> None:
    x = int8([[23, 46, -53, 108, 34]])
    tensors = (tensor(x, 0.039050668478012085),)
    table = value("SOFTMAX", x, tensors=tensors, output=INT8, beta=1.0)
    assert table.tolist() == [[-120, -109, -128, 88, -116]]
    assert table.dtype == np.int8
    for profile in (TFLM, TFLITE_REFERENCE):
        fixed = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=profile, beta=1.0)
        assert fixed.tolist() == [[-120, -109, -128, 89, -116]]
        assert fixed.dtype == np.int8


def test_builds_for_arm64_have_powers_of_sixteen_bits() -> None:
    x = int8([[72, 40, 44, 28, 29]])
    tensors = (tensor(x, 0.025033431127667427),)
    found = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=LITERT_ARM64, beta=1.0)
    assert found.tolist() == [[-30, -84, -79, -95, -95]]
    assert found.dtype == np.int8
    found = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=LITERT, beta=1.0)
    assert found.tolist() == [[-30, -84, -79, -96, -95]]
    half = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=LITERT_ARM64, beta=0.5)
    assert half.tolist() == [[-56, -79, -77, -86, -86]]
    far = int8([[127, -128]])
    found = value(
        "SOFTMAX", far, tensors=(tensor(far, 1.0),), output=INT8, profile=LITERT_ARM64, beta=1.0
    )
    assert found.tolist() == [[127, -128]]
    out = tensor(int16(0), 2.0**-16, -32768)
    wide = [
        value("SOFTMAX", x, tensors=tensors, output=out, profile=profile, beta=1.0)
        for profile in (LITERT, LITERT_ARM64)
    ]
    assert np.array_equal(wide[0], wide[1])


def test_int8_may_answer_in_int16() -> None:
    x = int8([[47, -108, 27, 45, 16]])
    tensors = (tensor(x, 0.06448148190975189),)
    out = tensor(int16(0), 2.0**-16, -32768)
    table = value("SOFTMAX", x, tensors=tensors, output=out, beta=1.0)
    assert table.tolist() == [[-4148, -32767, -24887, -7611, -28891]]
    fixed = value("SOFTMAX", x, tensors=tensors, output=out, profile=TFLM, beta=1.0)
    assert fixed.tolist() == [[-4149, -32767, -24887, -7611, -28891]]


def test_the_tables_of_int16_are_filled_in_two_precisions() -> None:
    x = int16([[22209, 21182, 17604, 20689, -25377]])
    tensors = (tensor(x, 0.00015163842181209475),)
    found = value("SOFTMAX", x, tensors=tensors, output=INT16, beta=1.0)
    assert found.tolist() == [[10409, 8907, 5178, 8266, 8]]
    assert found.dtype == np.int16
    found = value("SOFTMAX", x, tensors=tensors, output=INT16, profile=TFLM, beta=1.0)
    assert found.tolist() == [[10409, 8908, 5178, 8266, 8]]


def test_beta_is_multiplied_in_two_precisions() -> None:
    x = int16([[13337, -4128, -11971, -15531, 3974]])
    tensors = (tensor(x, 0.00010955177276628092),)
    found = value("SOFTMAX", x, tensors=tensors, output=INT16, beta=0.7)
    assert found.tolist() == [[16363, 4288, 2350, 1788, 7980]]
    found = value("SOFTMAX", x, tensors=tensors, output=INT16, beta=0.7, profile=TFLM)
    assert found.tolist() == [[16362, 4287, 2350, 1788, 7981]]


def test_a_difference_too_large_for_the_kernel_is_nothing() -> None:
    x = int8([[127, -128, 96, 95]])
    tensors = (tensor(x, 1.0),)
    for profile in (TFLITE_DEFAULT, TFLM):
        found = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=profile, beta=1.0)
        assert found.tolist() == [[127, -128, -128, -128]]


def test_rows_are_apart() -> None:
    x = int8([[0, 0], [50, -50]])
    tensors = (tensor(x, 0.1),)
    for profile in (TFLITE_DEFAULT, TFLM):
        found = value("SOFTMAX", x, tensors=tensors, output=INT8, profile=profile, beta=1.0)
        assert found.tolist() == [[0, 0], [127, -128]]


def test_what_is_not_known_is_refused() -> None:
    x = int8([[1]])
    tiny = tensor(x, 2.0**-26)
    with pytest.raises(NoOracle, match="SOFTMAX of a scale that the kernel aborts on"):
        value("SOFTMAX", x, tensors=(tiny,), output=INT8, profile=TFLM, beta=1.0)
    with pytest.raises(NoOracle, match=r"^SOFTMAX of uint8"):
        value("SOFTMAX", uint8(x), tensors=(tensor(uint8(x), 0.1),), output=INT8, beta=1.0)
    with pytest.raises(NoOracle, match="SOFTMAX without beta"):
        value("SOFTMAX", x, tensors=(tensor(x, 0.1),), output=INT8)
    with pytest.raises(NoOracle, match=r"^SOFTMAX of int32"):
        value("SOFTMAX", int32(x), output=INT8, beta=1.0)
    for values, given in ((int16(x), 0.1), (x, ())):
        with pytest.raises(NoOracle, match="LOG_SOFTMAX of int"):
            value("LOG_SOFTMAX", values, tensors=(tensor(values, given),), output=INT8)


def test_log_softmax_of_int8_is_a_float_table_or_fixed_point() -> None:
    x = int8([[10, -20, 30, 127], [127, 127, 127, 127], [-128, 127, 0, 0]])
    tensors, out = (tensor(x, 0.05),), tensor(int8(0), 1 / 16, 127)
    want = 16 * log_softmax(float32(0.05) * x)[0] + 127
    for profile in (TFLITE_DEFAULT, TFLM):
        found = value("LOG_SOFTMAX", x, tensors=tensors, output=out, profile=profile)
        assert found.dtype == np.int8
        assert np.abs(found - np.clip(want, -128, 127)).max() <= 0.51


@pytest.mark.parametrize("scale", [0.01, 0.13, 0.5])
def test_log_softmax_of_every_difference(scale: float) -> None:
    x = np.stack([np.full(256, 127), np.arange(-128, 128)], 1).astype(np.int8)
    tensors, out = (tensor(x, scale),), tensor(int8(0), 1 / 16, 127)
    want = np.clip(16 * log_softmax(np.float32(scale) * x)[0] + 127, -128, 127)
    for profile in (TFLITE_DEFAULT, TFLM):
        found = value("LOG_SOFTMAX", x, tensors=tensors, output=out, profile=profile)
        assert np.abs(found - want).max() <= 0.52
        far = want == -128
        assert (found[far] == -128).all()


def test_floats_have_the_bound_that_roundings_give() -> None:
    x = float32([[0.0, 1.0, 3.0]])
    found = answer("SOFTMAX", x, beta=2.0)
    powers = np.exp([-6.0, -4.0, 0.0])
    share = powers / powers.sum()
    assert np.allclose(found.values[0], [share], rtol=1e-12)
    of_power = np.array([12.0 + 8, 8.0 + 8, 8.0])
    of_sum = (of_power * share).sum() + np.sqrt(3)
    want = 2.0**-24 * share * (of_power + of_sum + 2) + 2.0**-125
    assert found.allowed[0] is not None
    assert np.allclose(found.allowed[0], [want], rtol=1e-12)
    assert answer("SOFTMAX", x, beta=1.0).values[0][0, 0] == softmax(x, 1.0)[0][0, 0]

    found = answer("LOG_SOFTMAX", x)
    exponent = np.array([-3.0, -2.0, 0.0])
    powers = np.exp(exponent)
    share, logarithm = powers / powers.sum(), np.log(powers.sum())
    assert np.allclose(found.values[0], [exponent - logarithm], rtol=1e-12)
    of_sum = ((-exponent + 8) * share).sum() + np.sqrt(3)
    own = -exponent + np.abs(exponent - logarithm)
    want = 2.0**-24 * (own + of_sum + 8 * logarithm) + 2.0**-125
    assert found.allowed[0] is not None
    assert np.allclose(found.allowed[0], [want], rtol=1e-12)


def test_a_value_that_is_infinitely_small_has_no_error_to_spread() -> None:
    value_, allowed = softmax(float32([[0.0, -np.inf]]), 1.0)
    assert value_.tolist() == [[1.0, 0.0]]
    assert allowed[0, 1] == 2.0**-125
    assert np.isfinite(allowed).all()


def test_the_profiles_part_where_they_were_measured_to() -> None:
    forms = [profile.softmax_int8 for profile in (TFLITE_DEFAULT, TFLITE_REFERENCE, TFLM)]
    assert forms == ["table", "gemmlowp", "gemmlowp"]
    assert replace(TFLM, softmax_int16="float64") != TFLM
