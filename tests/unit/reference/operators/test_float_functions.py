"""Values and bounds of float functions, number by number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reference.operators.elements import float_functions as functions
from tests.support.operator_calls import float32

U = 2.0**-24
FLUSHED = 2.0**-125


def _one(found: functions.Bounded) -> tuple[float, float]:
    value, allowed = found
    return float(value[0]), float(allowed[0])


def _x(x: float) -> Any:
    return float32([x])


@pytest.mark.parametrize("x", [-20.0, -9.5, -1.0, 0.0, 3.0])
def test_logistic(x: float) -> None:
    whole = 1 / (1 + math.exp(-x))
    assert _one(functions.logistic(_x(x), "whole")) == pytest.approx(
        (whole, 8 * U * whole), rel=1e-12
    )
    tail = math.exp(x) if x < -9 else whole
    found = _one(functions.logistic(_x(x), "exponential_tail"))
    assert found == pytest.approx((tail, 8 * U * tail), rel=1e-12)


def test_the_exponential_tail_begins_under_nine() -> None:
    value, _ = functions.logistic(
        float32([-9.0, np.nextafter(float32(-9), float32(-10))]), "exponential_tail"
    )
    assert value[0] == pytest.approx(1 / (1 + math.exp(9)), rel=1e-12)
    assert value[1] == pytest.approx(math.exp(-9), rel=1e-6)
    found = _one(functions.logistic(_x(-200), "whole"))
    assert found == pytest.approx((math.exp(-200), FLUSHED), rel=1e-12, abs=0)


def test_tanh() -> None:
    assert _one(functions.tanh(_x(-0.5), "kept")) == pytest.approx(
        (math.tanh(-0.5), 8 * U * math.tanh(0.5)), rel=1e-12
    )
    assert _one(functions.tanh(_x(0.0), "one")) == (0.0, FLUSHED)
    assert math.isnan(_one(functions.tanh(_x(math.nan), "kept"))[0])
    assert _one(functions.tanh(_x(math.nan), "one")) == (1.0, 8 * U + FLUSHED)


def test_exp() -> None:
    assert _one(functions.exp(_x(2.0), "reduced")) == pytest.approx(
        (math.exp(2), 8 * U * math.exp(2)), rel=1e-12
    )
    assert _one(functions.exp(_x(-2.0), "product")) == pytest.approx(
        (math.exp(-2), (8 + 2 * 2) * U * math.exp(-2)), rel=1e-12
    )
    assert _one(functions.exp(_x(89.0), "reduced"))[0] == math.inf
    assert _one(functions.exp(_x(88.7), "reduced"))[0] == pytest.approx(math.exp(float32(88.7)))
    assert _one(functions.exp(_x(-math.inf), "product")) == (0.0, FLUSHED)
    assert _one(functions.exp(_x(math.nan), "product")) == (0.0, FLUSHED)
    assert math.isnan(_one(functions.exp(_x(math.nan), "reduced"))[0])
    assert _one(functions.exp(_x(88.1), "product"))[1] == math.inf
    assert math.isfinite(_one(functions.exp(_x(88.0), "product"))[1])
    assert math.isfinite(_one(functions.exp(_x(88.1), "reduced"))[1])


def test_log() -> None:
    y = math.log(3)
    assert _one(functions.log(_x(3), "relative")) == pytest.approx((y, 8 * U * y), rel=1e-12)
    assert _one(functions.log(_x(0.5), "absolute")) == pytest.approx(
        (-math.log(2), (8 * math.log(2) + 4) * U), rel=1e-12
    )
    assert _one(functions.log(_x(1), "relative")) == (0.0, FLUSHED)
    assert _one(functions.log(_x(0), "relative")) == (-math.inf, FLUSHED)
    assert math.isnan(_one(functions.log(_x(-1), "relative"))[0])
    assert _one(functions.log(_x(1e-40), "absolute"))[1] == math.inf
    assert _one(functions.log(_x(2.0**-126), "absolute"))[1] < 1e-4
    assert _one(functions.log(_x(1e-40), "relative"))[1] < 1e-4


def test_elu() -> None:
    assert _one(functions.elu(_x(-1.0))) == pytest.approx(
        (math.expm1(-1), -8 * U * math.expm1(-1)), rel=1e-12
    )
    assert _one(functions.elu(_x(2.5))) == (2.5, 0.0)
    assert _one(functions.elu(_x(0.0))) == (0.0, 0.0)
    assert _one(functions.elu(_x(-math.inf))) == pytest.approx((-1.0, 8 * U), rel=1e-12)


@pytest.mark.parametrize("x", [-5.0, -2.5, 1.0, 3.5, 5.0])
def test_hard_swish(x: float) -> None:
    gate = min(max(x + 3, 0), 6)
    value = x * gate / 6
    found = _one(functions.hard_swish(_x(x), "product"))
    assert found == pytest.approx((value, 5 * U * abs(value) + FLUSHED), rel=1e-12)
    want = 5 * abs(value)
    if abs(x) < 4:
        want = abs(x) * (abs(x) / 3 + gate / 6) + abs(value)
    found = _one(functions.hard_swish(_x(x), "gate"))
    assert found == pytest.approx((value, want * U + FLUSHED), rel=1e-12)


def test_hard_swish_of_infinities() -> None:
    for form in ("product", "gate"):
        assert _one(functions.hard_swish(_x(math.inf), form))[0] == math.inf
        assert math.isnan(_one(functions.hard_swish(_x(-math.inf), form))[0])


def test_gelu() -> None:
    x = -1.5
    argument, slope = x / math.sqrt(2), 2 / math.sqrt(math.pi) * math.exp(-(x**2) / 2)
    value = 0.5 * x * (1 + math.erf(argument))
    allowed = 0.5 * abs(x) * (8 * U + 4 * U * abs(argument) * slope) + 3 * U * abs(value)
    assert _one(functions.gelu(_x(x), False)) == pytest.approx((value, allowed), rel=1e-12)
    argument = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    slope = 1 - math.tanh(argument) ** 2
    value = 0.5 * x * (1 + math.tanh(argument))
    allowed = 0.5 * abs(x) * (8 * U + 4 * U * abs(argument) * slope) + 3 * U * abs(value)
    assert _one(functions.gelu(_x(x), True)) == pytest.approx((value, allowed), rel=1e-12)
    assert _one(functions.gelu(_x(0.0), True)) == (0.0, FLUSHED)
