"""Cut an image into the windows that convolutions and pooling look at.

Sources: tensorflow/lite/kernels/padding.h ComputePaddingHeightWidth (2.15.1): what SAME adds is
halved, and the odd row goes below and to the right. XNNPACK of TensorFlow 2.15.1 computes what to
add without a sign: a last window that ends before the image does (1x3 with stride 2 on an even
number of rows; windows of 1x1 excepted) then adds almost 2^32, and no window sees the image. Found
by measuring; see the factor `same_padding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from reference.operators.kernel import Call

Array = NDArray[Any]


@dataclass(frozen=True)
class Axis:
    """One axis of a sliding window: sizes in elements, what is added in front, and results."""

    size: int
    window: int
    stride: int
    dilation: int
    front: int
    results: int
    same: bool

    @property
    def short(self) -> bool:
        """Whether the last window of SAME ends before the image does."""
        return self.same and self.reach < self.size

    @property
    def reach(self) -> int:
        """Elements that the results need, the padding in front among them."""
        return (self.results - 1) * self.stride + (self.window - 1) * self.dilation + 1


def axis_of(size: int, window: int, stride: int, dilation: int, padding: str) -> Axis:
    """padding: SAME or VALID."""
    extent = (window - 1) * dilation + 1
    if padding == "SAME":
        results = -(-size // stride)
        missing = max((results - 1) * stride + extent - size, 0)
        return Axis(size, window, stride, dilation, missing // 2, results, True)
    return Axis(size, window, stride, dilation, 0, -(-(size - extent + 1) // stride), False)


def axes_of(call: Call, height: int, width: int) -> tuple[Axis, Axis]:
    """The two axes of an operator with strides and a padding, for windows [height, width]."""
    shape, options = call.value(0).shape, call.options
    return (
        axis_of(
            shape[1],
            height,
            options["stride_h"],
            options.get("dilation_h_factor", 1),
            options["padding"],
        ),
        axis_of(
            shape[2],
            width,
            options["stride_w"],
            options.get("dilation_w_factor", 1),
            options["padding"],
        ),
    )


def windows(image: Array, axes: tuple[Axis, Axis], outside: Any, blind: bool = False) -> Array:
    """[N, H, W, C] as a view [N, results, results, window, window, C].

    outside: what padding holds. blind: windows see padding only when an axis falls short. The view
    may be of a padded copy; it must not be written to.
    """
    rows, columns = axes
    seen_whole = rows.window == columns.window == 1
    if blind and (rows.short or columns.short) and not seen_whole:
        image = np.full_like(image, outside)
    if rows.front or columns.front or rows.reach > rows.size or columns.reach > columns.size:
        shape = list(image.shape)
        shape[1] = max(rows.reach, rows.size + rows.front)
        shape[2] = max(columns.reach, columns.size + columns.front)
        padded = np.full(shape, outside, image.dtype)
        padded[
            :,
            rows.front : rows.front + rows.size,
            columns.front : columns.front + columns.size,
        ] = image
        image = padded
    n, y, x, c = image.strides
    return as_strided(
        image,
        (
            image.shape[0],
            rows.results,
            columns.results,
            rows.window,
            columns.window,
            image.shape[3],
        ),
        (n, y * rows.stride, x * columns.stride, y * rows.dilation, x * columns.dilation, c),
        writeable=False,
    )
