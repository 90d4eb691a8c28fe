"""Draw models of one operator that moves, picks, compares or chooses values, with Hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.operators.activation_fuzz import Draw, Make, Samples, graph_of
from reference.operators.description import Graph, Tensor

Array = NDArray[Any]
Shape = tuple[int, ...]


def _constant(name: str, values: Any, dtype: str = "int32") -> Tensor:
    data = np.asarray(values, dtype)
    return Tensor(name, dtype, data.shape, data=data)


def _axis(draw: Draw, ndim: int) -> int:
    """Any axis, from the front or from the end."""
    return int(draw.random.integers(-ndim, ndim))


def _moved(name: str, second: Any, shape: Shape, draw: Draw, version: int = 1) -> Any:
    """A model with one constant beside its values."""
    inputs = (draw.tensor("x"), _constant("how", second))
    return graph_of(name, inputs, (draw.tensor("y", shape),), {}, version), (draw.values(),)


def _reshape(draw: Draw) -> tuple[Graph, Samples]:
    size = int(np.prod(draw.shape))
    target = (1, size) if draw.fields["flags"][0] else (-1,)
    found: tuple[Graph, Samples] = _moved(
        "RESHAPE", target, tuple(size if n < 0 else n for n in target), draw
    )
    return found


def _transpose(draw: Draw) -> tuple[Graph, Samples]:
    order = draw.random.permutation(len(draw.shape))
    shape = tuple(draw.shape[k] for k in order)
    found: tuple[Graph, Samples] = _moved("TRANSPOSE", order, shape, draw)
    return found


def _expand(draw: Draw) -> tuple[Graph, Samples]:
    axis = _axis(draw, len(draw.shape) + 1)
    shape = np.expand_dims(np.empty(draw.shape, np.bool_), axis).shape
    found: tuple[Graph, Samples] = _moved("EXPAND_DIMS", axis, shape, draw)
    return found


def _squeeze(draw: Draw) -> tuple[Graph, Samples]:
    shape = (1, *draw.shape, 1)
    options = {"squeeze_dims": [0, len(draw.shape) + 1]}
    inputs = (draw.tensor("x", shape),)
    return graph_of("SQUEEZE", inputs, (draw.tensor("y"),), options), (draw.values(shape),)


def _shape(draw: Draw) -> tuple[Graph, Samples]:
    y = Tensor("y", "int32", (len(draw.shape),))
    return graph_of("SHAPE", (draw.tensor("x"),), (y,), {"out_type": 2}), (draw.values(),)


def _zeros(draw: Draw) -> tuple[Graph, Samples]:
    return graph_of("ZEROS_LIKE", (draw.tensor("x"),), (draw.tensor("y"),)), (draw.values(),)


def _fill(draw: Draw) -> tuple[Graph, Samples]:
    inputs = (_constant("shape", draw.shape), draw.tensor("value", ()))
    return graph_of("FILL", inputs, (draw.tensor("y"),)), (draw.values(()),)


def _reverse(draw: Draw) -> tuple[Graph, Samples]:
    axis = int(draw.random.integers(len(draw.shape)))
    version = 3 if draw.kind == "int8" else 1
    found: tuple[Graph, Samples] = _moved("REVERSE_V2", [axis], draw.shape, draw, version)
    return found


def _pack(draw: Draw) -> tuple[Graph, Samples]:
    count, axis = int(draw.random.integers(1, 4)), _axis(draw, len(draw.shape) + 1)
    shape = np.stack([np.empty(draw.shape, np.bool_)] * count, axis).shape
    inputs = tuple(draw.tensor(f"x{k}") for k in range(count))
    options = {"axis": axis, "values_count": count}
    samples = tuple(draw.values() for _ in inputs)
    return graph_of("PACK", inputs, (draw.tensor("y", shape),), options), samples


def _unpack(draw: Draw) -> tuple[Graph, Samples]:
    axis = _axis(draw, len(draw.shape))
    count = draw.shape[axis]
    shape = np.moveaxis(np.empty(draw.shape, np.bool_), axis, 0).shape[1:]
    outputs = tuple(draw.tensor(f"y{k}", shape) for k in range(count))
    options = {"axis": axis, "num": count}
    return graph_of("UNPACK", (draw.tensor("x"),), outputs, options), (draw.values(),)


def _sized(draw: Draw, axis: int, size: int) -> Shape:
    """The example's shape with another size along an axis."""
    found = list(draw.shape)
    found[axis] = size
    return tuple(found)


