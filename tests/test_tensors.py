"""Quantisation of inputs and outputs, with the faults of published helpers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.structure import Structure
from fixtures.tensors import from_runtime, largest_in_steps, saturated_shares, to_runtime


def _structure(dtype: str, scale: float, zero_point: int) -> Structure:
    tensor: dict[str, Any] = {
        "name": "x",
        "dtype": dtype,
        "shape": [1, 4],
        "signature": [1, 4],
        "scale": [scale],
        "zero_point": [zero_point],
        "axis": None,
        "variable": False,
        "bytes": 0,
    }
    graph = {"inputs": [0], "outputs": [1], "tensors": [tensor, tensor], "operators": []}
    return Structure({"version": 3, "subgraphs": [graph], "signatures": []})


INT8 = _structure("int8", 0.1, 3)


def _quantised(*values: float) -> list[int]:
    array = np.array([[values]], np.float32)
    (found,) = to_runtime(INT8, ["x"], {"x": array})
    assert found.dtype == np.int8
    assert found.shape == array.shape
    return [int(value) for value in found.ravel()]


def test_inputs_are_quantised_with_scale_and_zero_point() -> None:
    assert _quantised(0.0, 1.0, -1.0, 0.2) == [3, 13, -7, 5]


def test_values_are_rounded_and_not_truncated() -> None:
    assert _quantised(0.09, -0.09, 0.16, -0.16) == [4, 2, 5, 1]


def test_values_saturate_and_do_not_wrap() -> None:
    assert _quantised(12.4, 99.0, -13.1, -99.0) == [127, 127, -128, -128]


def test_outputs_are_dequantised() -> None:
    values = np.array([[[3, 13, -7, 127]]], np.int8)
    (found,) = from_runtime(INT8, (), [values])
    np.testing.assert_allclose(found.ravel(), [0.0, 1.0, -1.0, 12.4])


def test_floats_and_tokens_pass_unchanged() -> None:
    plain = _structure("float32", 0.1, 0)
    x = np.array([[[0.5, 1.5, 2.5, 3.5]]], np.float32)
    (found,) = to_runtime(plain, ["x"], {"x": x})
    np.testing.assert_array_equal(found, x)
    tokens = _structure("int32", 0.1, 0)
    (found,) = to_runtime(tokens, ["x"], {"x": np.array([[[1, 2, 3, 4]]], np.int32)})
    assert found.dtype == np.int32


@pytest.mark.parametrize(("want", "share"), [(-13.1, 0.0), (-12.95, 0.0), (5.0, 1.0)])
def test_only_what_should_be_inside_counts_as_saturated(want: float, share: float) -> None:
    values = np.full((1, 1, 4), -128, np.int8)
    expected = np.full((1, 1, 4), want)
    assert saturated_shares(INT8, (), [values], [expected]) == [share]


def test_the_largest_difference_is_in_steps_of_the_output() -> None:
    want = [np.array([[[0.0, 1.0, -1.0, 0.2]]])]
    got = [want[0] + np.array([0.0, 0.1, -0.3, 0.0])]

    assert largest_in_steps(INT8, (), got, want) == pytest.approx(3)
    assert largest_in_steps(INT8, (), [got[0][..., :2]], want) is None
    assert largest_in_steps(_structure("float32", 0.1, 0), (), got, want) is None
