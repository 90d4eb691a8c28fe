"""Multiply matrices exactly in integers, and bound what float32 makes of a product.

The bound: n products summed in float32 in any order, fused or not, differ from the exact sum by at
most gamma(n) * sum |a_i b_i|, gamma(n) = n u / (1 - n u), u = 2**-24 (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd edition, section 3.1, equation 3.5).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Int64 = NDArray[np.int64]

#: The unit roundoff of float32, and half its smallest number: what a product may lose below it.
UNIT_ROUNDOFF = 2.0**-24
UNDERFLOW = 2.0**-150

#: Up to here float32 and float64 hold every integer.
_FLOAT32_EXACT, _FLOAT64_EXACT = 2**24, 2**53


def gamma(terms: int | Array) -> Any:
    """n u / (1 - n u) for sums of n terms in float32."""
    return terms * UNIT_ROUNDOFF / (1 - np.asarray(terms) * UNIT_ROUNDOFF)


def integer_product(a: Array, b: Array) -> Int64:
    """a [..., M, K] @ b [..., K, N] of integers, exactly, as int64.

    By floating-point products where no partial sum can leave what they hold exactly. Raises
    OverflowError where int64 could not hold a sum, either.
    """
    depth = a.shape[-1]
    most = depth * _largest(a) * _largest(b)
    if most < _FLOAT32_EXACT:
        return np.asarray(a.astype(np.float32) @ b.astype(np.float32)).astype(np.int64)
    if most < _FLOAT64_EXACT:
        return np.asarray(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    if most >= 2**63:
        raise OverflowError(f"a sum of {depth} products may reach {most}")
    return np.asarray(a.astype(np.int64) @ b.astype(np.int64))


def _largest(values: Array) -> int:
    if not values.size:
        return 0
    return max(abs(int(values.min())), abs(int(values.max())))


def float_product(a: Array, b: Array, bias: Array | None) -> tuple[Array, Array]:
    """a [..., M, K] @ b [..., K, N] + bias [N] in float64, and what float32 may be off by.

    a, b, bias: float32 values. Both results float64 [..., M, N].
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    value, size = wide_a @ wide_b, np.abs(wide_a) @ np.abs(wide_b)
    terms = a.shape[-1]
    if bias is not None:
        value, size = value + bias, size + np.abs(bias)
        terms += 1
    return value, gamma(terms) * size + terms * UNDERFLOW
