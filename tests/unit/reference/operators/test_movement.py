"""Operators that move, slice and pick values, against what their specifications say."""

from __future__ import annotations

import numpy as np
import pytest

from reference.operators.kernel import NoOracle
from tests.support.operator_calls import Array, answer, float32, int8, int32, int64, tensor, value

X = np.arange(24).reshape(2, 3, 4).astype(np.int32)


def test_reshape_is_told_by_its_second_input_its_option_or_its_output() -> None:
    assert value("RESHAPE", X, int32([4, -1])).shape == (4, 6)
    assert value("RESHAPE", X, new_shape=[3, 8]).shape == (3, 8)
    found = value("RESHAPE", X, None, tensors=(tensor(X), None), output=tensor(np.zeros((24,))))
    assert found.shape == (24,)
    assert found.dtype == np.float64  # the output's type, whatever it was


def test_an_old_scalar_is_written_as_a_shape_of_one_zero() -> None:
    one = float32([7])
    assert value("RESHAPE", one, int32([0]), output=tensor(float32(0))).shape == ()
    with pytest.raises(ValueError, match="reshape"):
        value("RESHAPE", one, int32([0]), output=tensor(np.zeros((1,), np.float32)))


def test_squeeze_takes_named_axes_or_all() -> None:
    x = np.zeros((1, 3, 1, 2), np.int8)
    assert value("SQUEEZE", x).shape == (3, 2)
    assert value("SQUEEZE", x, squeeze_dims=[]).shape == (3, 2)
    assert value("SQUEEZE", x, squeeze_dims=[-2]).shape == (1, 3, 2)
    assert value("SQUEEZE", x, squeeze_dims=[0]).shape == (3, 1, 2)


def test_zeros_are_codes_of_nothing() -> None:
    x = int8([1, 2])
    found = value("ZEROS_LIKE", x, tensors=(tensor(x, 0.5, 7),))
    assert found.tolist() == [0, 0]
    assert found.dtype == np.int8


def test_axes_count_from_the_end_too() -> None:
    assert value("TRANSPOSE", X, int32([-1, 0, -2])).shape == (4, 2, 3)
    assert value("EXPAND_DIMS", X, int32(-1)).shape == (2, 3, 4, 1)
    assert value("EXPAND_DIMS", X, int32(-2)).shape == (2, 3, 1, 4)
    assert value("EXPAND_DIMS", X, int32([3])).shape == (2, 3, 4, 1)


def test_shape_has_the_type_of_the_output() -> None:
    found = value("SHAPE", X, output=tensor(np.zeros(3, np.int64)))
    assert found.tolist() == [2, 3, 4]
    assert found.dtype == np.int64


def test_range_adds_steps_one_after_another() -> None:
    count = value("RANGE", int32(7), int32(-2), int32(-3))
    assert count.tolist() == [7, 4, 1]
    assert value("RANGE", int32(1), int32(1), int32(3)).tolist() == []
    step = float32(0.1)
    found = value("RANGE", float32(1), float32(2), step)
    total, sums = float32(1), []
    for _ in range(10):
        sums.append(total)
        total = float32(total + step)
    assert found.tolist() == sums
    assert len(value("RANGE", float32(1), float32(1), step)) == 0
    down = value("RANGE", float32([2]), float32([1]), float32([-0.4]))
    assert down.tolist() == pytest.approx([2, 1.6, 1.2], rel=1e-6)
    assert down.dtype == np.float32
    assert value("RANGE", int64([0]), int64([5]), int64([2])).tolist() == [0, 2, 4]
    assert value("RANGE", float32(0), float32(1), float32(0.5)).tolist() == [0, 0.5]


def test_pack_and_unpack_undo_each_other_at_any_axis() -> None:
    for axis in (-3, 0, 1, 2):
        found = answer("UNPACK", X, axis=axis, output=(tensor(X),))
        assert len(found.values) == X.shape[axis]
        assert np.array_equal(value("PACK", *found.values, axis=axis), X)
    assert value("PACK", X, X).shape == (2, 2, 3, 4)
    assert len(answer("UNPACK", X).values) == 2


def test_concatenation_has_no_oracle_where_a_runtime_would_have_to_rescale() -> None:
    x = int8([[1, 2]])
    a, b = tensor(x, 0.5, 3), tensor(x, 0.25, 3)
    assert value("CONCATENATION", x, x, axis=-1, tensors=(a, a)).tolist() == [[1, 2, 1, 2]]
    assert value("CONCATENATION", x, x, tensors=(a, a)).tolist() == [[1, 2], [1, 2]]
    for tensors in ((a, b), (a, tensor(x, 0.5, 4))):
        with pytest.raises(NoOracle, match="CONCATENATION of unequal scales"):
            value("CONCATENATION", x, x, axis=1, tensors=tensors)
    with pytest.raises(NoOracle, match="CONCATENATION with a fused activation"):
        value("CONCATENATION", X, X, axis=0, fused_activation_function="RELU")


