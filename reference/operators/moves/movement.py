"""Move values about without computing: shapes, axes, joins, splits, repetitions and padding.

Sources (2.15.1): kernels/reshape.cc, transpose.cc, expand_dims.cc, squeeze.cc, shape.cc, fill.cc,
zeros_like.cc, range.cc, tile.cc, broadcast_to.cc, reverse.cc, pack.cc, unpack.cc, concatenation.cc,
split.cc, split_v.cc, pad.cc, mirror_pad.cc, resize_nearest_neighbor.cc; micro/kernels of the same
names. Every answer is due to the bit, moved floats too. No runtime rescales a join of int8: unequal
scales are refused at load.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.arithmetic.affine import round_half_away
from reference.operators.kernel import Answer, Call, Kernel, NoOracle, exact
from reference.operators.moves.shapes import axis_of, integers, moved
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]


def reshape(call: Call, profile: OperatorProfile) -> Answer:
    """RESHAPE: to the shape of its second input, else of its options, else of the output."""
    x = call.value(0)
    shape = call.values[1] if len(call.values) > 1 else None
    if shape is not None:
        target = integers(shape)
    else:
        target = integers(call.options.get("new_shape", call.outputs[0].shape))
    if target == (0,) and x.size == 1 and call.outputs[0].shape == ():
        target = ()  # an old converter's way to write a scalar
    return moved(call, x.reshape(target))


def transpose(call: Call, profile: OperatorProfile) -> Answer:
    x = call.value(0)
    order = tuple(axis_of(axis, x.ndim) for axis in integers(call.value(1)))
    return moved(call, x.transpose(order))


def expand_dims(call: Call, profile: OperatorProfile) -> Answer:
    x = call.value(0)
    (axis,) = integers(call.value(1))
    return moved(call, np.expand_dims(x, axis_of(axis, x.ndim + 1)))


def squeeze(call: Call, profile: OperatorProfile) -> Answer:
    """SQUEEZE: the axes of its options, or all of one element."""
    x = call.value(0)
    named = call.options.get("squeeze_dims")
    axes = () if named is None else integers(named)
    if axes:
        return moved(call, x.squeeze(tuple(axis_of(axis, x.ndim) for axis in axes)))
    return moved(call, x.squeeze())


def shape(call: Call, profile: OperatorProfile) -> Answer:
    return exact(np.array(call.value(0).shape, call.outputs[0].dtype))


def fill(call: Call, profile: OperatorProfile) -> Answer:
    value = call.value(1).reshape(())
    return moved(call, np.full(integers(call.value(0)), value, value.dtype))


def zeros_like(call: Call, profile: OperatorProfile) -> Answer:
    """ZEROS_LIKE: codes of 0, whatever the zero point."""
    return exact(np.zeros_like(call.value(0)))


def range_(call: Call, profile: OperatorProfile) -> Answer:
    """RANGE: as many values as fit, each the start plus so many steps, added one after another."""
    start, limit, step = (call.value(k).reshape(()) for k in range(3))
    if start.dtype.kind == "f":
        count = int(np.ceil(abs((float(limit) - float(start)) / float(step))))
        steps = np.full(max(count, 0), step, start.dtype)
        steps[:1] = start
        return moved(call, np.add.accumulate(steps, dtype=start.dtype))
    return moved(call, np.arange(int(start), int(limit), int(step)))


def tile(call: Call, profile: OperatorProfile) -> Answer:
    return moved(call, np.tile(call.value(0), integers(call.value(1))))


def broadcast_to(call: Call, profile: OperatorProfile) -> Answer:
    return moved(call, np.broadcast_to(call.value(0), integers(call.value(1))))


def reverse(call: Call, profile: OperatorProfile) -> Answer:
    x = call.value(0)
    axes = {axis_of(axis, x.ndim) for axis in integers(call.value(1))}
    return moved(call, x[tuple(slice(None, None, -1 if k in axes else 1) for k in range(x.ndim))])


def pack(call: Call, profile: OperatorProfile) -> Answer:
    parts = [call.value(k) for k in range(len(call.inputs))]
    axis = axis_of(int(call.options.get("axis", 0)), parts[0].ndim + 1)
    return moved(call, np.stack(parts, axis))


def unpack(call: Call, profile: OperatorProfile) -> Answer:
    x = call.value(0)
    axis = axis_of(int(call.options.get("axis", 0)), x.ndim)
    return exact(*np.moveaxis(x, axis, 0))


def concatenation(call: Call, profile: OperatorProfile) -> Answer:
    """CONCATENATION: an int8 join of unequal scales is no model of these runtimes."""
    target = call.outputs[0]
    if call.options.get("fused_activation_function", "NONE") != "NONE":
        raise NoOracle("CONCATENATION with a fused activation")
    if call.integer and any(
        tensor is not None and (tensor.scale, tensor.zero) != (target.scale, target.zero)
        for tensor in call.inputs
    ):
        raise NoOracle("CONCATENATION of unequal scales")
    parts = [call.value(k) for k in range(len(call.inputs))]
    return moved(
        call, np.concatenate(parts, axis_of(int(call.options.get("axis", 0)), parts[0].ndim))
    )


def split(call: Call, profile: OperatorProfile) -> Answer:
    """SPLIT: the axis comes first."""
    x = call.value(1)
    (axis,) = integers(call.value(0))
    return exact(*np.split(x, len(call.outputs), axis_of(axis, x.ndim)))


def split_v(call: Call, profile: OperatorProfile) -> Answer:
    """SPLIT_V: sizes, of which one may be -1, then the axis."""
    x, sizes = call.value(0), integers(call.value(1))
    axis = axis_of(integers(call.value(2))[0], x.ndim)
    left = x.shape[axis] - sum(n for n in sizes if n >= 0)
    ends = np.cumsum([0, *(left if n < 0 else n for n in sizes)])
    parts = (slice(int(a), int(b)) for a, b in pairwise(ends))
    return exact(*(np.moveaxis(np.moveaxis(x, axis, 0)[part], 0, axis) for part in parts))


def pad(call: Call, profile: OperatorProfile) -> Answer:
    """PAD with 0, which integers hold as the output's zero point, and PADV2 with a value."""
    x, target = call.value(0), call.outputs[0]
    if len(call.values) > 2 and call.values[2] is not None:
        value = call.value(2).reshape(())
    else:
        value = np.asarray(target.zero if call.integer else 0, x.dtype)
    return moved(call, np.pad(x, _paddings(call), constant_values=value))


