"""Do the laws of quantisation hold, on numbers that Hypothesis draws?

reference/arithmetic/affine.py and reference/arithmetic/fixed_point.py against exact rational
arithmetic, and the harness's quantisation of inputs and outputs against the runtimes' own
operators, bit for bit. `--hypothesis-profile=long` draws 10,000 examples of each.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.runtimes import RUNTIMES
from harness.checks.quantization import operator_bench
from harness.flatbuffer.quantize_builder import dequantize_model, quantize_model
from harness.pipeline.suite import Suite
from harness.quantization.scale_predictions import OperatorBench
from harness.session.session import Session
from reference.arithmetic.affine import Affine, dequantise, limits, quantise, round_half_away
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
)
from reference.arithmetic.quantize_operator import Form, quantize_operator

SUITE = Suite(judges="installation")
#: Arithmetic is quick: five times the profile's examples, at most 10,000.
often = settings(max_examples=min(10_000, 5 * settings.default.max_examples))  # type: ignore[union-attr]

INT32 = st.integers(-(2**31), 2**31 - 1)
DTYPES = st.sampled_from(["int8", "uint8", "int16"])


@st.composite
def affines(draw: Any, dtype: str | None = None) -> Affine:
    """Any quantisation that a tensor can have: float32 scale 2^-40 to 2^20, zero point in range;
    int16 is symmetric."""
    chosen = dtype or draw(DTYPES)
    scale = float(np.float32(draw(st.floats(2.0**-40, 2.0**20, width=32))))
    low, high = limits(chosen)
    zero_point = 0 if chosen == "int16" else draw(st.integers(low, high))
    return Affine(scale, zero_point, chosen)


#: Real numbers in units of the scale: inside, at ties, and far outside.
STEPS = st.lists(
    st.one_of(
        st.floats(-300.0, 300.0),
        st.floats(-70_000.0, 70_000.0),
        st.integers(-70_000, 70_000).map(lambda k: k + 0.5),
        st.sampled_from([0.0, -0.0, 1e30, -1e30, 0.49999999999999994, 2.0**-60]),
    ),
    min_size=1,
    max_size=16,
)


def _fits(affine: Affine) -> tuple[float, float]:
    low, high = limits(affine.dtype)
    ends = dequantise(np.array([low, high], affine.dtype), affine)
    return float(ends[0]), float(ends[1])


# Affine quantisation ------------------------------------------------------------------------


@often
@given(affines(), STEPS)
def test_a_round_trip_is_off_by_half_a_step_at_most(affine: Affine, steps: list[float]) -> None:
    real = np.array(steps) * affine.scale
    low, high = _fits(affine)
    inside = real[(real >= low) & (real <= high)]
    error = np.abs(dequantise(quantise(inside, affine), affine) - inside)
    # A tie moves half a step, and each of the divisions and products rounds once (2^-53).
    slack = 2.0**-50 * (np.abs(inside) + float(affine.scale) * 2**16)
    assert np.all(error <= float(affine.scale) / 2 + slack)


@often
@given(affines(), STEPS)
def test_what_does_not_fit_saturates(affine: Affine, steps: list[float]) -> None:
    real = np.array(steps) * affine.scale
    least, most = limits(affine.dtype)
    low, high = _fits(affine)
    codes = quantise(real, affine)
    assert codes.dtype == affine.dtype
    assert np.all(codes[real >= high] == most)
    assert np.all(codes[real <= low] == least)


@often
@given(affines(), STEPS)
def test_order_is_kept(affine: Affine, steps: list[float]) -> None:
    real = np.sort(np.array(steps) * affine.scale)
    for precision in (np.float32, np.float64):
        codes = quantise(real, affine, precision=precision).astype(np.int64)
        assert np.all(np.diff(codes) >= 0)


@often
@given(affines())
def test_zero_is_exact(affine: Affine) -> None:
    codes = quantise(np.array([0.0, -0.0]), affine)
    assert np.all(codes == affine.zero_point)
    assert np.all(dequantise(codes, affine) == 0.0)


@often
@given(affines(), st.data())
def test_every_code_comes_back(affine: Affine, data: st.DataObject) -> None:
    low, high = limits(affine.dtype)
    drawn = data.draw(st.lists(st.integers(low, high), min_size=1, max_size=16))
    codes = np.array([low, *drawn, high], affine.dtype)
    for precision in (np.float32, np.float64):
        assert np.array_equal(
            quantise(dequantise(codes, affine), affine, "half_away", precision), codes
        )


@often
@given(st.integers(-40, 20), st.integers(-200, 200), st.integers(-128, 127))
def test_ties_go_away_from_zero_or_to_even(log2: int, whole: int, zero_point: int) -> None:
    affine = Affine(2.0**log2, zero_point, "int8")
    tie = np.array([(whole + 0.5) * 2.0**log2])
    exact = Fraction(2 * whole + 1, 2)
    away = math.floor(exact) if exact < 0 else math.ceil(exact)
    even = round(exact)  # Python rounds fractions half to even
    for rounding, expected in (("half_away", away), ("half_even", even)):
        code = int(quantise(tie, affine, rounding)[0])  # type: ignore[arg-type]
        assert code == min(max(expected + zero_point, -128), 127)


@often
@given(st.floats(-(2.0**53), 2.0**53))
def test_rounding_is_that_of_exact_arithmetic(x: float) -> None:
    exact = Fraction(x)
    away = math.floor(abs(exact) + Fraction(1, 2))
    assert round_half_away(np.array([x]))[0] == (away if x >= 0 else -away)


@often
@given(st.lists(affines("int8"), min_size=1, max_size=6), STEPS)
def test_a_channel_is_quantised_as_if_alone(channels: list[Affine], steps: list[float]) -> None:
    scales = np.array([float(a.scale) for a in channels])
    zero_points = np.array([int(a.zero_point) for a in channels], np.int64)
    together = Affine(scales, zero_points, "int8", axis=1)
    real = np.array(steps)[:, None] * scales
    codes = quantise(real, together)
    for k, alone in enumerate(channels):
        assert np.array_equal(codes[:, k], quantise(real[:, k], alone))
        assert np.array_equal(dequantise(codes, together)[:, k], dequantise(codes[:, k], alone))


@often
@given(affines("int16"), STEPS)
def test_int16_is_symmetric(affine: Affine, steps: list[float]) -> None:
    real = np.array(steps) * affine.scale
    codes = quantise(real, affine).astype(np.int64)
    mirrored = quantise(-real, affine).astype(np.int64)
    inside = (codes > -(2**15)) & (mirrored > -(2**15))
    assert np.array_equal(codes[inside], -mirrored[inside])


# The quantised multiplier -------------------------------------------------------------------


def _nearest(x: Fraction, ties: str) -> int:
    """x rounded to the nearest integer, ties "up" or "away" from zero: exact."""
    if ties == "up" or x >= 0:
        return math.floor(x + Fraction(1, 2))
    return -math.floor(-x + Fraction(1, 2))


def _exact_value(by: Multiplier) -> Fraction:
    return Fraction(int(by.mantissa)) * Fraction(2) ** (int(by.shift) - 31)


POSITIVE = st.one_of(
    st.floats(2.0**-32, 2.0**30, allow_subnormal=False),
    st.integers(-32, 29).map(lambda k: 2.0**k),
    st.integers(-32, 29).map(lambda k: math.nextafter(2.0**k, 0)),
)


@often
@given(POSITIVE)
def test_a_multiplier_is_within_one_part_in_2_to_the_31(real: float) -> None:
    by = quantised_multiplier(real)
    assert 2**30 <= int(by.mantissa) < 2**31 or (by.mantissa == 0 and real < 2.0**-31)
    if by.mantissa:
        assert abs(_exact_value(by) - Fraction(real)) <= Fraction(real) / 2**31


@often
@given(st.floats(0.0, 2.0**-33))
def test_a_vanishing_multiplier_is_zero(real: float) -> None:
    assert quantised_multiplier(real) == Multiplier(0, 0)


@often
@given(INT32, st.floats(2.0**-31, 1.0, exclude_max=True))
def test_double_rounding_is_two_exact_roundings(x: int, real: float) -> None:
    by = quantised_multiplier(real)
    right = max(0, -int(by.shift))
    high = _nearest(Fraction(x * int(by.mantissa), 2**31), "up")
    expected = _nearest(Fraction(high, 2**right), "away")
    got = int(multiply_double_rounding(np.array([x], np.int64), by)[0])
    if by.shift <= 0:
        assert got == expected
        bound = Fraction(1, 2) + Fraction(1, 2 ** (right + 1)) + abs(x) * Fraction(real) / 2**31
        assert abs(got - x * Fraction(real)) <= bound


@often
@given(st.integers(-(2**20), 2**20), st.floats(1.0, 2.0**10))
def test_a_left_shift_is_exact_where_nothing_wraps(x: int, real: float) -> None:
    by = quantised_multiplier(real)
    got = int(multiply_double_rounding(np.array([x], np.int64), by)[0])
    if abs(x) << int(by.shift) < 2**31:
        assert got == _nearest(x * _exact_value(by), "up")


@often
@given(INT32, st.floats(2.0**-31, 2.0**20))
def test_single_rounding_is_one_exact_rounding_that_wraps(x: int, real: float) -> None:
    by = quantised_multiplier(real)
    got = int(multiply_single_rounding(np.array([x], np.int64), by)[0])
    exact = _nearest(x * _exact_value(by), "up")
    assert got == (exact + 2**31) % 2**32 - 2**31


@often
@given(st.integers(-(2**40), 2**40), st.floats(2.0**-30, 2.0**-10))
def test_the_64_bit_multiplier_is_one_exact_rounding(x: int, real: float) -> None:
    by = quantised_multiplier(real)
    reduced = Fraction(int(reduced_mantissa(by))) * Fraction(2) ** (int(by.shift) - 15)
    expected = _nearest(x * reduced, "up")
    if abs(expected) < 2**31:
        assert int(multiply_int64(np.array([x], np.int64), by)[0]) == expected
        # 15 bits of mantissa: half a unit of 2^-15 at a mantissa of at least one half, and the
        # saturation of a mantissa that would round to one.
        assert abs(reduced - Fraction(real)) <= Fraction(real) / 2**14


@often
@given(INT32, st.integers(0, 31))
def test_a_right_shift_rounds_half_away(x: int, bits: int) -> None:
    got = int(rounding_right_shift(np.array([x], np.int64), bits)[0])
    assert got == _nearest(Fraction(x, 2**bits), "away")


@often
@given(INT32, INT32)
def test_the_high_product_rounds_half_up_and_saturates(a: int, b: int) -> None:
    got = int(rounding_doubling_high_mul(np.array([a], np.int64), np.array([b], np.int64))[0])
    assert got == min(_nearest(Fraction(a * b, 2**31), "up"), 2**31 - 1)
    x, y = a >> 16, b >> 16
    got = int(rounding_doubling_high_mul_int16(np.array([x], np.int64), np.array([y], np.int64))[0])
    assert got == min(_nearest(Fraction(x * y, 2**15), "up"), 2**15 - 1)


# The harness's inputs and outputs against the runtimes' operators ---------------------------


def _forms(bench: OperatorBench) -> dict[str, Form]:
    """Each runtime that is asked for, TFLite's reference kernels among them."""
    names = [*bench.runtimes, *(["tflite-reference"] if "tflite" in bench.runtimes else [])]
    return {name: form for name in names if (form := RUNTIMES[name].quantize)}


