"""The QUANTIZE operator from float32, as each runtime computes it: two forms, both exact here.

"divided": float32 division, ties away from zero. TensorFlow Lite Micro, TFLite's reference
kernels (kernels/internal/reference/quantize.h) and this harness's own inputs.
"reciprocal": float32 product with the float32 reciprocal of the scale, ties to even. TFLite's
optimised kernels on x86-64, which is what its interpreter runs by default (measured on 2.15.1:
0 of 192,000 values differ; the two forms part on ties and one unit in the last place beside).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.affine import Affine, limits, quantise

Form = Literal["divided", "reciprocal"]

#: The form of each runtime of the harness.
FORMS: Mapping[str, Form] = {
    "tflite": "reciprocal",
    "tflite-no-xnnpack": "reciprocal",
    "tflite-reference": "divided",
    "tflm": "divided",
}


def quantize_operator(real: NDArray[np.float32], affine: Affine, form: Form) -> NDArray[Any]:
    """What the operator gives for float32 values of any shape; per-tensor quantisation.

    Raises ValueError for NaN, which has no quantised value, and for a per-axis quantisation.
    """
    if affine.axis is not None:
        raise ValueError("the operator's per-axis form is not described")
    if form == "divided":
        return quantise(real, affine, "half_away", np.float32)
    if np.any(np.isnan(real)):
        raise ValueError("NaN has no quantised value")
    low, high = limits(affine.dtype)
    zero_point = int(affine.zero_point)
    with np.errstate(over="ignore"):
        product = np.asarray(real, np.float32) * (np.float32(1.0) / np.float32(affine.scale))
    whole = np.rint(np.clip(product, low - zero_point - 1, high - zero_point + 1))
    shifted = whole.astype(np.float64) + zero_point
    return np.clip(shifted, low, high).astype(affine.dtype)