def mirror_pad(call: Call, profile: OperatorProfile) -> Answer:
    """MIRROR_PAD: REFLECT leaves the edge out, SYMMETRIC repeats it."""
    if call.options["mode"] == "REFLECT":
        return moved(call, np.pad(call.value(0), _paddings(call), "reflect"))
    return moved(call, np.pad(call.value(0), _paddings(call), "symmetric"))


def resize_nearest(call: Call, profile: OperatorProfile) -> Answer:
    """RESIZE_NEAREST_NEIGHBOR of image [N, H, W, C] (reference/resize_nearest_neighbor.h)."""
    x = call.value(0)
    height, width = integers(call.value(1))
    rows = _nearest(height, x.shape[1], call)
    columns = _nearest(width, x.shape[2], call)
    return moved(call, x[:, rows][:, :, columns])


def _nearest(size: int, source: int, call: Call) -> Array:
    """The source's index for each index of the result, in float32."""
    corners = bool(call.options.get("align_corners", False))
    centres = bool(call.options.get("half_pixel_centers", False))
    ends = (source - 1, size - 1) if corners and size > 1 else (source, size)
    scale = np.float32(ends[0]) / np.float32(ends[1])
    places = (np.arange(size).astype(np.float32) + np.float32(0.5 if centres else 0)) * scale
    found = round_half_away(places) if corners else np.floor(places)
    return np.clip(found.astype(np.int64), 0, source - 1)


def _paddings(call: Call) -> list[tuple[int, int]]:
    return [(int(before), int(after)) for before, after in call.value(1)]


KERNELS: dict[str, Kernel] = {
    "RESHAPE": reshape,
    "TRANSPOSE": transpose,
    "EXPAND_DIMS": expand_dims,
    "SQUEEZE": squeeze,
    "SHAPE": shape,
    "FILL": fill,
    "ZEROS_LIKE": zeros_like,
    "RANGE": range_,
    "TILE": tile,
    "BROADCAST_TO": broadcast_to,
    "REVERSE_V2": reverse,
    "PACK": pack,
    "UNPACK": unpack,
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": mirror_pad,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
}