@often
@given(affine=affines(), steps=STEPS)
def test_inputs_are_quantised_as_the_operators_do(
    session: Session, affine: Affine, steps: list[float]
) -> None:
    """The harness's inputs are TFLite Micro's bit for bit; TFLite's default kernels part on
    ties, and do so exactly as reference/arithmetic/quantize_operator.py says."""
    if affine.dtype == "uint8":
        return  # the converter writes no uint8 LSTM
    bench = session.keep(operator_bench)
    # From 2^31 steps on the kernels' conversion to int32 is undefined: TFLite Micro then gives
    # the lower end for a large positive value, where the harness saturates.
    defined = [step for step in steps if abs(step) < 2**30] or [0.5]
    real = (np.array(defined) * affine.scale).astype(np.float32)
    harness = quantise(real, affine, precision=np.float32)
    model = quantize_model(real.size, affine)
    for runtime, form in _forms(bench).items():
        expected = quantize_operator(real, affine, form)
        got, ended = bench.run(model, real[None], runtime)
        assert got is not None, ended
        assert np.array_equal(got[0], expected), f"{runtime} {affine} {real}: {got} {expected}"
        assert np.abs(expected.astype(np.int64) - harness).max() <= 1
        if runtime == "tflm":
            assert np.array_equal(got[0], harness)


@often
@given(affine=affines(), data=st.data())
def test_outputs_are_dequantised_as_the_operators_do(
    session: Session, affine: Affine, data: st.DataObject
) -> None:
    if affine.dtype == "uint8":
        return
    bench = session.keep(operator_bench)
    low, high = limits(affine.dtype)
    drawn = data.draw(st.lists(st.integers(low, high), min_size=1, max_size=16))
    codes = np.array([low, *drawn, high], affine.dtype)
    expected = dequantise(codes, affine).astype(np.float32)
    model = dequantize_model(codes.size, affine)
    for runtime in _forms(bench):
        got, ended = bench.run(model, codes[None], runtime)
        assert got is not None, ended
        assert np.array_equal(got[0].view(np.uint32), expected.view(np.uint32)), runtime
