"""Quantise affinely: real = scale * (quantised - zero_point).

Sources: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, eq. 1; the TensorFlow Lite 8-bit
quantization specification; rounding of the QUANTIZE operator:
tensorflow/lite/kernels/internal/reference/quantize.h (2.15.1), which uses
std::round, that is half away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rounding = Literal["half_away", "half_even"]


@dataclass(frozen=True)
class Affine:
    """Scale and zero point of one tensor.

    scale: float, or float array [channels] for per-axis quantisation; positive.
    zero_point: int, or int array [channels]; within the range of dtype.
    dtype: "int8", "uint8", "int16", "int32" or "int64".
    axis: the axis the channels lie along; None for per-tensor quantisation.

    Raises ValueError for a scale that is not positive and finite, for a zero point
    outside the dtype, and for arrays without an axis.
    """

    scale: float | NDArray[np.float64]
    zero_point: int | NDArray[np.int64] = 0
    dtype: str = "int8"
    axis: int | None = None

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, np.float64)
        zero_point = np.asarray(self.zero_point)
        if not (np.all(np.isfinite(scale)) and np.all(scale > 0)):
            raise ValueError(f"scale must be positive and finite, got {self.scale}")
        low, high = limits(self.dtype)
        if np.any(zero_point < low) or np.any(zero_point > high):
            raise ValueError(f"zero point {self.zero_point} lies outside {self.dtype}")
        if self.axis is None and (scale.ndim or zero_point.ndim):
            raise ValueError("per-axis scales need an axis")


def limits(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype name."""
    info = np.iinfo(np.dtype(dtype))
    return int(info.min), int(info.max)


def round_half_away(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Round to the nearest integer, ties away from zero (C's std::round), same shape and dtype.

    Written through the truncated part, since floor(|x| + 1/2) is wrong for
    0.49999999999999994 and for large odd values.
    """
    whole: NDArray[np.floating[Any]] = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def quantise(
    real: NDArray[np.floating[Any]],
    affine: Affine,
    rounding: Rounding = "half_away",
    precision: type[np.floating[Any]] = np.float64,
) -> NDArray[Any]:
    """Nearest quantised values, saturated to the dtype.

    real: any shape. Returns the same shape with affine.dtype.
    rounding: "half_away" is TFLite's QUANTIZE operator, "half_even" is NumPy and the
    converter's Python helpers.
    precision: the type of the division; TFLite divides in np.float32.

    Raises ValueError when real holds NaN, which has no quantised value.
    """
    if np.any(np.isnan(real)):
        raise ValueError("NaN has no quantised value")
    scale, zero_point = _along_axis(affine, np.ndim(real))
    low, high = limits(affine.dtype)
    with np.errstate(over="ignore"):  # infinity saturates like any other large value
        scaled = np.asarray(real, precision) / scale.astype(precision)
    scaled = np.clip(scaled, low - zero_point - 1, high - zero_point + 1)
    whole = round_half_away(scaled) if rounding == "half_away" else np.rint(scaled)
    shifted = whole.astype(np.float64) + zero_point
    return np.clip(shifted, low, high).astype(affine.dtype)


def dequantise(quantised: NDArray[Any], affine: Affine) -> NDArray[np.float64]:
    """Real values scale * (quantised - zero_point), float64, same shape."""
    scale, zero_point = _along_axis(affine, np.ndim(quantised))
    return (np.asarray(quantised, np.float64) - zero_point) * scale


def _along_axis(affine: Affine, ndim: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and zero point shaped to broadcast against a tensor of ndim axes."""
    scale = np.asarray(affine.scale, np.float64)
    zero_point = np.asarray(affine.zero_point, np.float64)
    if affine.axis is None:
        return scale, zero_point
    shape = [1] * ndim
    shape[affine.axis] = -1
    return scale.reshape(shape), zero_point.reshape(shape)
