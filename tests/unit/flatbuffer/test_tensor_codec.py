"""Inputs and outputs are quantised rightly, and the faults of published helpers are not made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import (
    affine_of,
    from_runtime,
    in_order,
    largest_in_steps,
    saturated_shares,
    to_runtime,
)


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


def test_a_share_is_of_all_values_and_of_each_output() -> None:
    values = np.array([[[-128, 127, 3, 4]]], np.int8)
    inside = np.array([[[0.0, 0.0, 0.0, 0.1]]])
    assert saturated_shares(INT8, (), [values], [inside]) == [0.5]
    at_the_ends = np.array([[[-13.1, 12.4, 0.0, 0.1]]])
    assert saturated_shares(INT8, (), [values], [at_the_ends]) == [0.0]


def test_a_value_two_steps_inside_is_not_far_inside() -> None:
    half = _structure("int8", 0.5, 0)
    values = np.array([[[-128, 127, 3, 4]]], np.int8)
    two_steps = np.array([[[-63.0, 62.5, 1.5, 2.0]]])
    assert saturated_shares(half, (), [values], [two_steps]) == [0.0]
    further = np.array([[[-62.75, 62.25, 1.5, 2.0]]])
    assert saturated_shares(half, (), [values], [further]) == [0.5]


def test_no_share_where_nothing_can_be_compared() -> None:
    values = np.full((1, 1, 4), -128, np.int8)
    plain = _structure("float32", 0.1, 0)
    assert saturated_shares(plain, (), [values.astype(np.float32)], [np.zeros((1, 1, 4))]) == [0.0]
    assert saturated_shares(INT8, (), [values], [np.zeros((1, 1, 3))]) == [0.0]
    assert saturated_shares(INT8, (), [values[:0]], [np.zeros((0, 1, 4))]) == [0.0]
    with pytest.raises(ValueError, match="zip"):
        saturated_shares(INT8, (), [values], [])


def _two_outputs() -> Structure:
    """A float output before an int8 one; named b and a."""
    document = INT8.document
    (graph,) = document["subgraphs"]
    tensors = [{**graph["tensors"][0], "name": name} for name in ("x", "b", "a")]
    tensors[1] = {**tensors[1], "dtype": "float32", "scale": [], "zero_point": []}
    signature = {
        "key": "serving_default",
        "inputs": [["x", 0]],
        "outputs": [["b", 1], ["a", 2]],
        "subgraph": 0,
    }
    changed = {**graph, "tensors": tensors, "outputs": [1, 2]}
    return Structure({**document, "subgraphs": [changed], "signatures": [signature]})


def test_outputs_go_by_their_names() -> None:
    structure = _two_outputs()
    outputs: list[NDArray[Any]] = [np.full((1, 1, 4), 0.5, np.float32)]
    outputs.append(np.full((1, 1, 4), -128, np.int8))
    a, b = from_runtime(structure, ("a", "b"), outputs)
    np.testing.assert_allclose(a, -13.1)
    np.testing.assert_array_equal(b, outputs[0])
    wanted = [np.zeros((1, 1, 4)), np.zeros((1, 1, 4))]
    assert saturated_shares(structure, ("a", "b"), outputs, wanted) == [1.0, 0.0]
    assert saturated_shares(structure, ("b", "a"), outputs, wanted) == [0.0, 1.0]


def test_inputs_go_by_name_or_where_allowed_by_shape() -> None:
    structure = _two_outputs()
    x = np.zeros((2, 1, 4), np.float32)
    assert to_runtime(structure, ["x"], {"x": x})[0].dtype == np.int8
    with pytest.raises(ValueError, match="expected"):
        to_runtime(structure, ["other"], {"other": x})
    (found,) = to_runtime(structure, ["other"], {"other": x}, by_shape=True)
    assert found.shape == x.shape
    with pytest.raises(ValueError, match="expected"):
        to_runtime(structure, ["other"], {"other": np.zeros((2, 1, 5), np.float32)}, by_shape=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_every_integer_type_has_its_scale(dtype: str) -> None:
    structure = _structure(dtype, 0.5, 0)
    affine = affine_of(structure.inputs[0])
    assert affine is not None
    assert (affine.scale, affine.zero_point, affine.dtype) == (0.5, 0, dtype)
    x = np.array([[[1.0, 2.0, 0.0, 1e9]]], np.float32)
    (found,) = to_runtime(structure, ["x"], {"x": x})
    assert found.dtype == dtype
    assert found.ravel()[:3].tolist() == [2, 4, 0]
    assert found.ravel()[3] == np.iinfo(dtype).max


def test_a_tensor_without_scale_or_of_another_type_has_none() -> None:
    assert affine_of(_structure("float32", 0.5, 0).inputs[0]) is None
    assert affine_of(_structure("int32", 0.5, 0).inputs[0]) is None
    document = INT8.document
    (graph,) = document["subgraphs"]
    bare = {**graph["tensors"][0], "scale": [], "zero_point": []}
    structure = Structure({**document, "subgraphs": [{**graph, "tensors": [bare, bare]}]})
    assert affine_of(structure.inputs[0]) is None


def test_inputs_are_divided_in_float32_as_the_operator_does() -> None:
    """0.15 ÷ 0.1 is just over a tie in float32, and just under it in float64."""
    scale = float(np.float32(0.1))
    structure = _structure("int8", scale, 0)
    x = np.linspace(-12, 12, 4096, dtype=np.float32).reshape(1024, 1, 4)
    (found,) = to_runtime(structure, ["x"], {"x": x})
    quotient = (x / np.float32(scale)).astype(np.float64)
    away = np.trunc(quotient + np.copysign(0.5, quotient))
    np.testing.assert_array_equal(found, away.clip(-128, 127).astype(np.int8))


def test_a_users_names_may_be_others_where_that_is_said() -> None:
    structure = _two_outputs()
    arrays = {"other": np.zeros((1, 1, 4), np.float32)}
    with pytest.raises(ValueError, match=r"inputs called \['x'\], expected \['other'\]"):
        in_order(structure, ["other"], arrays)
    with pytest.raises(ValueError, match="inputs called"):
        to_runtime(structure, ["other"], arrays)
    (signed,) = structure.document["signatures"]
    (found,) = in_order(structure, ["other"], {"other": np.zeros((1, 1, 4))}, by_shape=True)
    assert signed["inputs"] == [["x", 0]]
    assert found.shape == (1, 1, 4)


def test_steps_are_those_of_the_output_of_that_name() -> None:
    """a is int8 and second in the file, b a float."""
    structure = _two_outputs()
    zeros, off = np.zeros((1, 1, 4)), np.full((1, 1, 4), 0.25)
    assert largest_in_steps(structure, ("a", "b"), [off, zeros], [zeros] * 2) == pytest.approx(2.5)
    assert largest_in_steps(structure, ("a", "b"), [zeros, off], [zeros] * 2) == 0


def test_an_input_is_divided_in_float32() -> None:
    """0.25 over float32(0.1): a tie in float32, less than one in float64."""
    structure = _structure("int8", float(np.float32(0.1)), 3)
    for dtype in (np.float32, np.float64):
        x = np.full((1, 1, 4), 0.25, dtype)
        (found,) = to_runtime(structure, ["x"], {"x": x})
        assert found.ravel().tolist() == [6] * 4


def test_every_output_needs_its_expectation() -> None:
    values = np.zeros((1, 1, 4))
    for outputs, expected in (([values], []), ([], [values]), ([values] * 2, [values])):
        with pytest.raises(ValueError, match="zip"):
            largest_in_steps(INT8, (), outputs, expected)
