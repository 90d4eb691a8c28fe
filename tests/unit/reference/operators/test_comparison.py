"""Comparisons, truth values, choices and divisions with a floor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.operators.kernel import NoOracle
from reference.operators.profiles import TFLM
from tests.support.operator_calls import float32, int8, int16, int32, int64, tensor, value

BOOL = tensor(np.bool_(False))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("LESS", [1, 0, 0]),
        ("LESS_EQUAL", [1, 1, 0]),
        ("GREATER", [0, 0, 1]),
        ("GREATER_EQUAL", [0, 1, 1]),
        ("EQUAL", [0, 1, 0]),
        ("NOT_EQUAL", [1, 0, 1]),
    ],
)
def test_a_relation_is_a_truth_value(name: str, want: list[int]) -> None:
    found = value(name, float32([1, 2, 3]), float32(2), output=BOOL)
    assert found.tolist() == [bool(one) for one in want]
    assert found.dtype == np.bool_


def test_int8_is_compared_on_a_common_scale() -> None:
    a, b = int8([10, 11, 12]), int8([1, 1, 1])
    tensors = tensor(a, 0.25, 7), tensor(b, 0.5, -1)  # 0.75, 1, 1.25 and 1
    assert value("LESS", a, b, tensors=tensors, output=BOOL).tolist() == [True, False, False]
    assert value("EQUAL", a, b, tensors=tensors, output=BOOL).tolist() == [False, True, False]
    # 227 * 0.001 and 228 * 0.001 are both 58 steps of 2**-8; 229 * 0.001 is 59.
    near = int8([99, 101]), int8([100, 100])
    scales = tensor(near[0], 0.001, -128), tensor(near[1], 0.001, -128)
    assert value("EQUAL", *near, tensors=scales, output=BOOL).tolist() == [True, False]


def test_a_scale_of_one_makes_the_kernel_abort() -> None:
    a = int8([1])
    with pytest.raises(NoOracle, match="LESS of a scale that the kernel aborts on"):
        value("LESS", a, a, tensors=(tensor(a, 1.0), tensor(a, 0.5)), output=BOOL)


def test_int16_is_compared_by_its_codes_where_that_is_known() -> None:
    a, same = int16([3, 4]), tensor(int16([0]), 0.5)
    assert value("LESS", a, int16([4, 4]), tensors=(same, same), output=BOOL).tolist() == [
        True,
        False,
    ]
    other = tensor(int16([0]), 0.25)
    refused: list[dict[str, Any]] = [{"tensors": (same, other)}, {"profile": TFLM}]
    for more in refused:
        with pytest.raises(NoOracle, match="LESS of int16"):
            value("LESS", a, a, **{"tensors": (same, same), "output": BOOL} | more)


def test_truth_values_are_combined() -> None:
    a, b = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    assert value("LOGICAL_AND", a, b).tolist() == [False, False, False, True]
    assert value("LOGICAL_OR", a, b).tolist() == [False, True, True, True]
    assert value("LOGICAL_NOT", a).tolist() == [True, True, False, False]


def test_a_condition_chooses_values_or_rows() -> None:
    yes, no = int32([[1, 2], [3, 4]]), int32([[5, 6], [7, 8]])
    rows, out = np.array([True, False]), tensor(yes)
    assert value("SELECT", rows, yes, no, output=out).tolist() == [[1, 2], [7, 8]]
    assert value("SELECT", rows, yes[0], no[0], output=out).tolist() == [1, 6]
    assert value("SELECT_V2", rows, yes, no, output=out).tolist() == [[1, 6], [3, 8]]
    column = np.array([[True], [False]])
    assert value("SELECT_V2", column, yes, no, output=out).tolist() == [[1, 2], [7, 8]]
    deep = np.stack([yes, no])
    found = value("SELECT", rows, deep, -deep, output=out)
    assert np.array_equal(found, np.stack([yes, -no]))
    every = np.array([[True, False], [False, True]])
    assert value("SELECT", every, yes, no, output=out).tolist() == [[1, 6], [7, 4]]


def test_divisions_round_down_and_leave_the_divisors_sign() -> None:
    a, b = int32([7, -7, 7, -7]), int32([2, 2, -2, -2])
    assert value("FLOOR_DIV", a, b).tolist() == [3, -4, -4, 3]
    assert value("FLOOR_MOD", a, b).tolist() == [1, 1, -1, -1]
    x, y = float32(a) / 2, float32(b)
    assert value("FLOOR_DIV", x, y).tolist() == [1, -2, -2, 1]
    assert value("FLOOR_MOD", x, y).tolist() == [1.5, 0.5, -0.5, -1.5]
    a, b = float32([1, -0.25, 0.5, -0.5, 0.5]), float32([-2, 0.5, 2, -2, np.inf])
    assert value("FLOOR_MOD", a, b).tolist() == [-1, 0.25, 0.5, -0.5, 0.5]
    by_zero = float32([1, -1]), float32([0, 0])
    assert value("FLOOR_DIV", *by_zero).tolist() == [np.inf, -np.inf]
    assert np.isnan(value("FLOOR_MOD", *by_zero)).all()
    assert value("FLOOR_DIV", int64([7]), int64([-2])).dtype == np.int64
    assert value("FLOOR_MOD", float32([4, -4]), float32([2, 2])).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["FLOOR_DIV", "FLOOR_MOD"])
def test_what_c_does_not_define_has_no_oracle(name: str) -> None:
    least = int32([-(2**31), 1])
    for b in (int32([-1, 1]), int32([2, 0])):
        with pytest.raises(NoOracle, match=f"{name} by 0"):
            value(name, least, b)
    assert len(value(name, least + int32(1), int32([-1, 1]))) == 2
