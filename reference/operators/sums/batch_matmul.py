"""Compute BATCH_MATMUL as each runtime does: int8, int16 and float32.

Sources: tensorflow/lite/kernels/batch_matmul.cc and internal/reference/batch_matmul.h (2.15.1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import wrap_int32
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import rescale, rescale_wide
from reference.operators.sums.products import float_product, integer_product

Array = NDArray[Any]


def batch_matmul(call: Call, profile: OperatorProfile) -> Answer:
    """a [..., M, K] @ b [..., K, N], batches broadcast; adj_x and adj_y turn the last two axes.

    Raises NoOracle for the hybrid form, and where TFLite 2.15.1 computes with memory that it never
    wrote: of a left side that it has to turn and to broadcast against, it turns the first only.
    """
    a, b, y = call.tensor(0), call.tensor(1), call.outputs[0]
    left, right = call.value(0), call.value(1)
    if call.options.get("adj_x"):
        if profile.turned_batches == "first" and left.shape[:-2] != right.shape[:-2]:
            raise NoOracle("BATCH_MATMUL with adj_x and a broadcast batch")
        left = left.swapaxes(-1, -2)
    if call.options.get("adj_y"):
        right = right.swapaxes(-1, -2)
    if (a.dtype, b.dtype) == ("float32", "float32"):
        value, allowed = float_product(left, right, None)
        return Answer((value,), (allowed,))
    if (a.dtype, b.dtype) not in (("int8", "int8"), ("int16", "int16")):
        raise NoOracle(f"BATCH_MATMUL of {a.dtype} with {b.dtype}")
    products = integer_product(left.astype(np.int32) - a.zero, right.astype(np.int32) - b.zero)
    single = np.float32(a.step) * np.float32(b.step)
    of_scales = float(single) if profile.scale_product == "float32" else a.step * b.step
    real = np.asarray(of_scales / y.step)
    if a.dtype == "int16":
        scaled = rescale_wide(products, real)
    else:
        scaled = rescale(wrap_int32(products), real, profile.batch_rescaling)
    info = np.iinfo(y.dtype)
    return exact(np.clip(scaled + y.zero, info.min, info.max).astype(y.dtype))


KERNELS: dict[str, Kernel] = {"BATCH_MATMUL": batch_matmul}
