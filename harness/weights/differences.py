"""Define a difference between a flatbuffer and its model, and what storing weights may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Relative difference of what was computed in float32: a scale, a quotient, a product of scales.
COMPUTED = 2.0**-22
_FLOAT16 = 2.0**-11
#: Beyond half a step: the converter divides and multiplies in float32.
_SLACK = 2.0**-18
#: Steps that an int64 bias may be off. It was an int8 form's int32 one, which rounded it to half of
#: a step 32767 / 127 times as large (harness/flatbuffer/int16_rewriter.py), and is rounded again.
_TWICE_ROUNDED = 1.0 + 0.5 * (2**15 - 1) / 127


@dataclass(frozen=True)
class Difference:
    """One constant or option that is not the model's.

    kind: weight, scale, transposed, gate, bias, activation, option or wiring; unknown for an LSTM
    of which the model has no layer. layer: Keras's name. operator: its position in the main graph,
    None in another. share: observed ÷ allowed, of what is measured.
    """

    kind: str
    layer: str
    message: str
    operator: int | None = None
    share: float | None = None


def allowed_difference(want: Array, step: Array | float, dtype: str) -> Array:
    """What storing weights in their type may change of each.

    float32: nothing but the last bit; float16: its relative rounding; integers: half a step (the
    converter's kernels are symmetric, the largest magnitude is 127: 2.15.1,
    tensorflow/compiler/mlir/lite/quantization), and what float32 loses in scale and quotient.
    """
    size = np.abs(want)
    if dtype == "float32":
        return np.spacing(size.astype(np.float32)).astype(np.float64) / 2
    if dtype == "float16":
        return np.asarray(size * _FLOAT16 + 2.0**-25)
    steps = _TWICE_ROUNDED if dtype == "int64" else 0.5 + _SLACK
    return np.asarray(steps * np.asarray(step) + size * COMPUTED + 1e-30)
