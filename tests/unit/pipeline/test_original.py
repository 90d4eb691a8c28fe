"""The response to a file's own precision moves what it stores by a rounding, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import stored, unpack
from harness.pipeline.original import CHANCE, requantised


def _content(values: NDArray[Any], scale: float | None) -> bytes:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, values.shape[1]], "float32")
    w = graph.tensor("w", list(values.shape), str(values.dtype), scale, data=values)
    y = graph.tensor("y", [1, len(values)], "float32")
    graph.operator("FULLY_CONNECTED", [x, w], [y])
    return graph.pack([x], [y])


def _moved(values: NDArray[Any], scale: float | None, seed: int) -> NDArray[Any]:
    content = requantised(_content(values, scale), np.random.default_rng(seed))
    found = stored(unpack(content), unpack(content).subgraphs[0].tensors[1])
    assert found is not None
    return found


def test_integer_weights_move_by_single_steps_with_the_variance_of_a_rounding() -> None:
    values = np.random.default_rng(0).integers(-127, 128, (100, 200)).astype(np.int8)
    off = _moved(values, 0.01, 1).astype(int) - values
    assert set(np.unique(off)) == {-1, 0, 1}
    assert np.square(off).mean() == pytest.approx(1 / 12, rel=0.05)
    assert off.mean() == pytest.approx(0, abs=0.01)
    assert abs(2 * CHANCE - 1 / 12) < 1e-12
    assert _moved(values, 0.01, 1).min() >= -127
    assert np.any(_moved(values, 0.01, 2) != _moved(values, 0.01, 1))


def test_float16_weights_move_by_their_last_place() -> None:
    values = np.random.default_rng(0).normal(size=(50, 80)).astype(np.float16)
    off = np.abs(_moved(values, None, 1).astype(float) - values.astype(float))
    steps = off / np.spacing(np.abs(values)).astype(float)
    assert 0 < np.count_nonzero(off) / off.size < 0.12
    assert steps.max() <= 1


def test_what_is_no_number_stays() -> None:
    values = np.arange(60, dtype=np.int8).reshape(3, 20)
    np.testing.assert_array_equal(_moved(values, None, 1), values)
    zeros = np.zeros((30, 20), np.int8)
    np.testing.assert_array_equal(_moved(zeros, 0.01, 1), zeros)
    reals = np.ones((3, 20), np.float32)
    np.testing.assert_array_equal(_moved(reals, None, 1), reals)
