"""Compute the QUANTIZE operator from float32 as each runtime does, bit for bit.

"reference": float32 division, ties away from zero. TensorFlow Lite Micro, TFLite's reference
kernels (kernels/internal/reference/quantize.h, 2.15.1) and this harness's own inputs.
"optimised": what TFLite's interpreter runs by default on x86-64, found by measuring: a float32
product with the float32 reciprocal of the scale, ties to even. For int16 that holds for whole
blocks of eight values; those left over are divided in float64, ties away from zero.

The forms part where a value lies at a tie between two steps or a rounding error beside it, and
never by more than one step. Values of 2^31 steps and more are undefined in the kernels, which
convert to int32 before they saturate: TFLite Micro gives -128 for 1e30 at scale 1.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import Affine, limits, quantise

Form = Literal["reference", "optimised"]

_INT16_BLOCK = 8


def quantize_operator(real: NDArray[np.float32], affine: Affine, form: Form) -> NDArray[Any]:
    """What the operator gives for float32 values of any shape, to int8 or int16, per-tensor.

    Raises ValueError for NaN, which has no quantised value, and for a per-axis quantisation.
    """
    if affine.axis is not None or affine.dtype not in ("int8", "int16"):
        raise ValueError("only the per-tensor operator to int8 and int16 is described")
    if form == "reference":
        return quantise(real, affine, "half_away", np.float32)
    flat = np.asarray(real, np.float32).ravel()
    if np.any(np.isnan(flat)):
        raise ValueError("NaN has no quantised value")
    whole = len(flat) if affine.dtype == "int8" else len(flat) // _INT16_BLOCK * _INT16_BLOCK
    parts = [
        _by_reciprocal(flat[:whole], affine),
        quantise(flat[whole:], affine, "half_away", np.float64),
    ]
    joined: NDArray[Any] = np.concatenate(parts)
    return joined.reshape(np.shape(real))


def _by_reciprocal(real: NDArray[np.float32], affine: Affine) -> NDArray[Any]:
    low, high = limits(affine.dtype)
    with np.errstate(over="ignore"):
        product = real * (np.float32(1.0) / np.float32(affine.scale))
    codes = np.clip(np.rint(product).astype(np.float64) + int(affine.zero_point), low, high)
    return np.asarray(codes, affine.dtype)