def _concatenation(draw: Draw) -> tuple[Graph, Samples]:
    axis = _axis(draw, len(draw.shape))
    sizes = [int(n) for n in draw.random.integers(1, 6, draw.random.integers(1, 5))]
    shapes = [_sized(draw, axis, size) for size in sizes]
    inputs = tuple(draw.tensor(f"x{k}", shape) for k, shape in enumerate(shapes))
    samples = [draw.values(shape) for shape in shapes]
    least = min(len(sample) for sample in samples)
    y = draw.tensor("y", _sized(draw, axis, sum(sizes)))
    return graph_of("CONCATENATION", inputs, (y,), {"axis": axis}), tuple(
        sample[:least] for sample in samples
    )


def _split(draw: Draw) -> tuple[Graph, Samples]:
    axis, count = _axis(draw, len(draw.shape)), int(draw.random.integers(1, 4))
    shape = _sized(draw, axis, draw.shape[axis] * count)
    inputs = (_constant("axis", axis), draw.tensor("x", shape))
    outputs = tuple(draw.tensor(f"y{k}") for k in range(count))
    return graph_of("SPLIT", inputs, outputs, {"num_splits": count}), (draw.values(shape),)


def _split_v(draw: Draw) -> tuple[Graph, Samples]:
    axis = _axis(draw, len(draw.shape))
    sizes = [int(n) for n in draw.random.integers(1, 5, draw.random.integers(1, 5))]
    told = list(sizes)
    if draw.fields["flags"][0]:
        told[int(draw.random.integers(len(told)))] = -1
    shape = _sized(draw, axis, sum(sizes))
    inputs = (draw.tensor("x", shape), _constant("sizes", told), _constant("axis", axis))
    outputs = tuple(draw.tensor(f"y{k}", _sized(draw, axis, n)) for k, n in enumerate(sizes))
    return graph_of("SPLIT_V", inputs, outputs, {"num_splits": len(sizes)}), (draw.values(shape),)


def _pad(draw: Draw) -> tuple[Graph, Samples]:
    found: tuple[Graph, Samples] = _moved("PAD", *_paddings(draw, [2] * len(draw.shape)), draw)
    return found


def _pad_v2(draw: Draw) -> tuple[Graph, Samples]:
    paddings, shape = _paddings(draw, [2] * len(draw.shape))
    value = draw.tensor("value", (1,))
    told = Tensor(
        "value", draw.kind, (1,), value.scale, value.zero_point, data=draw.values((1,))[0]
    )
    inputs = (draw.tensor("x"), _constant("paddings", paddings), told)
    return graph_of("PADV2", inputs, (draw.tensor("y", shape),)), (draw.values(),)


def _mirror_pad(draw: Draw) -> tuple[Graph, Samples]:
    symmetric = draw.fields["flags"][0]
    most = [n if symmetric else n - 1 for n in draw.shape]
    paddings, shape = _paddings(draw, most)
    options = {"mode": "SYMMETRIC" if symmetric else "REFLECT"}
    inputs = (draw.tensor("x"), _constant("paddings", paddings))
    return graph_of("MIRROR_PAD", inputs, (draw.tensor("y", shape),), options), (draw.values(),)


def _paddings(draw: Draw, most: list[int]) -> tuple[Array, Shape]:
    found = np.array([draw.random.integers(0, n + 1, 2) for n in most])
    return found, tuple(int(n) for n in np.array(draw.shape) + found.sum(1))


