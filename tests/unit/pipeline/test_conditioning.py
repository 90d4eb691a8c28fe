"""Hold the measure of how far rounding may move a file's own answer, which hides no fault."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import stored, unpack
from harness.pipeline.conditioning import TRIALS, disturbed, response

WEIGHTS = np.linspace(0.5, 1.5, 12, dtype=np.float32).reshape(3, 4)


def _content() -> bytes:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 4], "float32")
    w = graph.tensor("w", [3, 4], "float32", data=WEIGHTS)
    y = graph.tensor("y", [1, 3], "float32")
    graph.operator("FULLY_CONNECTED", [x, w], [y])
    return graph.pack([x], [y])


def _weights(content: bytes) -> NDArray[Any]:
    model = unpack(content)
    found = stored(model, model.subgraphs[0].tensors[1])
    assert found is not None
    return found


def test_weights_are_disturbed_by_roundings_and_no_more() -> None:
    moved = _weights(disturbed(_content(), 0)) / WEIGHTS - 1
    assert np.abs(moved).max() > 0
    assert np.abs(moved).max() < 2.0**-20
    assert not np.array_equal(moved, _weights(disturbed(_content(), 1)) / WEIGHTS - 1)


def test_the_response_follows_the_models_own_gain() -> None:
    def answer(gain: float, content: bytes) -> list[NDArray[Any]]:
        return [gain * (_weights(content) @ np.ones(4)).astype(np.float64)]

    seen: list[bytes] = []

    def run(gain: float, content: bytes) -> list[NDArray[Any]]:
        seen.append(content)
        return answer(gain, content)

    small, large = (
        response(_content(), answer(gain, _content()), lambda c, g=gain: run(g, c))[0]  # type: ignore[misc]
        for gain in (1.0, 1000.0)
    )
    assert len(set(seen)) == TRIALS
    assert 900 < large / small < 1100
    # A fault of a thousandth is far beyond what rounding does.
    assert small < 1e-3 * WEIGHTS.sum(axis=1).min() / 100


def test_where_a_disturbed_model_does_not_run_nothing_is_known() -> None:
    assert response(_content(), [np.zeros((1, 3))], lambda content: None) == ()
    infinite = [np.full((1, 3), np.inf)]
    assert response(_content(), [np.zeros((1, 3))], lambda content: infinite) == ()
