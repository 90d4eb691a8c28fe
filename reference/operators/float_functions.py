"""Say how far float32 elementwise functions may lie from their float64 values, at equal inputs.

u is 2**-24, the largest relative error of one float32 rounding. exp, tanh, log and erf of the
runtimes (the C library's, Eigen's and XNNPACK's polynomials and rational approximations) stay
within 8 u of the value, as reference.budgets.float_lstm has it; results under the least normal
number may be flushed to 0. What is added to that below is propagated from it by first derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

U = 2.0**-24
FUNCTION = 8 * U
LEAST_NORMAL = 2.0**-126
_LARGEST = float(np.finfo(np.float32).max)
#: Under it the runtimes' sigmoid is exp(x) (reference/logistic.h), off by exp(2 x).
_SIGMOID_IS_EXP_BELOW = -9.0

Bounded = tuple[Float64, Float64]


def logistic(x: NDArray[Any]) -> Bounded:
    """1 / (1 + exp(-x)) and its bound."""
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        value = 1 / (1 + np.exp(-wide))
        tail = np.where(wide < _SIGMOID_IS_EXP_BELOW, np.exp(2 * np.minimum(wide, 0)), 0)
    return value, FUNCTION * value + tail + LEAST_NORMAL


def tanh(x: NDArray[Any]) -> Bounded:
    """tanh and its bound."""
    value = np.tanh(x.astype(np.float64))
    return value, FUNCTION * np.abs(value) + LEAST_NORMAL


def exp(x: NDArray[Any]) -> Bounded:
    """exp, infinite where float32 is, and its bound."""
    with np.errstate(over="ignore"):
        value = np.exp(x.astype(np.float64))
    value = np.where(value > _LARGEST, np.inf, value)
    return value, FUNCTION * value + LEAST_NORMAL


def elu(x: NDArray[Any]) -> Bounded:
    """exp(x) - 1 under 0, x elsewhere, and its bound: x itself is due to the bit."""
    wide = x.astype(np.float64)
    value = np.where(wide < 0, np.expm1(np.minimum(wide, 0)), wide)
    return value, np.where(wide < 0, FUNCTION * np.abs(value) + LEAST_NORMAL, 0)


def hard_swish(x: NDArray[Any]) -> Bounded:
    """x relu6(x + 3) / 6 and its bound: a sum, two products and the rounded sixth."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        value = wide * np.clip(wide + 3, 0, 6) / 6
    return value, 5 * U * np.abs(value) + LEAST_NORMAL


def softmax(x: NDArray[Any], beta: float) -> Bounded:
    """Along the last axis, with its bound.

    The exponent is rounded twice (difference, times beta), a power has a function's error, a sum of
    n powers sqrt(n) roundings (Higham and Mary 2019), and the quotient is up to two more.
    """
    value, exponent, total = _powers(x, beta)
    share = value / total
    of_power = 2 * U * np.abs(exponent) + FUNCTION
    finite = np.where(share > 0, of_power * share, 0)
    of_sum = finite.sum(axis=-1, keepdims=True) + np.sqrt(x.shape[-1]) * U
    return share, np.where(share > 0, finite + (of_sum + 2 * U) * share, 0) + LEAST_NORMAL


def log_softmax(x: NDArray[Any]) -> Bounded:
    """Along the last axis, with its bound: as softmax, then a logarithm and two differences."""
    value, exponent, total = _powers(x, 1.0)
    share = value / total
    of_power = np.where(share > 0, (U * np.abs(exponent) + FUNCTION) * share, 0)
    of_sum = of_power.sum(axis=-1, keepdims=True) + np.sqrt(x.shape[-1]) * U
    logarithm = np.log(total)
    result = exponent - logarithm
    own = U * (np.abs(exponent) + np.abs(result))
    return result, own + of_sum + FUNCTION * np.abs(logarithm) + LEAST_NORMAL


def _powers(x: NDArray[Any], beta: float) -> tuple[Float64, Float64, Float64]:
    """exp of beta (x - maximum), that exponent, and the sum along the last axis."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        exponent = beta * (wide - wide.max(axis=-1, keepdims=True))
    value = np.exp(exponent)
    return value, exponent, value.sum(axis=-1, keepdims=True)