def _tile(draw: Draw) -> tuple[Graph, Samples]:
    times = draw.random.integers(1, 4, len(draw.shape))
    shape = tuple(int(n) for n in np.array(draw.shape) * times)
    found: tuple[Graph, Samples] = _moved("TILE", times, shape, draw)
    return found


def _broadcast(draw: Draw) -> tuple[Graph, Samples]:
    shape = _thinned(draw)
    inputs = (draw.tensor("x", shape), _constant("shape", draw.shape))
    return graph_of("BROADCAST_TO", inputs, (draw.tensor("y"),), {}, 2), (draw.values(shape),)


def _thinned(draw: Draw) -> Shape:
    """The example's shape with 1 for some of its sizes."""
    return tuple(n if draw.random.random() < 0.6 else 1 for n in draw.shape)


def _resize(draw: Draw) -> tuple[Graph, Samples]:
    corners, centres = draw.fields["flags"]
    height, width, rows, columns = (int(n) for n in draw.random.integers(1, 14, 4))
    x, y = draw.tensor("x", (1, height, width, 3)), draw.tensor("y", (1, rows, columns, 3))
    options = {"align_corners": corners, "half_pixel_centers": centres and not corners}
    graph = graph_of(
        "RESIZE_NEAREST_NEIGHBOR", (x, _constant("size", [rows, columns])), (y,), options
    )
    return graph, (draw.values(x.shape),)


def _strided_slice(draw: Draw) -> tuple[Graph, Samples]:
    parts: list[Any] = []
    begin, end, steps, masks = [], [], [], [0, 0, 0]
    for k, size in enumerate(draw.shape):
        step = int(draw.random.choice([1, 1, 1, 2, 3, -1, -2]))
        first, last = sorted(int(n) for n in draw.random.integers(0, size + 1, 2))
        if first == last:
            first, last = 0, size
        if step < 0:
            first, last = last - 1, first - 1
            masks[1] |= (last < 0) << k
        if draw.random.random() < 0.2:
            masks[2] |= 1 << k
            parts.append(first)
            step, last = 1, first + 1
            masks[1] &= ~(1 << k)
        else:
            parts.append(slice(first, last if last >= 0 else None, step))
        begin.append(first if draw.random.random() < 0.7 else first - size)
        end.append(last)
        steps.append(step)
    shape = np.empty(draw.shape, np.bool_)[tuple(parts)].shape
    inputs = (draw.tensor("x"), *map(_constant, ("begin", "end", "steps"), (begin, end, steps)))
    names = ("begin_mask", "end_mask", "shrink_axis_mask")
    y, options = draw.tensor("y", shape), dict(zip(names, masks, strict=True))
    return graph_of("STRIDED_SLICE", inputs, (y,), options), (draw.values(),)


def _slice(draw: Draw) -> tuple[Graph, Samples]:
    begin = [int(draw.random.integers(n)) for n in draw.shape]
    sizes = [
        int(draw.random.integers(1, n - b + 1)) for n, b in zip(draw.shape, begin, strict=True)
    ]
    told = [
        -1 if b + size == n and draw.fields["flags"][0] else size
        for n, b, size in zip(draw.shape, begin, sizes, strict=True)
    ]
    inputs = (draw.tensor("x"), _constant("begin", begin), _constant("size", told))
    return graph_of("SLICE", inputs, (draw.tensor("y", tuple(sizes)),)), (draw.values(),)


def _gather(draw: Draw) -> tuple[Graph, Samples]:
    batch = int(draw.fields["flags"][0] and len(draw.shape) > 1)
    axis = int(draw.random.integers(batch, len(draw.shape)))
    places = (*draw.shape[:batch], 3, 2)
    samples = draw.values()
    indices = draw.random.integers(0, draw.shape[axis], (len(samples), *places)).astype(np.int32)
    shape = (*draw.shape[:axis], *places[batch:], *draw.shape[axis + 1 :])
    inputs = (draw.tensor("x"), Tensor("indices", "int32", places))
    options = {"axis": axis, "batch_dims": batch}
    return graph_of("GATHER", inputs, (draw.tensor("y", shape),), options), (samples, indices)


