"""Samples and conversions have the sizes, tokens and ranges that a model leaves room for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures import stimuli
from fixtures.recipes import RECIPES
from fixtures.subjects import Subject
from harness.conversion.model_interface import input_shapes, interface_of
from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.structure import Structure, quantization_of
from tests.support.small_models import structure

USERS = Subject("my.keras", "keras", path=Path("my.keras"))
FIXED, OPEN = RECIPES["float32"], RECIPES["dynamic-sequence"]
SEQUENCE = [{"name": "x", "shape": [None, None, 5], "dtype": "float32"}]
TOKENS = [{"name": "x", "shape": [None, 9], "dtype": "float32", "vocabulary": 50}]


def test_an_open_length_is_that_of_the_samples() -> None:
    given = {"x": np.zeros((6, 1, 20, 5), np.float32)}
    assert input_shapes(SEQUENCE, USERS, FIXED, given) == [[1, 20, 5]]
    assert input_shapes(SEQUENCE, USERS, FIXED) == [[1, stimuli.OPEN_TIMESTEPS, 5]]
    drawn = stimuli.for_interface(SEQUENCE, 0, 2, "stimulus", "x")["x"]
    assert input_shapes(SEQUENCE, USERS, FIXED, {"x": drawn}) == [list(drawn.shape[1:])]
    assert input_shapes(SEQUENCE, USERS, OPEN, given) == [[1, None, 5]]


def test_tokens_have_an_open_length_too_and_features_none() -> None:
    assert input_shapes(TOKENS, USERS, OPEN) == [[1, None]]
    assert input_shapes(TOKENS, USERS, FIXED) == [[1, 9]]
    features = [{"name": "x", "shape": [None, 9], "dtype": "float32", "vocabulary": None}]
    assert input_shapes(features, USERS, OPEN) == [[1, 9]]


def _gathering(rows: int, cast: bool = False) -> Structure:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 4], "float32" if cast else "int32")
    index = x
    if cast:
        index = graph.tensor("index", [1, 4], "int32")
        graph.operator("CAST", [x], [index])
    table = graph.tensor("table", [rows, 3], "float32", data=np.ones((rows, 3), np.float32))
    y = graph.tensor("y", [1, 4, 3], "float32")
    graph.operator("GATHER", [table, index], [y])
    return structure(graph.pack([x], [y]))


@pytest.mark.parametrize("cast", [False, True])
def test_tokens_of_a_file_are_rows_of_its_table(cast: bool) -> None:
    (entry,) = interface_of(_gathering(7, cast))
    assert entry["vocabulary"] == 7
    drawn = stimuli.for_interface([entry], 0, 50, "stimulus", "x")["x"]
    assert (drawn.min(), drawn.max()) == (0, 6)


def test_what_is_looked_up_in_no_table_is_no_token() -> None:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, 4], "float32")
    y = graph.tensor("y", [1, 4], "float32")
    graph.operator("TANH", [x], [y])
    assert interface_of(structure(graph.pack([x], [y])))[0]["vocabulary"] is None


def test_a_loops_weights_say_how_a_file_was_quantised() -> None:
    plain = _gathering(7)
    body = {**plain.document["subgraphs"][0]}
    body["tensors"] = [{**tensor, "dtype": "int8"} for tensor in body["tensors"]]
    inside = Structure({**plain.document, "subgraphs": [*plain.document["subgraphs"], body]})
    assert quantization_of(plain) == "float32"
    assert quantization_of(inside) == "dynamic-range"


@pytest.mark.parametrize(
    ("steps", "samples", "calibration"), [(28, 4, 16), (100, 4, 16), (500, 2, 4), (5000, 2, 4)]
)
def test_long_sequences_get_fewer_samples(steps: int, samples: int, calibration: int) -> None:
    inputs = [{"name": "x", "shape": [None, steps, 5]}]
    assert stimuli.count_for(inputs, False) == samples
    assert stimuli.count_for(inputs, True) == calibration
