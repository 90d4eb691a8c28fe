"""Compute AVERAGE_POOL_2D and MAX_POOL_2D as each runtime does, in integers and in float32.

Sources: tensorflow/lite/kernels/pooling.cc and internal/reference/integer_ops/pooling.h (2.15.1):
an average counts the elements of the image only, and is rounded to the nearest code, ties away from
the code 0 (not from the zero point).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.delegation import delegated
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import activation_range, float_range
from reference.operators.sums.products import UNIT_ROUNDOFF, gamma
from reference.operators.sums.windows import axes_of, windows

Array = NDArray[Any]


def average_pool(call: Call, profile: OperatorProfile) -> Answer:
    """image [N, H, W, C]: [N, H', W', C]; the output has the input's scale."""
    image = call.value(0)
    axes = axes_of(call, call.options["filter_height"], call.options["filter_width"])
    count = windows(np.ones((1, *image.shape[1:3], 1)), axes, 0).sum((3, 4))
    activation = call.options["fused_activation_function"]
    if image.dtype == np.float32:
        low, high = float_range(activation)
        wide = image.astype(np.float64)
        value = windows(wide, axes, 0).sum((3, 4)) / count
        size = windows(np.abs(wide), axes, 0).sum((3, 4)) / count
        # count - 1 sums, then a quotient or a product with a rounded reciprocal
        allowed = gamma(count + 1) * size + UNIT_ROUNDOFF * np.abs(value)
        return Answer((np.clip(value, low, high),), (allowed,))
    low, high = _range(call, activation, delegated(call, profile))
    total = windows(image.astype(np.int64), axes, 0).sum((3, 4))
    whole = count.astype(np.int64)
    mean = (np.abs(total) + whole // 2) // whole * np.sign(total)
    return exact(np.clip(mean, low, high).astype(image.dtype))


def max_pool(call: Call, profile: OperatorProfile) -> Answer:
    """image [N, H, W, C]: [N, H', W', C]; the output has the input's scale."""
    image = call.value(0)
    axes = axes_of(call, call.options["filter_height"], call.options["filter_width"])
    activation = call.options["fused_activation_function"]
    if image.dtype == np.float32:
        low, high = (np.float32(end) for end in float_range(activation))
        return exact(np.clip(windows(image, axes, -np.inf).max((3, 4)), low, high))
    least, most = _range(call, activation, delegated(call, profile))
    outside = np.iinfo(image.dtype).min
    value = windows(image, axes, outside).max((3, 4))
    return exact(np.clip(value, least, most).astype(image.dtype))


def _range(call: Call, activation: str, by_delegate: bool) -> tuple[int, int]:
    x, y = call.tensor(0), call.outputs[0]
    if (x.scale, x.zero_point) != (y.scale, y.zero_point):
        raise NoOracle(f"{call.name} with another scale")
    return activation_range(activation, y, "even" if by_delegate else "away")


KERNELS: dict[str, Kernel] = {"AVERAGE_POOL_2D": average_pool, "MAX_POOL_2D": max_pool}