def _gather_nd(draw: Draw) -> tuple[Graph, Samples]:
    depth = int(draw.random.integers(1, len(draw.shape) + 1))
    samples = draw.values()
    columns = [draw.random.integers(0, n, (len(samples), 4)) for n in draw.shape[:depth]]
    indices = np.stack(columns, -1).astype(np.int32)
    inputs = (draw.tensor("x"), Tensor("indices", "int32", (4, depth)))
    y = draw.tensor("y", (4, *draw.shape[depth:]))
    return graph_of("GATHER_ND", inputs, (y,)), (samples, indices)


def _arg(name: str) -> Make:
    def make(draw: Draw) -> tuple[Graph, Samples]:
        axis = _axis(draw, len(draw.shape))
        shape = np.empty(draw.shape, np.bool_).argmax(axis).shape
        inputs, y = (draw.tensor("x"), _constant("axis", [axis])), Tensor("y", "int32", shape)
        return graph_of(name, inputs, (y,), {"output_type": 2}), (draw.values(),)

    return make


def _comparison(name: str) -> Make:
    def make(draw: Draw) -> tuple[Graph, Samples]:
        shape = draw.shape if draw.fields["flags"][0] else _thinned(draw)
        other = draw.tensor("b", shape, 1 if draw.kind == "int8" else 0)
        first, second = draw.values(), draw.values(shape)
        least = min(len(first), len(second))
        first, second = first[:least], second[:least]
        if shape == draw.shape:  # equal values are rare among random ones
            second = np.where(draw.random.random(second.shape) < 0.4, first, second)
        graph = graph_of(name, (draw.tensor("a"), other), (Tensor("y", "bool", draw.shape),))
        return graph, (first, second)

    return make


def _select(draw: Draw) -> tuple[Graph, Samples]:
    inputs = (Tensor("condition", "bool", draw.shape), draw.tensor("a"), draw.tensor("b"))
    samples = (draw.values(kind="bool"), draw.values(), draw.values())
    return graph_of("SELECT_V2", inputs, (draw.tensor("y"),)), samples


FAMILIES: dict[str, Make] = {
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "EXPAND_DIMS": _expand,
    "SQUEEZE": _squeeze,
    "SHAPE": _shape,
    "FILL": _fill,
    "ZEROS_LIKE": _zeros,
    "REVERSE_V2": _reverse,
    "PACK": _pack,
    "UNPACK": _unpack,
    "CONCATENATION": _concatenation,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "PAD": _pad,
    "PADV2": _pad_v2,
    "MIRROR_PAD": _mirror_pad,
    "TILE": _tile,
    "BROADCAST_TO": _broadcast,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "GATHER": _gather,
    "GATHER_ND": _gather_nd,
    "ARG_MAX": _arg("ARG_MAX"),
    "ARG_MIN": _arg("ARG_MIN"),
    "SELECT_V2": _select,
}
_RELATIONS = ("LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL")
FAMILIES |= {name: _comparison(name) for name in _RELATIONS}

KINDS = {
    **dict.fromkeys(FAMILIES, ("int8", "int16", "float32")),
    "ZEROS_LIKE": ("int32", "float32"),
    **dict.fromkeys((*_RELATIONS, "ARG_MAX", "ARG_MIN"), ("int8", "float32")),
}

_INT16_TILE = ("tflite", "tflite-no-xnnpack", "tflite-reference")
#: Families, types and runtimes that have no kernel for them.
REFUSED = frozenset(
    [
        ("REVERSE_V2", "int8", "tflite-reference"),
        *(("TILE", "int16", runtime) for runtime in _INT16_TILE),
        *(("TILE", kind, "tflm") for kind in KINDS["TILE"]),
        *((name, "int16", "tflm") for name in ("FILL", "GATHER", "GATHER_ND", "MIRROR_PAD")),
    ]
)
