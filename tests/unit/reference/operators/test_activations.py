"""Activations: numbers on which the runtimes part, as they answered, and forms that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.operators.elements.activations import _hard_swish_table, _leaky_xnnpack
from reference.operators.kernel import NoOracle
from reference.operators.profiles import (
    LITERT,
    TFLITE_BUILTIN,
    TFLITE_DEFAULT,
    TFLITE_REFERENCE,
    TFLM,
    OperatorProfile,
)
from tests.support.operator_calls import (
    Array,
    answer,
    changed,
    float32,
    int8,
    int16,
    int64,
    tensor,
    value,
)

LOGISTIC8 = tensor(int8(0), 1 / 256, -128)
TANH8 = tensor(int8(0), 1 / 128)


def _int8(
    name: str, x: list[int], scale: float, output: Any, profile: OperatorProfile, **options: Any
) -> list[int]:
    codes = int8(x)
    tensors = (tensor(codes, scale),)
    found = value(name, codes, tensors=tensors, output=output, profile=profile, **options)
    assert found.dtype == np.int8
    return [int(one) for one in found]


@pytest.mark.parametrize(
    ("scale", "x", "tflite", "builtin", "litert", "tflm"),
    [
        (0.11843768507242203, [-39, 39], [-125, 125], [-125, 126], [-125, 125], [-125, 125]),
        (0.007812827825546265, [-3, 3], [-2, 2], [-2, 2], [-1, 2], [-1, 1]),
        (0.002090765628963709, [-124, 124], [-17, 16], [-17, 17], [-16, 16], [-17, 17]),
        (0.0059958347119390965, [-95], [-35], [-35], [-35], [-35]),
        (0.013022503815591335, [3], [2], [3], [2], [3]),
    ],
)
def test_logistic_of_int8_as_it_was_measured(
    scale: float,
    x: list[int],
    tflite: list[int],
    builtin: list[int],
    litert: list[int],
    tflm: list[int],
) -> None:
    assert _int8("LOGISTIC", x, scale, LOGISTIC8, TFLITE_DEFAULT) == tflite
    assert _int8("LOGISTIC", x, scale, LOGISTIC8, TFLITE_BUILTIN) == builtin
    assert _int8("LOGISTIC", x, scale, LOGISTIC8, TFLITE_REFERENCE) == builtin
    assert _int8("LOGISTIC", x, scale, LOGISTIC8, LITERT) == litert
    assert _int8("LOGISTIC", x, scale, LOGISTIC8, TFLM) == tflm


@pytest.mark.parametrize(
    ("scale", "x", "xnnpack", "builtin", "tflm"),
    [
        (0.06363635510206223, [-49], [-128], [-128], [-127]),
        (0.020523391664028168, [-57, 57], [-106, 106], [-106, 106], [-105, 105]),
        (0.03949105367064476, [-65, 65], [-126, 126], [-127, 127], [-127, 127]),
        (0.039617110043764114, [-54, 54], [-124, 124], [-125, 125], [-124, 124]),
    ],
)
def test_tanh_of_int8_as_it_was_measured(
    scale: float, x: list[int], xnnpack: list[int], builtin: list[int], tflm: list[int]
) -> None:
    for profile in (TFLITE_DEFAULT, LITERT):
        assert _int8("TANH", x, scale, TANH8, profile) == xnnpack
    assert _int8("TANH", x, scale, TANH8, TFLITE_BUILTIN) == builtin
    assert _int8("TANH", x, scale, TANH8, TFLM) == tflm


def test_fixed_point_saturates_outside_its_radius() -> None:
    x = [-128, 127, 16, 15, -16, -15, 1, 0]
    assert _int8("LOGISTIC", x, 1.0, LOGISTIC8, TFLM) == [-128, 127, 127, 127, -128, -128, 59, 0]
    assert _int8("TANH", x, 1.0, TANH8, TFLM) == [-128, 127, 127, 127, -128, -128, 97, 0]


def test_elu_of_int8_rounds_ties_in_three_ways() -> None:
    x = [1, 3, 5, -1]  # 0.5, 1.5, 2.5 and -0.39 steps above the zero point
    out = tensor(int8(0), 1.0, -11)
    assert _int8("ELU", x, 0.5, out, TFLITE_BUILTIN) == [-10, -9, -8, -11]
    assert _int8("ELU", x, 0.5, out, TFLITE_DEFAULT) == [-11, -9, -9, -11]
    assert _int8("ELU", x, 0.5, out, LITERT) == [-10, -10, -8, -11]
    assert _int8("ELU", x, 0.5, out, TFLM) == [-10, -9, -8, -11]


def test_relu6_of_int8_is_rescaled_or_clamped() -> None:
    x = [-5, 3, 100, 60]
    out = tensor(int8(0), 0.05)
    assert _int8("RELU6", x, 0.1, out, TFLITE_DEFAULT) == [0, 6, 120, 120]
    assert _int8("RELU6", x, 0.1, out, TFLM) == [0, 3, 60, 60]
    codes = int8(x)
    shifted = value("RELU6", codes, tensors=(tensor(codes, 0.1, 7),), profile=TFLM)
    assert shifted.tolist() == [7, 7, 67, 60]
    coarse = value("RELU6", codes, tensors=(tensor(codes, 0.04),), profile=TFLM)
    assert coarse.tolist() == [0, 3, 100, 60]


def test_relu_of_integers_clamps_between_two_scales() -> None:
    x = [-10, 0, 10, 127]
    out = tensor(int8(0), 0.05, -3)
    assert _int8("RELU", x, 0.1, out, TFLITE_DEFAULT) == [-3, -3, 17, 127]
    assert _int8("RELU_N1_TO_1", x, 0.1, out, TFLITE_DEFAULT) == [-23, -3, 17, 17]
    # An end at half a step is rounded away from zero: 1 / 0.08 is 12.5.
    assert _int8("RELU_N1_TO_1", [-127, 127], 0.1, tensor(int8(0), 0.08), TFLM) == [-13, 13]
    far = tensor(int8(0), 0.001, 120)
    assert _int8("RELU_N1_TO_1", [-127, 127], 0.1, far, TFLITE_DEFAULT) == [-128, 127]


def test_an_int16_quotient_is_divided_in_two_precisions() -> None:
    x = int16([29951, 31806])
    tensors, out = (tensor(x, 0.00014114909572526813),), tensor(int16(0), 0.00014154370001051575)
    assert value("RELU", x, tensors=tensors, output=out).tolist() == [29867, 31717]
    assert value("RELU", x, tensors=tensors, output=out, profile=TFLM).tolist() == [29868, 31717]


def test_floats_are_clamped_to_the_bit_and_nan_goes_its_way() -> None:
    x = float32([-np.inf, -2, 0.3, 7, np.inf, np.nan])
    for name, want in (("RELU", [0, 0, 0.3, 7, np.inf]), ("RELU6", [0, 0, 0.3, 6, 6])):
        found = answer(name, x)
        assert np.array_equal(found.values[0][:5], float32(want))
        assert found.allowed[0] is not None
        assert found.allowed[0].tolist()[2:4] == [0, 0]
    assert np.isnan(answer("RELU", x).values[0][5])
    assert np.isnan(answer("RELU6", x).values[0][5])
    assert answer("RELU6", x, profile=TFLM).values[0][5] == 0
    assert answer("RELU_N1_TO_1", x).values[0][:4].tolist() == [-1, -1, float32(0.3), 1]


def test_only_denormal_numbers_may_be_flushed() -> None:
    x = float32([1e-40, 2.0**-125, 2.0**-124, 0])
    found = answer("RELU", x)
    assert found.allowed[0] is not None
    assert found.allowed[0].tolist() == [2.0**-125, 0, 0, 2.0**-125]


def test_leaky_relu_multiplies_what_is_below() -> None:
    x = float32([-3, 0, 2])
    found = answer("LEAKY_RELU", x, alpha=0.1).values[0]
    assert found.tolist() == [float(float32(-3) * float32(0.1)), 0, 2]
    out = tensor(int8(0), 1.0, 2)
    for profile in (TFLITE_DEFAULT, TFLITE_BUILTIN, TFLM):
        assert _int8("LEAKY_RELU", [-8, 8], 0.5, out, profile, alpha=0.25) == [1, 6]
        assert _int8("LEAKY_RELU", [-8, 8], 0.5, out, profile, alpha=-0.5) == [4, 6]
        assert _int8("LEAKY_RELU", [-8, 0], 0.5, out, profile, alpha=0.0) == [2, 2]


def test_leaky_relu_of_xnnpack_has_factors_of_eight_bits() -> None:
    out = tensor(int8(0), 1.0)
    # -0.3 is rounded once; the multiplier rounds it to -0.5 first, and that to -1.
    x = [-5, -100, 1, -1]
    assert _int8("LEAKY_RELU", x, 1.0, out, TFLITE_DEFAULT, alpha=0.3) == [-2, -30, 1, 0]
    assert _int8("LEAKY_RELU", x, 1.0, out, TFLITE_BUILTIN, alpha=0.3) == [-2, -30, 1, -1]
    fine = [-118]
    assert _int8("LEAKY_RELU", fine, 1.0, out, TFLITE_DEFAULT, alpha=0.0445) == [-5]
    assert _int8("LEAKY_RELU", [-128], 1.0, out, TFLITE_DEFAULT, alpha=0.0112) == [-1]
    assert _int8("LEAKY_RELU", [-128], 1.0, out, TFLITE_DEFAULT, alpha=0.0038) == [0]


def test_alpha_of_prelu_is_a_tensor() -> None:
    x, alpha = float32([[-2, 2], [-4, 4]]), float32([0.5, 3])
    assert answer("PRELU", x, alpha).values[0].tolist() == [[-1, 2], [-2, 4]]
    codes, slopes = int8([[-8, 8], [-16, 127]]), int8([3, 5])
    tensors = tensor(codes, 0.5, 0), tensor(slopes, 0.25, 1)
    out = tensor(int8(0), 0.25, -4)
    found = value("PRELU", codes, slopes, tensors=tensors, output=out)
    assert found.tolist() == [[-12, 12], [-20, 127]]
    assert found.dtype == np.int8
    assert np.array_equal(
        value("PRELU", codes, slopes, tensors=tensors, output=out, profile=TFLM), found
    )


def test_hard_swish_of_int8_stays_near_its_function() -> None:
    codes = np.arange(-128, 128).astype(np.int8)
    source, out = tensor(codes, 0.05, 3), tensor(int8(0), 0.03, -60)
    real = 0.05 * (codes.astype(float) - 3)
    want = np.clip(real * np.clip(real + 3, 0, 6) / 6 / 0.03 - 60, -128, 127)
    found = value("HARD_SWISH", codes, tensors=(source,), output=out)
    assert np.abs(found - want).max() < 1.01
    with pytest.raises(NoOracle, match="finer than the kernel takes"):
        value("HARD_SWISH", codes, tensors=(source,), output=tensor(int8(0), 0.0003))


@pytest.mark.parametrize(
    ("scales", "total"),
    [
        ((0.05, 3, 0.03, -60), -995210),
        ((0.2, -100, 0.1, -120), 285880),
        ((0.004, 0, 0.001, 0), -1181224),
        ((0.013, 77, 0.012, 5), -454901),
    ],
)
def test_last_bits_of_hard_swish(scales: tuple[float, int, float, int], total: int) -> None:
    """Of tables that the runtimes agreed with when they were recorded."""
    a, b, c, d = scales
    table = _hard_swish_table(float(np.float32(a)), b, float(np.float32(c)), d)
    assert int((table.astype(int) * np.arange(1, 257)).sum()) == total


@pytest.mark.parametrize(
    ("ratio", "alpha", "taken"),
    [
        (1 / 256, 1.0, True),
        (1 / 257, 1.1, False),
        (128.0, 0.5, True),
        (128.5, 0.5, False),
        (64.0, 2.0, True),
        (64.0, 2.01, False),
        (64.0, -1.99, True),
        (64.0, -2.0, False),
        (1.0, 1 / 256, True),
        (1.0, -1 / 256, True),
        (1.0, 1 / 257, False),
        (1.0, 0.0, False),
    ],
)
def test_xnnpack_takes_slopes_that_its_factors_hold(
    ratio: float, alpha: float, taken: bool
) -> None:
    found = _leaky_xnnpack(int64([-256, 0, 1]), ratio, 1.0, alpha)
    assert (found is not None) == taken
    if found is not None and ratio == 1:
        assert found.tolist() == [round(-256 * alpha), 0, 1]


def test_int16_is_gemmlowps_at_the_lstms_scale_and_a_table_elsewhere() -> None:
    x = int16([-32768, -5000, -1, 0, 1, 4096, 32767])
    out = tensor(int16(0), 2.0**-15)

    def found(name: str, scale: float, profile: OperatorProfile) -> Array:
        result = value(name, x, tensors=(tensor(x, scale),), output=out, profile=profile)
        assert result.dtype == np.int16
        return result

    for name, power in (("LOGISTIC", -12), ("TANH", -12), ("TANH", -11)):
        fast, slow = (found(name, 2.0**power, one) for one in (TFLITE_DEFAULT, TFLM))
        assert not np.array_equal(fast, slow), (name, power)
        real = x * 2.0**power
        want = np.tanh(real) if name == "TANH" else 1 / (1 + np.exp(-real))
        for one in (fast, slow):
            assert np.abs(one / 2.0**15 - want).max() < 3e-4, (name, power)
    # A thousandth beside a power of two is still one; further off is none.
    assert np.array_equal(
        found("TANH", 2.0**-12 * 1.0006, TFLITE_DEFAULT), found("TANH", 2.0**-12, TFLITE_DEFAULT)
    )
    for name, power in (("LOGISTIC", -11), ("LOGISTIC", -13), ("TANH", -10), ("TANH", -13)):
        alike = [found(name, 2.0**power, one) for one in (TFLITE_DEFAULT, TFLM)]
        assert np.array_equal(alike[0], alike[1]), (name, power)
    assert np.array_equal(
        found("TANH", 2.0**-12 * 1.001, TFLITE_DEFAULT), found("TANH", 2.0**-12 * 1.001, TFLM)
    )
    with pytest.raises(NoOracle, match="overflows the kernel's product"):
        found("TANH", 3.0, TFLM)


@pytest.mark.parametrize(
    "name",
    ["RELU", "LEAKY_RELU", "PRELU", "HARD_SWISH", "LOGISTIC", "TANH", "ELU", "EXP", "LOG", "GELU"],
)
def test_what_is_not_quantised_is_refused_by_name(name: str) -> None:
    x = int8([1])
    with pytest.raises(NoOracle, match=f"^{name} of int8$"):
        value(name, x, x, alpha=0.5)


@pytest.mark.parametrize("name", ["HARD_SWISH", "GELU", "ELU"])
def test_int16_is_refused_where_no_kernel_has_it(name: str) -> None:
    x = int16([1])
    with pytest.raises(NoOracle, match=f"^{name} of int16$"):
        value(name, x, tensors=(tensor(x, 0.1),))


def test_gelu_is_whole_or_approximate() -> None:
    x = float32([-1, 2])
    whole, rough = (answer("GELU", x, approximate=one).values[0] for one in (False, True))
    assert np.allclose(whole, [-0.15865525, 1.95449974], rtol=1e-7)
    assert np.allclose(rough, [-0.15880801, 1.95459769], rtol=1e-7)
    out = tensor(int8(0), 0.0001, 0)
    codes = [-100]
    assert _int8("GELU", codes, 0.03, out, TFLITE_DEFAULT) == [-40]
    assert _int8("GELU", codes, 0.03, out, TFLITE_DEFAULT, approximate=True) == [-36]
    fine = tensor(int8(0), 0.001, 0)
    some = [-128, -60, -20, -1, 0, 1, 4]
    assert _int8("GELU", some, 0.03, fine, TFLITE_DEFAULT, approximate=True) == [
        0,
        -65,
        -128,
        -15,
        0,
        15,
        66,
    ]


def test_log_of_int8_is_the_least_where_there_is_none() -> None:
    out = tensor(int8(0), 0.05, 3)
    assert _int8("LOG", [-5, 0, 10, 100], 0.1, out, TFLITE_DEFAULT) == [-128, -128, 3, 49]


def test_exp_of_int8_saturates() -> None:
    assert _int8("EXP", [0, 40, 127], 0.1, tensor(int8(0), 0.5, -128), TFLITE_DEFAULT) == [
        -126,
        -19,
        127,
    ]
    x = int16([0, -32768, 20000])
    found = value("EXP", x, tensors=(tensor(x, 1e-4),), output=tensor(int16(0), 3e-4))
    assert np.abs(found - np.exp(x * 1e-4) / 3e-4).max() < 1.5
    assert found.dtype == np.int16


@pytest.mark.parametrize(
    ("name", "factor", "other", "at"),
    [
        ("LOGISTIC", "sigmoid_float", "exponential_tail", -9.5),
        ("TANH", "tanh_of_nan", "kept", np.nan),
        ("EXP", "exp_float", "product", 3.0),
        ("HARD_SWISH", "hard_swish_float", "product", -2.9),
    ],
)
def test_a_factor_of_floats_changes_a_value_or_its_bound(
    name: str, factor: str, other: str, at: float
) -> None:
    x = float32([at])
    assert getattr(TFLITE_DEFAULT, factor) != other
    one, two = (
        answer(name, x, profile=profile)
        for profile in (TFLITE_DEFAULT, changed(TFLITE_DEFAULT, **{factor: other}))
    )
    pair = [np.stack([a.values[0], np.asarray(a.allowed[0])]) for a in (one, two)]
    assert not np.array_equal(pair[0], pair[1], equal_nan=True)