def test_splits_are_even_or_of_given_sizes() -> None:
    halves = answer("SPLIT", int32(-1), X, output=(tensor(X),) * 2)
    assert np.array_equal(halves.values[1], X[..., 2:])
    parts = answer("SPLIT_V", X, int32([0, 4]), int32(2), output=(tensor(X),) * 2)
    assert [part.shape[2] for part in parts.values] == [0, 4]
    sizes = int32([1, -1, 2])
    parts = answer("SPLIT_V", X, sizes, int32([2]), output=(tensor(X),) * 3)
    assert [part.shape[2] for part in parts.values] == [1, 1, 2]
    assert np.array_equal(np.concatenate(parts.values, 2), X)


def test_pads_hold_the_zero_point_a_value_or_a_mirror() -> None:
    x = int8([[1, 2, 3]])
    around = int32([[0, 1], [2, 0]])
    tensors = (tensor(x, 0.5, -7), tensor(around))
    found = value("PAD", x, around, tensors=tensors)
    assert found.tolist() == [[-7, -7, 1, 2, 3], [-7] * 5]
    assert value("PAD", int32([5]), int32([[1, 0]])).tolist() == [0, 5]
    assert value("PADV2", int32([5]), int32([[1, 0]]), int32([9])).tolist() == [9, 5]
    line, ends = int32([1, 2, 3]), int32([[2, 1]])
    assert value("MIRROR_PAD", line, ends, mode="REFLECT").tolist() == [3, 2, 1, 2, 3, 2]
    assert value("MIRROR_PAD", line, ends, mode="SYMMETRIC").tolist() == [2, 1, 1, 2, 3, 3]


def test_an_image_is_resized_by_the_nearest_in_three_ways() -> None:
    image = int32([10, 20, 30]).reshape(1, 1, 3, 1)

    def row(width: int, **options: bool) -> list[int]:
        found = value("RESIZE_NEAREST_NEIGHBOR", image, int32([1, width]), **options)
        assert found.shape == (1, 1, width, 1)
        return [int(one) for one in found.ravel()]

    assert row(5) == [10, 10, 20, 20, 30]
    assert row(5, half_pixel_centers=True) == [10, 10, 20, 30, 30]
    assert row(5, align_corners=True) == [10, 20, 20, 30, 30]
    assert row(2, align_corners=True) == [10, 30]
    assert row(1, align_corners=True) == [10]
    assert row(2) == [10, 20]
    wide = int32([1, 2, 3, 4, 5, 6]).reshape(1, 1, 6, 1)
    found = value("RESIZE_NEAREST_NEIGHBOR", wide, int32([1, 2]), align_corners=True)
    assert found.ravel().tolist() == [1, 6]


def test_strided_slice_knows_every_mask() -> None:
    def cut(begin: list[int], end: list[int], steps: list[int], **masks: int) -> Array:
        return value("STRIDED_SLICE", X, *map(int32, (begin, end, steps)), **masks)

    whole = [0, 0, 0], [2, 3, 4], [1, 1, 1]
    assert np.array_equal(cut(*whole), X)
    assert np.array_equal(cut([0, 1, 0], [2, 3, 4], [1, 1, 2]), X[:, 1:, ::2])
    assert np.array_equal(
        cut([9, 1, 1], [9, 3, 2], [1, 1, 1], begin_mask=5, end_mask=1), X[:, 1:, :2]
    )
    assert np.array_equal(cut([0, -1, 0], [2, 0, 4], [1, 1, 1], shrink_axis_mask=2), X[:, -1])
    assert np.array_equal(cut([1, 1], [2, 2], [1, 1], ellipsis_mask=1), X[..., 1:2])
    found = cut([0, 0, 1], [0, 2, 2], [1, 1, 1], new_axis_mask=1)
    assert np.array_equal(found, X[np.newaxis, :2, 1:2])
    assert np.array_equal(cut([1, 0, 0], [1, 2, 3], [1, 1, 1], offset=True), X[1:2, :2, :3])
    found = cut([0, 1, 0], [2, 2, 4], [1, 1, 2], offset=True)
    assert np.array_equal(found, X[:, 1:, ::2])
    found = cut([1, 0, 0], [0, 2, 3], [1, 1, 1], offset=True, end_mask=1)
    assert np.array_equal(found, X[1:, :2, :3])
    both = cut([1, 2, 0], [1, 1, 3], [1, 1, 1], offset=True, shrink_axis_mask=2)
    assert np.array_equal(both, X[1:2, 2, :3])
    masked = cut([1, 1, 1], [2, 3, 4], [1, 1, 1], shrink_axis_mask=1, begin_mask=1)
    assert np.array_equal(masked, X[0, 1:, 1:])


