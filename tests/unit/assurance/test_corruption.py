"""Corruptions are made again from their seed, change files, and meet their structure."""

from __future__ import annotations

import numpy as np
import pytest

from harness.assurance.fuzz.corruption import KINDS, Healthy, corrupted, healthy
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import pack, unpack


@pytest.fixture(scope="module")
def base() -> Healthy:
    graph = GraphBuilder()
    x = graph.tensor("x", (1, 4), "float32")
    w = graph.tensor("w", (2, 4), "float32", data=np.arange(8, dtype=np.float32).reshape(2, 4))
    y = graph.tensor("y", (1, 2), "float32")
    graph.operator("FULLY_CONNECTED", [x, w, -1], [y])
    return healthy("small", graph.pack([x], [y]))


@pytest.mark.parametrize("number", range(2 * len(KINDS)))
def test_a_corruption_is_made_again_from_its_seed_and_number(base: Healthy, number: int) -> None:
    one, other = corrupted(base, 7, number), corrupted(base, 7, number)
    assert one == other
    assert one.kind == list(KINDS)[number % len(KINDS)]


def test_almost_every_corruption_changes_the_file(base: Healthy) -> None:
    files = [corrupted(base, 7, number) for number in range(40 * len(KINDS))]
    for kind in KINDS:
        chosen = [file for file in files if file.kind == kind]
        changed = sum(file.content != base.content for file in chosen)
        assert changed >= 0.5 * len(chosen), kind
        assert len({file.content for file in chosen}) >= 0.4 * len(chosen), kind


def test_the_layout_is_where_the_file_keeps_its_structure(base: Healthy) -> None:
    """Each length that is found is the length of a vector or a text: the file says so."""
    model = unpack(base.content)
    lengths = sorted(
        int.from_bytes(base.content[place : place + 4], "little") for place in base.layout.lengths
    )
    assert len(model.subgraphs[0].tensors) in lengths
    assert 8 * 4 in lengths, "the weights' bytes"
    assert all(length < len(base.content) for length in lengths)
    for place in base.layout.offsets:
        to = place + int.from_bytes(base.content[place : place + 4], "little")
        assert 0 < to < len(base.content)
    weights = np.arange(8, dtype=np.float32).tobytes()
    assert any(
        base.content[start : start + count * width] == weights
        for start, count, width in base.layout.vectors
    )


def test_a_file_written_again_has_the_same_structure(base: Healthy) -> None:
    again = healthy("again", pack(unpack(base.content)))
    assert len(again.layout.tables) == len(base.layout.tables)
