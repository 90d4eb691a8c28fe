"""Sums, products, roots and reductions at the values that tell one way of computing from another.

The codes were recorded from the runtimes that are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call, NoOracle
from reference.operators.profiles import PROFILES
from reference.operators.sums.products import UNDERFLOW, UNIT_ROUNDOFF, gamma
from reference.operators.table import compute


def _answer(
    name: str,
    values: list[Any],
    dtype: str = "int8",
    scales: tuple[float, ...] = (),
    zeros: tuple[int, ...] = (),
    runtime: str = "tflm",
    options: Mapping[str, Any] | None = None,
) -> Answer:
    """scales, zeros: of the inputs, the output's last."""
    arrays = [np.asarray(value, dtype) for value in values]
    tensors = [
        Tensor(str(k), dtype, a.shape, scales[k : k + 1], zeros[k : k + 1])
        for k, a in enumerate(arrays)
    ]
    if name in ("MEAN", "SUM"):
        axes = np.array([1], np.int32)
        tensors.append(Tensor("axes", "int32", (1,), data=axes))
        arrays.append(axes)
    y = Tensor("y", dtype, (), scales[-1:], zeros[-1:])
    call = Call(name, 1, options or {}, tuple(tensors), tuple(arrays), (y,))
    return compute(call, PROFILES[runtime])


def _code(*arguments: Any, **more: Any) -> Any:
    return _answer(*arguments, **more).values[0].tolist()


GOLDEN = [
    ("ADD", "tflite", (0.030095166, 0.51778257, 0.199918), (-29, -32, -49), (-46, 2), 37),
    ("ADD", "tflm", (1.2308207, 0.13726242, 0.11236697), (-56, -50, 62), (-86, 122), -56),
    ("ADD", "tflm", (0.049368676, 1.4342726, 0.017690981), (-86, 28, 83), (48, 22), -29),
    (
        "SQUARED_DIFFERENCE",
        "tflm",
        (0.36738494, 0.05643766, 1.0252166),
        (-69, -118, -59),
        (-94, -128),
        14,
    ),
    ("RSQRT", "tflm", (0.028228877, 0.20871659), (-128, -86), (2,), -83),
    ("RSQRT", "tflm", (0.02778124, 0.015802454), (-128, -110), (-121,), 33),
]


@pytest.mark.parametrize(("name", "runtime", "scales", "zeros", "codes", "want"), GOLDEN)
def test_codes_of_a_runtime(
    name: str,
    runtime: str,
    scales: tuple[float, ...],
    zeros: tuple[int, ...],
    codes: tuple[int, ...],
    want: int,
) -> None:
    exact = tuple(float(np.float32(scale)) for scale in scales)
    found = _code(name, [[code] for code in codes], scales=exact, zeros=zeros, runtime=runtime)
    assert found == [want]


def test_rsqrt_of_nothing_is_the_largest_code_and_of_less_is_refused() -> None:
    scales, zeros = (1.0, 0.25), (-3, 10)
    assert _code("RSQRT", [[-3]], scales=scales, zeros=zeros) == [127]
    assert _code("RSQRT", [[-2, 1]], scales=scales, zeros=zeros) == [14, 12]
    with pytest.raises(NoOracle, match="negative"):
        _answer("RSQRT", [[-4]], scales=scales, zeros=zeros)


def test_int16_of_powers_of_two_is_shifted_unless_said_otherwise() -> None:
    values, scales, zeros = [[3, 32767], [5, 32767]], (0.25, 0.5, 0.5), (0, 0, 0)
    for options in ({}, {"pot_scale_int16": True}):
        shifted = _code("ADD", values, "int16", scales, zeros, "tflite", options)
        assert shifted == [7, 32767]
    general = {"pot_scale_int16": False}
    assert _code("ADD", values, "int16", scales, zeros, "tflite", general) == [7, 32767]
    assert _code("SUB", values, "int16", scales, zeros, "tflite") == [-3, -16383]
    with pytest.raises(NoOracle, match="above the output's"):
        _answer("ADD", values, "int16", (1.0, 0.5, 0.5), zeros, "tflite")