def test_slice_takes_sizes_and_all_that_is_left() -> None:
    found = value("SLICE", X, int32([0, 1, 2]), int32([1, -1, 1]))
    assert np.array_equal(found, X[:1, 1:, 2:3])
    assert value("SLICE", X, int32([0, 0, 0]), int32([1, 0, 1])).shape == (1, 0, 1)


def test_gather_goes_along_an_axis_and_within_batches() -> None:
    at = int32([[2, 0]])
    assert np.array_equal(value("GATHER", X, at, axis=1), X[:, at])
    assert np.array_equal(value("GATHER", X, int32([1]), axis=-1), X[..., 1:2])
    assert np.array_equal(value("GATHER", X, int32([1])), X[1:])
    rows = int32([[2, 0], [1, 1]])
    found = value("GATHER", X, rows, axis=1, batch_dims=1)
    assert np.array_equal(found, np.stack([X[0, [2, 0]], X[1, [1, 1]]]))
    deep = value("GATHER", X, rows[..., None], axis=2, batch_dims=-2)
    assert deep.shape == (2, 3, 2, 1)


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_has_no_oracle(index: int) -> None:
    at = int32([0, index])
    with pytest.raises(NoOracle, match="GATHER of an index outside"):
        value("GATHER", X, at, axis=1)
    with pytest.raises(NoOracle, match="GATHER_ND of an index outside"):
        value("GATHER_ND", X, int32([[0, index]]))
    with pytest.raises(NoOracle, match="EMBEDDING_LOOKUP of an index outside"):
        value("EMBEDDING_LOOKUP", at, X[0], output=tensor(X))
    assert value("GATHER", X, int32([]), axis=1).shape == (2, 0, 4)


def test_gather_nd_reads_positions() -> None:
    found = value("GATHER_ND", X, int32([[1, 2], [0, 0]]))
    assert np.array_equal(found, X[[1, 0], [2, 0]])
    assert value("GATHER_ND", X, int32([[[1, 2, 3]]])).tolist() == [[23]]


def test_embeddings_are_rows_of_the_outputs_type() -> None:
    at = int32([1, 1, 0])
    assert np.array_equal(value("EMBEDDING_LOOKUP", at, X, output=tensor(X)), X[at])
    with pytest.raises(NoOracle, match="EMBEDDING_LOOKUP of int8 into float32"):
        value("EMBEDDING_LOOKUP", at, int8(X), output=tensor(float32(X)))


def test_one_hot_has_an_axis_and_two_values() -> None:
    at, depth, on, off = int32([1, -1]), int32(3), float32(5), float32(-1)
    out = tensor(np.zeros((), np.float32))
    assert value("ONE_HOT", at, depth, on, off, output=out).tolist() == [[-1, 5, -1], [-1, -1, -1]]
    found = value("ONE_HOT", at, depth, on, off, axis=0, output=out)
    assert found.tolist() == [[-1, -1], [5, -1], [-1, -1]]
    assert found.dtype == np.float32
    grid = int32([[0, 1, 2], [2, 1, 5]])
    for axis in (-1, 0, 1, 2, -2):
        found = value("ONE_HOT", grid, int32(4), on, off, axis=axis, output=out)
        assert np.array_equal(
            found, np.moveaxis(np.where(grid[..., None] == np.arange(4), 5, -1), -1, axis)
        )


def test_the_first_of_equals_is_the_argument() -> None:
    x, out = float32([[3, 7, 7], [2, 2, 1]]), tensor(np.zeros(2, np.int32))
    assert value("ARG_MAX", x, int32([-1]), output=out).tolist() == [1, 0]
    found = value("ARG_MIN", x, int32([0]), output=out)
    assert found.tolist() == [1, 1, 1]
    assert found.dtype == np.int32
    with pytest.raises(NoOracle, match="ARG_MAX of NaN"):
        value("ARG_MAX", float32([np.nan]), int32([0]), output=out)


def test_where_lists_positions() -> None:
    found = value("WHERE", np.array([[0, 1], [1, 0]], bool), output=tensor(int64(0)))
    assert found.tolist() == [[0, 1], [1, 0]]
    assert found.dtype == np.int64


def test_an_unknown_operator_has_no_oracle_by_its_name() -> None:
    with pytest.raises(NoOracle, match=r"^NOT_AN_OPERATOR$"):
        value("NOT_AN_OPERATOR", X)


def test_an_input_that_is_left_out_has_no_oracle() -> None:
    with pytest.raises(NoOracle, match="TRANSPOSE without input 1"):
        value("TRANSPOSE", X)
    with pytest.raises(NoOracle, match="TRANSPOSE without input 1"):
        value("TRANSPOSE", X, None, tensors=(tensor(X), None))
