"""Convolutions and tables of a PyTorch model are held to its state dict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import schema
from harness.weights.state_dict import read
from harness.weights.state_dict_audit import audit

Array = NDArray[Any]
WORDS, CHANNELS, FILTERS, SIZE, OUTPUTS = 9, 4, 5, 3, 2


def _state(seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    shapes = {
        "embedding.weight": (WORDS, CHANNELS),
        "conv.weight": (FILTERS, CHANNELS, SIZE),
        "conv.bias": (FILTERS,),
        "head.weight": (OUTPUTS, FILTERS),
        "head.bias": (OUTPUTS,),
    }
    return {k: random.normal(size=shape).astype(np.float32) for k, shape in shapes.items()}


def _file(state: dict[str, Array], integer: bool = False, column: bool = False) -> bytes:
    """Table, convolution and linear layer, as a converter lays them out."""
    graph = GraphBuilder()

    def constant(name: str, values: Array, dtype: str = "int8", scale: float = 0.0) -> int:
        if not integer:
            return graph.tensor(name, values.shape, "float32", data=values)
        scale = scale or float(np.abs(values).max() / 127)
        codes = np.rint(values / np.float32(scale)).astype(dtype)
        return graph.tensor(name, values.shape, dtype, scale, 0, codes)

    kind, scale = ("int8", 0.05) if integer else ("float32", None)
    x = graph.tensor("x", (1, 6), "int32")
    rows = graph.tensor("rows", (1, 6, CHANNELS), kind, scale)
    table = constant("table", state["embedding.weight"])
    graph.operator("GATHER", [table, x], [rows], options=schema().GatherOptionsT())
    kernel = np.moveaxis(state["conv.weight"], 1, 2)
    kernel = kernel[:, :, None] if column else kernel[:, None]
    step = 0.05 * float(np.abs(kernel).max() / 127)
    made = graph.tensor("made", (1, 1, 4, FILTERS), kind, scale)
    inputs = [rows, constant("kernel", kernel), constant("b", state["conv.bias"], "int32", step)]
    graph.operator("CONV_2D", inputs, [made], options=schema().Conv2DOptionsT())
    head = state["head.weight"]
    step = 0.05 * float(np.abs(head).max() / 127)
    y = graph.tensor("y", (1, OUTPUTS), kind, scale)
    inputs = [made, constant("head", head), constant("hb", state["head.bias"], "int32", step)]
    graph.operator("FULLY_CONNECTED", inputs, [y], options=schema().FullyConnectedOptionsT())
    return graph.pack([x], [y])


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("column", [False, True])
def test_a_conversion_is_its_state_dict(integer: bool, column: bool) -> None:
    assert audit(_file(_state(), integer, column), read(_state())) == []


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("embedding.weight", (7, 2), "(layer 'embedding'): the table differs in 1 of 36 values"),
        ("conv.weight", (1, 3, 2), "(layer 'conv'): the kernel differs in 1 of 60 values"),
        ("conv.bias", (3,), "(layer 'conv'): the bias differs in 1 of 5 values, most at [3]"),
        ("head.weight", (1, 2), "the kernel of FULLY_CONNECTED operator 2 (layer 'head') differs"),
    ],
)
def test_one_value_is_named(integer: bool, name: str, at: tuple[int, ...], words: str) -> None:
    bad = _state()
    bad[name][at] -= 0.25 * np.sign(bad[name][at])
    (found,) = audit(_file(bad, integer), read(_state()))
    assert words in found.message


def test_a_kernel_of_reversed_time_is_another() -> None:
    bad = _state()
    bad["conv.weight"] = bad["conv.weight"][:, :, ::-1].copy()
    (found,) = audit(_file(bad), read(_state()))
    assert found.layer == "conv"


def test_a_convolution_that_is_not_in_the_file_is_said() -> None:
    state = {**_state(), "more.weight": np.ones((2, 3, 7), np.float32)}
    (found,) = audit(_file(_state()), read(state))
    assert found.kind == "uncompared"
    assert "Conv1d 'more'" in found.message


def test_layers_that_scale_leave_convolutions_alone() -> None:
    state = {**_state(), "norm.running_mean": np.zeros(FILTERS, np.float32)}
    found = audit(_file(_state(3)), read(state))
    assert {one.kind for one in found if one.layer == "conv"} == {"uncompared"}