def test_whole_numbers_wrap_and_divide_towards_zero() -> None:
    ends = [[2**31 - 1, -(2**31)], [1, -1]]
    assert _code("ADD", ends, "int32") == [-(2**31), 2**31 - 1]
    assert _code("SUB", [[5, 7], [9, 2]], "int32", options=_RELU) == [0, 5]
    assert _code("ADD", [[-5, 7], [1, 2]], "int32", runtime="tflite", options=_RELU) == [0, 9]
    assert _code("ADD", [[-5, 7], [1, 2]], "int32", runtime="tflm", options=_RELU) == [-4, 9]
    assert _code("DIV", [[7, -7, 7, -7], [2, 2, -2, -2]], "int32") == [3, -3, -3, 3]
    assert _code("NEG", [[3, -4]], "int32") == [-3, 4]
    assert _code("ABS", [[3, -4]], "int32") == [3, 4]
    with pytest.raises(NoOracle, match="by 0"):
        _answer("DIV", [[1], [0]], "int32")


_RELU = {"fused_activation_function": "RELU"}


@pytest.mark.parametrize("name", ["DIV", "NEG", "ABS"])
def test_quantised_forms_without_a_kernel_are_refused(name: str) -> None:
    values = [[1], [2]] if name == "DIV" else [[1]]
    with pytest.raises(NoOracle):
        _answer(name, values, scales=(0.5,) * 3, zeros=(0,) * 3)


def test_floats_are_due_to_the_bit_and_clamped() -> None:
    found = _answer("MUL", [[0.1, 3.0], [0.2, 4.0]], "float32", options={**_RELU6})
    assert found.allowed == (None,)
    assert found.values[0].dtype == np.float32
    assert found.values[0].tolist() == [np.float32(0.1) * np.float32(0.2), 6]
    assert _code("SQUARED_DIFFERENCE", [[1.5], [4.0]], "float32") == [6.25]


_RELU6 = {"fused_activation_function": "RELU6"}


def test_extremes_of_different_scales_are_refused() -> None:
    assert _code("MAXIMUM", [[1], [2]], scales=(0.5,) * 3, zeros=(1,) * 3) == [2]
    with pytest.raises(NoOracle, match="different scales"):
        _answer("MINIMUM", [[1], [2]], scales=(0.5, 0.5, 0.25), zeros=(0,) * 3)


def test_roots_that_are_estimated_may_be_two_units_off() -> None:
    (value,), (allowed,) = (lambda a: (a.values, a.allowed))(
        _answer("SQRT", [[4.0]], "float32", runtime="litert")
    )
    assert allowed is not None
    assert (value.tolist(), allowed.tolist()) == ([2.0], [8 * UNIT_ROUNDOFF])
    found = _answer("RSQRT", [[0.25]], "float32")
    assert found.allowed[0] is not None
    assert (found.values[0].tolist(), found.allowed[0].tolist()) == ([2.0], [8 * UNIT_ROUNDOFF])


@pytest.mark.parametrize(("name", "divisor", "roundings"), [("MEAN", 3, 2), ("SUM", 1, 0)])
def test_the_budget_of_a_reduction(name: str, divisor: int, roundings: int) -> None:
    found = _answer(name, [[[1.0, -2.0, 4.0]]], "float32")
    assert found.values[0].tolist() == [3.0 / divisor]
    size = 7.0 / divisor
    want = gamma(2) * size + roundings * UNIT_ROUNDOFF * size + UNDERFLOW
    assert found.allowed[0] is not None
    assert found.allowed[0].tolist() == [pytest.approx(want, rel=1e-12)]


def test_sums_read_codes_as_their_kernel_does() -> None:
    values, scales, zeros = [[[-1, -2]]], (0.5, 0.5), (0, 0)
    assert _code("SUM", values, "int8", scales, zeros, "tflm") == [-3]
    assert _code("SUM", values, "int8", scales, zeros, "tflite-reference") == [-1]
    wide = [[[32767, 2]]]
    assert _code("SUM", wide, "int16", scales, zeros, "tflm") == [32767]
    assert _code("SUM", wide, "int16", scales, zeros, "tflite") == [-32767]
