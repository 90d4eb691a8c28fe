"""Take parts out of tensors: STRIDED_SLICE and SLICE.

Sources (2.15.1): kernels/strided_slice.cc with internal/strided_slice_logic.h, kernels/slice.cc;
micro/kernels of the same names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.kernel import Answer, Call, Kernel
from reference.operators.moves.shapes import integers, moved
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]


def strided_slice(call: Call, profile: OperatorProfile) -> Answer:
    """STRIDED_SLICE: begin, end and step of each axis; bits of masks by position among them."""
    x = call.value(0)
    begin, end, steps = (integers(call.value(k)) for k in (1, 2, 3))
    masks = {
        name: int(call.options.get(f"{name}_mask", 0))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    selection: list[Any] = []
    for k in range(len(begin)):
        bit = 1 << k
        if masks["ellipsis"] & bit:
            selection.append(Ellipsis)
        elif masks["new_axis"] & bit:
            selection.append(np.newaxis)
        elif masks["shrink_axis"] & bit:
            selection.append(begin[k] if not masks["begin"] & bit else 0)
        else:
            first = None if masks["begin"] & bit else begin[k]
            last = None if masks["end"] & bit else end[k]
            selection.append(slice(first, last, steps[k]))
    found = x[tuple(selection)]
    if call.options.get("offset", False):
        found = x[tuple(_offset(selection, begin, end))]
    return moved(call, found)


def _offset(selection: list[Any], begin: tuple[int, ...], end: tuple[int, ...]) -> list[Any]:
    """Ends that count from their beginnings."""
    return [
        slice(part.start, begin[k] + end[k], part.step)
        if isinstance(part, slice) and part.stop is not None
        else part
        for k, part in enumerate(selection)
    ]


def slice_(call: Call, profile: OperatorProfile) -> Answer:
    """SLICE: begins and sizes; a size of -1 is all that is left."""
    x = call.value(0)
    begins, sizes = integers(call.value(1)), integers(call.value(2))
    parts = tuple(
        slice(first, None if size < 0 else first + size)
        for first, size in zip(begins, sizes, strict=True)
    )
    return moved(call, x[parts])


KERNELS: dict[str, Kernel] = {"STRIDED_SLICE": strided_slice, "SLICE": slice_}
