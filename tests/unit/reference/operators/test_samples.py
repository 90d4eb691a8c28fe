"""Many samples at once give what each gives by itself, on every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference.operators.description import Tensor
from reference.operators.folds import Value
from reference.operators.kernel import Call, NoOracle
from reference.operators.profiles import PROFILES
from reference.operators.samples import Uneven, compute_all
from reference.operators.table import KERNELS, compute

Array = NDArray[Any]
COUNT = 3


@dataclass(frozen=True)
class Given:
    """An operator: each input's shape and, of constants, what it holds. kinds: types of its inputs;
    out: of its outputs, with the number of those."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    constants: Mapping[int, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    types: tuple[str, ...] = ("int8", "float32")
    out: str = ""


#: What a file has of every operator that has these options.
USUAL = {"fused_activation_function": "NONE", "dilation_h_factor": 1, "dilation_w_factor": 1}
_SLICE = {"begin_mask": 5, "end_mask": 5, "shrink_axis_mask": 2}
_FLOATS = ("float32",)
GIVEN = (
    Given("QUANTIZE", ((1, 5, 7),), types=_FLOATS, out="int8"),
    Given("QUANTIZE", ((2, 3, 8),), types=_FLOATS, out="int8"),
    Given("QUANTIZE", ((1, 37),), types=("int8",)),
    Given("DEQUANTIZE", ((1, 3, 7),), types=("int8",), out="float32"),
    Given("LOGISTIC", ((2, 5),)),
    Given("TANH", ((7,),)),
    Given("SOFTMAX", ((2, 9),), options={"beta": 1.0}),
    Given("SOFTMAX", ((9,),), options={"beta": 1.0}),
    Given("RESHAPE", ((2, 6),), {1: [3, 4]}, {"new_shape": [3, 4]}),
    Given("SQUEEZE", ((2, 1, 3),), options={"squeeze_dims": [1]}),
    Given("EXPAND_DIMS", ((2, 3),), {1: 1}),
    Given("TRANSPOSE", ((2, 3, 4),), {1: [0, 2, 1]}),
    Given("TRANSPOSE", ((2, 3, 4),), {1: [1, 0, 2]}),
    Given("STRIDED_SLICE", ((1, 4, 3),), {1: [0, -1, 0], 2: [0, 0, 0], 3: [1, 1, 1]}, _SLICE),
    Given("STRIDED_SLICE", ((4, 3),), {1: [1, 0], 2: [3, 3], 3: [1, 1]}),
    Given("REVERSE_V2", ((2, 3, 4),), {1: [1]}),
    Given("REVERSE_V2", ((2, 3, 4),), {1: [0]}),
    Given("CONCATENATION", ((2, 3), (2, 4)), options={"axis": 1}),
    Given("CONCATENATION", ((2, 3), (2, 3)), options={"axis": 0}),
    Given("CONCATENATION", ((2, 3), (2, 4)), {1: "drawn"}, {"axis": -1}),
    Given("PACK", ((2, 3), (2, 3)), options={"axis": 1, "values_count": 2}),
    Given("PACK", ((2, 3), (2, 3)), options={"axis": 0, "values_count": 2}),
    Given("UNPACK", ((2, 3, 4),), options={"axis": 1, "num": 3}, outputs=3),
    Given("SPLIT", ((), (2, 4)), {0: 1}, {"num_splits": 2}, 2),
    Given("SPLIT", ((), (2, 4)), {0: 0}, {"num_splits": 2}, 2),
    Given("PAD", ((2, 3),), {1: [[0, 0], [1, 2]]}),
    Given("PAD", ((2, 3),), {1: [[1, 0], [0, 2]]}),
    Given("GATHER", ((10, 4), (1, 5)), {0: "drawn"}, {"axis": 0}),
    Given("GATHER", ((2, 5), (3,)), {1: [4, 0, 1]}, {"axis": 1}),
    Given("SHAPE", ((2, 3),), out="int32"),
    Given("FULLY_CONNECTED", ((2, 6), (4, 6), (4,)), {1: "drawn", 2: "drawn"}),
    Given("FULLY_CONNECTED", ((1, 3, 4), (5, 12), (5,)), {1: "drawn", 2: "drawn"}),
    Given(
        "FULLY_CONNECTED",
        ((2, 3, 4), (5, 4), (5,)),
        {1: "drawn", 2: "drawn"},
        {"keep_num_dims": True},
    ),
    Given(
        "CONV_2D",
        ((2, 5, 4, 3), (2, 3, 2, 3), (2,)),
        {1: "drawn", 2: "drawn"},
        {"padding": "SAME", "stride_h": 1, "stride_w": 2},
    ),
    Given(
        "DEPTHWISE_CONV_2D",
        ((2, 5, 4, 3), (1, 3, 2, 3), (3,)),
        {1: "drawn", 2: "drawn"},
        {"padding": "VALID", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1},
    ),
    Given("ADD", ((2, 3), (2, 3))),
    Given("ADD", ((2, 3), (3,)), {1: "drawn"}),
    Given("MUL", ((2, 3), (1, 3)), {1: "drawn"}),
    Given("MUL", ((1, 3), (2, 3)), {1: "drawn"}),
    Given("SUB", ((2, 3), (3,))),
    Given("MEAN", ((2, 3, 4),), {1: [1]}, {"keep_dims": False}),
    Given("MEAN", ((2, 3, 4),), {1: [0]}, {"keep_dims": True}),
    Given("BATCH_MATMUL", ((2, 3, 4), (2, 4, 5))),
    Given("GREATER", ((2, 3), (2, 3)), out="bool"),
    Given("AVERAGE_POOL_2D", ((2, 4, 4, 3),), options={"padding": "SAME", "stride_h": 2,
                                                        "stride_w": 2, "filter_height": 2,
                                                        "filter_width": 2}),
)  # fmt: skip


