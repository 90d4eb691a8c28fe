"""Say how far float32 elementwise functions may lie from their float64 values, at equal inputs.

u is 2**-24, the largest relative error of one float32 rounding. exp, tanh, log and erf of the
runtimes (the C library's, Eigen's and XNNPACK's polynomials and rational approximations) stay
within 8 u of the value, as reference.budgets.float_lstm has it. What is added to that below is
propagated from it by first derivatives. XNNPACK runs with denormal numbers flushed to 0, and so are
the last products of its exp: a result under twice the least normal number may be 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

U = 2.0**-24
FUNCTION = 8 * U
FLUSHED = 2.0**-125
_LARGEST = float(np.finfo(np.float32).max)
#: Where a sigmoid with an exponential tail is exp(x) (reference/logistic.h).
_TAIL_BELOW = -9.0

Bounded = tuple[Float64, Float64]


def logistic(x: NDArray[Any], form: str) -> Bounded:
    """1 / (1 + exp(-x)), with an exponential tail or whole, and its bound."""
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        value = 1 / (1 + np.exp(-wide))
        if form == "exponential_tail":
            value = np.where(wide < _TAIL_BELOW, np.exp(np.minimum(wide, 0)), value)
    return value, FUNCTION * value + FLUSHED


def tanh(x: NDArray[Any], of_nan: str) -> Bounded:
    """tanh and its bound. of_nan: whether NaN is kept or becomes one."""
    value = np.tanh(x.astype(np.float64))
    if of_nan == "one":
        value = np.where(np.isnan(value), 1.0, value)
    return value, FUNCTION * np.abs(value) + FLUSHED


def exp(x: NDArray[Any], form: str) -> Bounded:
    """exp, infinite where float32 is, and its bound.

    form "product": 2 to the power of the float32 product x log2(e). Its factor and the product are
    rounded, u |x| each; NaN becomes 0, and from 2**127 on the result may be infinite.
    """
    wide = x.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.exp(wide)
        value = np.where(value > _LARGEST, np.inf, value)
        relative = FUNCTION + (2 * U * np.abs(wide) if form == "product" else 0)
        allowed = np.where(value > 0, relative * value, 0) + FLUSHED
    if form == "product":
        allowed = np.where(value >= 2.0**127, np.inf, np.nan_to_num(allowed, nan=0.0))
        value = np.where(np.isnan(value), 0.0, value)
    return value, allowed


def log(x: NDArray[Any], form: str) -> Bounded:
    """log and its bound: minus infinity of 0, NaN below.

    form "absolute": with 4 u beside (measured: 2 u), and nothing is known of denormal numbers.
    """
    wide = x.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(wide)
    allowed = FUNCTION * np.where(np.isfinite(value), np.abs(value), 0.0) + FLUSHED
    if form == "absolute":
        denormal = (wide > 0) & (wide < FLUSHED / 2)
        allowed = np.where(denormal, np.inf, allowed + 4 * U)
    return value, allowed


def elu(x: NDArray[Any]) -> Bounded:
    """exp(x) - 1 under 0, x elsewhere, and its bound: x itself is due to the bit."""
    wide = x.astype(np.float64)
    value = np.where(wide < 0, np.expm1(np.minimum(wide, 0)), wide)
    return value, np.where(wide < 0, FUNCTION * np.abs(value) + FLUSHED, 0)


def hard_swish(x: NDArray[Any], form: str) -> Bounded:
    """x relu6(x + 3) / 6 and its bound.

    form "product": a sum, two products and the rounded sixth. "gate": x times x / 6 + 1/2, clamped,
    so that what the sixth, its product and the sum are rounded by stays while the gate vanishes.
    """
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        value = wide * np.clip(wide + 3, 0, 6) / 6
        own = 5 * U * np.abs(value)
        if form == "gate":
            near = np.minimum(np.abs(wide), 4.0)
            gate = np.clip(near / 3 + np.clip(wide / 6 + 0.5, 0, 1), 0, None)
            own = np.where(np.abs(wide) < 4, U * (near * gate + np.abs(value)), own)
    return value, own + FLUSHED


def gelu(x: NDArray[Any], approximate: bool) -> Bounded:
    """x Phi(x), or its approximation by tanh, and its bound.

    The gate is 1 plus erf or tanh of an argument: a function's error, and what the argument's
    roundings (4 u) move it by, absolutely, since 1 and -1 cancel.
    """
    wide = x.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if approximate:
            argument = np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3)
            function = np.tanh(argument)
            slope = 1 - function**2
        else:
            argument = wide / np.sqrt(2)
            function = _erf(argument)
            slope = 2 / np.sqrt(np.pi) * np.exp(-(argument**2))
        value = 0.5 * wide * (1 + function)
        moved = np.nan_to_num(4 * U * np.abs(argument) * slope)
        own = 0.5 * np.abs(wide) * (FUNCTION + moved) + 3 * U * np.abs(value)
    return value, own + FLUSHED


_erf = np.vectorize(math.erf, otypes=[np.float64])


def softmax(x: NDArray[Any], beta: float) -> Bounded:
    """Along the last axis, with its bound.

    The exponent is rounded twice (difference, times beta), a power has a function's error, a sum of
    n powers sqrt(n) roundings (Higham and Mary 2019), and the quotient is up to two more.
    """
    value, exponent, total = _powers(x, beta)
    share = value / total
    of_power = (2 * U * _size(exponent, share) + FUNCTION) * share
    of_sum = of_power.sum(axis=-1, keepdims=True) + np.sqrt(x.shape[-1]) * U
    return share, of_power + (of_sum + 2 * U) * share + FLUSHED


def log_softmax(x: NDArray[Any]) -> Bounded:
    """Along the last axis, with its bound: as softmax, then a logarithm and two differences."""
    value, exponent, total = _powers(x, 1.0)
    share = value / total
    of_power = (U * _size(exponent, share) + FUNCTION) * share
    of_sum = of_power.sum(axis=-1, keepdims=True) + np.sqrt(x.shape[-1]) * U
    logarithm = np.log(total)
    result = exponent - logarithm
    own = U * (np.abs(exponent) + np.abs(result))
    return result, own + of_sum + FUNCTION * np.abs(logarithm) + FLUSHED


def _size(exponent: Float64, share: Float64) -> Float64:
    """How large an exponent is, where its power is not nothing: infinity has no roundings."""
    return np.where(share > 0, np.abs(exponent), 0.0)


def _powers(x: NDArray[Any], beta: float) -> tuple[Float64, Float64, Float64]:
    """exp of beta (x - maximum), that exponent, and the sum along the last axis."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exponent = beta * (wide - wide.max(axis=-1, keepdims=True))
    value = np.exp(exponent)
    return value, exponent, value.sum(axis=-1, keepdims=True)
