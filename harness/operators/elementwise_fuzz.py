"""Draw models of one operator that computes value by value, or reduces axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.operators.activation_fuzz import Drawn
from harness.operators.operator_draw import Make, Maker, float32, strategy_of
from reference.operators.description import Graph, Operator, Tensor

Array = NDArray[Any]


# Value by value ----------------------------------------------------------------------------


def _binary(name: str) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        full = tuple(m["shape"])
        shapes = [
            {
                "same": full,
                "ones": tuple(1 if k % 2 == side else n for k, n in enumerate(full)),
                "fewer": full[side:],
                "scalar": (full if side == m["side"] else (1,) * len(full)),
            }[m["broadcast"]]
            for side in (0, 1)
        ]
        if m["broadcast"] == "fewer" and m["side"]:
            shapes.reverse()
        result = np.broadcast_shapes(*shapes)
        scales = [m.scale(), m.scale()]
        zeros = [m.zero(), m.zero(), m.zero()]
        natural, spread = max(scales), 2.0
        if name == "MUL":
            natural, spread = scales[0] * scales[1], 128.0
        if name == "SQUARED_DIFFERENCE":
            natural, spread = max(scales) ** 2, 128.0
        most = 128.0 if m.kind == "int8" else 32768.0
        out = m.output_scale(natural, spread * most)
        if m.kind == "int16" and name in ("ADD", "SUB"):
            out = max(out, float32(natural * 2.0**-13))  # the kernels abort at a factor of 2
            powers = [*scales, out] if m["pot_scale"] else [0.3]
            if all(np.frexp(scale)[0] == 0.5 for scale in powers):  # only one may be shifted
                scales = [out, out * 2.0 ** -m.random.integers(0, 5)]
        if name in ("MAXIMUM", "MINIMUM"):
            scales, out, zeros = [scales[0]] * 2, scales[0], [zeros[0]] * 3
        tensors = (
            m.tensor("a", shapes[0], scales[0], zeros[0]),
            m.tensor("b", shapes[1], scales[1], zeros[1]),
            m.tensor("y", result, out, zeros[2]),
        )
        options: dict[str, Any] = {}
        if name in ("ADD", "SUB", "MUL", "DIV"):
            options["fused_activation_function"] = m["activation"]
        if name in ("ADD", "SUB"):
            options["pot_scale_int16"] = m["pot_scale"]
        version = 2 if m.kind == "int8" else 1
        if m.kind == "int16":
            version = {"ADD": 4, "SUB": 5, "MUL": 4}.get(name, 4)
        operator = Operator(name, version, (0, 1), (2,), options)
        count = int(np.prod(result))
        first, second = m.samples(shapes[0], count), m.samples(shapes[1], count)
        least = min(len(first), len(second))
        return Graph(tensors, (operator,), (0, 1), (2,)), (first[:least], second[:least])

    return make


def binary(kind: str, name: str) -> st.SearchStrategy[Drawn]:
    """Operators of two tensors that are broadcast: ADD, SUB, MUL, DIV, …"""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.lists(st.integers(1, 9), min_size=1, max_size=4),
        "broadcast": st.sampled_from(["same", "same", "ones", "fewer", "scalar"]),
        "side": st.integers(0, 1),
        "pot_scale": st.booleans(),
    }
    return strategy_of(kind, _binary(name), fields)


def _unary(name: str) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        shape = tuple(m["shape"])
        x, y = m.tensor("x", shape, m.scale(), m.zero()), m.tensor("y", shape)
        samples = m.samples(shape, int(np.prod(shape)))
        if m.kind in ("int8", "int16"):
            x = m.tensor("x", shape, x.step, -128 if name == "RSQRT" else m.zero())
            y = m.tensor("y", shape, m.scale(-6, 2), m.zero())
        elif name in ("SQRT", "RSQRT"):
            samples = np.abs(samples)
        operator = Operator(name, 2 if name == "RSQRT" else 1, (0,), (1,))
        return Graph((x, y), (operator,), (0,), (1,)), (samples,)

    return make


def unary(kind: str, name: str) -> st.SearchStrategy[Drawn]:
    """Operators of one tensor: NEG, ABS, SQUARE, SQRT, RSQRT."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    }
    return strategy_of(kind, _unary(name), fields)


# Reductions --------------------------------------------------------------------------------


def _reduction(name: str, one_scale: bool = False) -> Make:
    def make(m: Maker) -> tuple[Graph, tuple[Array, ...]]:
        shape = tuple(m["shape"])
        rank = len(shape)
        axes = [1, 2] if m["image"] and rank == 4 else sorted({k % rank for k in m["axes"]})
        kept = m["keep_dims"]
        result = tuple(1 if k in axes else n for k, n in enumerate(shape) if kept or k not in axes)
        scale, zero = m.scale(), m.zero()
        out, out_zero = m.output_scale(scale, 80.0), m.zero()
        if m["same_scale"] or one_scale:
            out, out_zero = scale, zero
        written = [k - rank if m["negative_axes"] else k for k in axes]
        x, y = m.tensor("x", shape, scale, zero), m.tensor("y", result, out, out_zero)
        axis = Tensor("axes", "int32", (len(axes),), data=np.array(written, np.int32))
        version = {"float32": 1, "int8": 2, "int16": 2 if name == "SUM" else 3}[m.kind]
        operator = Operator(name, version, (0, 1), (2,), {"keep_dims": kept})
        samples = m.samples(shape, int(np.prod(result)))
        return Graph((x, axis, y), (operator,), (0,), (2,)), (samples,)

    return make


def reduction(
    kind: str, name: str, one_scale: bool = False, images: bool = False
) -> st.SearchStrategy[Drawn]:
    """MEAN, SUM, REDUCE_MAX, REDUCE_MIN over one or several axes.

    one_scale: the output has the input's scale and zero point. images: only over rows and columns
    that are kept.
    """
    fields: dict[str, st.SearchStrategy[Any]] = {
        "shape": st.one_of(
            st.lists(st.integers(1, 12), min_size=1, max_size=4),
            st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40)),
        ),
        "axes": st.lists(st.integers(0, 3), min_size=1, max_size=3),
        "image": st.booleans(),
        "keep_dims": st.booleans(),
        "negative_axes": st.booleans(),
        "same_scale": st.booleans(),
    }
    if images:
        fields["shape"] = st.tuples(
            st.just(1), st.integers(1, 5), st.integers(1, 5), st.integers(1, 40)
        )
        fields |= {"image": st.just(True), "keep_dims": st.just(True)}
        fields |= {"negative_axes": st.just(False)}
    return strategy_of(kind, _reduction(name, one_scale), fields)
