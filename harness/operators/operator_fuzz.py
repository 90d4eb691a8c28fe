"""Name the operators with arithmetic that are drawn, their types and who has no kernel of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st

from harness.operators.activation_fuzz import Drawn
from harness.operators.elementwise_fuzz import binary, reduction, unary
from harness.operators.matrix_fuzz import (
    batch_matmul,
    convolution,
    depthwise_convolution,
    fully_connected,
    hybrid,
    pooling,
)

_ALL_KINDS = ("int8", "int16", "float32", "int32")
Strategy = Callable[[str], st.SearchStrategy[Drawn]]

#: By family: the strategy of a type.
FAMILIES: dict[str, Strategy] = {
    "FULLY_CONNECTED": partial(fully_connected, per_channel=False),
    "FULLY_CONNECTED per channel": fully_connected,
    "FULLY_CONNECTED hybrid": hybrid,
    "BATCH_MATMUL": batch_matmul,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise_convolution,
    "MEAN of images": partial(reduction, name="MEAN", images=True),
    "SUM of one scale": partial(reduction, name="SUM", one_scale=True),
}
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "DIV")
_UNARY = ("NEG", "ABS", "SQUARE", "SQRT", "RSQRT")
_REDUCTIONS = ("MEAN", "SUM")
_EXTREMES = ("REDUCE_MAX", "REDUCE_MIN")
FAMILIES |= {name: partial(pooling, name=name) for name in _POOLS}
FAMILIES |= {name: partial(binary, name=name) for name in _BINARY}
FAMILIES |= {name: partial(unary, name=name) for name in _UNARY}
FAMILIES |= {name: partial(reduction, name=name) for name in _REDUCTIONS}
FAMILIES |= {name: partial(reduction, name=name, one_scale=True) for name in _EXTREMES}

KINDS = {
    **dict.fromkeys(FAMILIES, ("int8", "int16", "float32")),
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"), _ALL_KINDS),
    "FULLY_CONNECTED per channel": ("int8", "int16"),
    "FULLY_CONNECTED hybrid": ("float32",),
    "SQUARED_DIFFERENCE": ("int8", "float32"),
    "RSQRT": ("int8", "float32"),
    **dict.fromkeys(("DIV", "SQUARE", "SQRT"), ("float32",)),
    **dict.fromkeys(("NEG", "ABS"), ("float32", "int32")),
    "SUM of one scale": ("int8", "int16"),
    "MEAN of images": ("int8",),
}

_TFLITE = ("tflite", "tflite-no-xnnpack", "tflite-reference")
#: Families, types and runtimes that have no kernel for them.
REFUSED = frozenset(
    [
        *(("FULLY_CONNECTED per channel", kind, name) for kind in _ALL_KINDS for name in _TFLITE),
        ("FULLY_CONNECTED hybrid", "float32", "tflm"),
        *(("SUM", "int16", runtime) for runtime in _TFLITE),
        *((name, "int16", "tflm") for name in _EXTREMES),
        *((name, "int32", "tflm") for name in ("NEG", "ABS")),
    ]
)