def call(given: Given, dtype: str, random: np.random.Generator) -> tuple[Call, list[Value]]:
    """The operator with random constants, and random values [N, …] of the rest."""
    tensors, values = [], []
    sums = given.name in ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
    for k in range(max([len(given.shapes), *(1 + k for k in given.constants)])):
        shape = given.shapes[k] if k < len(given.shapes) else ()
        constant = given.constants.get(k)
        kind = dtype
        if constant is not None and not isinstance(constant, str):
            kind = "int32"
        if given.name == "GATHER" and k == 1:
            kind = "int32"
        bias = sums and k == 2
        scale, zero = _scale(kind, 0.02 * (k + 1), 3 - k if not (sums and k == 1) else 0)
        if bias and dtype == "int8":
            kind, scale, zero = "int32", (0.02 * 0.04,), (0,)
        size = shape if constant is not None else (COUNT, *shape)
        drawn = _drawn(kind, size, random)
        data = None
        if constant is not None:
            data = drawn if isinstance(constant, str) else np.asarray(constant, np.int32)
            drawn = data
        tensors.append(Tensor(f"i{k}", kind, drawn.shape if data is not None else shape, scale,
                              zero, data=data))  # fmt: skip
        values.append(Value(drawn, data is not None))
    out = given.out or dtype
    moved = out == dtype and given.name not in ("QUANTIZE", "LOGISTIC", "TANH", "SOFTMAX")
    scale, zero = _scale(out, 0.02 if moved else 1 / 256, 3 if moved else -128)
    if given.name == "TANH" and out == "int8":
        scale, zero = (1 / 128,), (0,)
    outputs = tuple(Tensor(f"o{k}", out, _shape(given), scale, zero) for k in range(given.outputs))
    options = {**USUAL, **given.options}
    return Call(given.name, 1, options, tuple(tensors), (), outputs), values


def _shape(given: Given) -> tuple[int, ...]:
    wanted = given.options.get("new_shape")
    return tuple(wanted) if wanted else given.shapes[0]


def _scale(kind: str, scale: float, zero: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
    return ((float(np.float32(scale)),), (zero,)) if kind == "int8" else ((), ())


def _drawn(kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if kind == "float32":
        return random.normal(0, 1, shape).astype(np.float32)
    low, high = (-128, 128) if kind == "int8" else (0, 10)
    return random.integers(low, high, shape).astype(kind)


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: f"{given.name}-{given.shapes[0]}")
@pytest.mark.parametrize("runtime", PROFILES)
def test_samples_at_once_give_what_each_gives(given: Given, runtime: str) -> None:
    if given.name not in KERNELS:
        pytest.fail(f"{given.name} has no oracle")
    compared = 0
    for dtype in given.types:
        made, values = call(given, dtype, np.random.default_rng(1))
        profile = PROFILES[runtime]
        try:
            found = compute_all(made, values, profile, COUNT)
        except NoOracle:
            continue
        for k in range(COUNT):
            alone = Call(
                made.name, 1, made.options, made.inputs, tuple(v.of(k) for v in values),
                made.outputs,
            )  # fmt: skip
            want = compute(alone, profile)
            for got, right in zip(found.values, want.values, strict=True):
                assert got.of(k).dtype == right.dtype
                np.testing.assert_allclose(got.of(k), right, rtol=1e-12, atol=1e-12)
            for limit, right_limit in zip(found.allowed, want.allowed, strict=True):
                assert (limit is None) == (right_limit is None)
            compared += 1
    assert compared


def test_answers_of_different_shapes_are_uneven() -> None:
    size = Tensor("n", "int32", ())
    fill = Call("FILL", 1, {}, (Tensor("d", "int32", (1,)), size), (), (Tensor("o", "int32", ()),))
    values = [Value(np.array([[2], [3]], np.int32)), Value(np.array(7, np.int32), True)]
    with pytest.raises(Uneven):
        compute_all(fill, values, PROFILES["tflite"], 2)
