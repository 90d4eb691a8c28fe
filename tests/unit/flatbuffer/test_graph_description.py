"""Graphs as plain data: what is described is what was built."""

from __future__ import annotations

import numpy as np
import pytest

from harness.flatbuffer.graph_description import build, describe
from reference.operators.description import Graph, Operator, Tensor, scales_along


def _convolution(**options: object) -> Graph:
    weights = np.arange(24, dtype=np.int8).reshape(3, 2, 2, 2)
    return Graph(
        (
            Tensor("x", "int8", (1, 4, 4, 2), (0.5,), (3,)),
            Tensor("w", "int8", (3, 2, 2, 2), (0.5, 0.25, 1.0), (0, 0, 0), 0, weights),
            Tensor("y", "int8", (1, 3, 3, 3), (0.5,), (-7,)),
        ),
        (Operator("CONV_2D", 3, (0, 1, -1), (2,), {"padding": "VALID", **options}),),
        (0,),
        (2,),
    )


def test_a_graph_comes_back_as_it_was_built() -> None:
    graph = _convolution(stride_w=2, stride_h=1, fused_activation_function="RELU6")

    (found,) = describe(build(graph)).graphs

    for made, read in zip(graph.tensors, found.tensors, strict=True):
        assert (read.name, read.dtype, read.shape) == (made.name, made.dtype, made.shape)
        assert (read.scale, read.zero_point, read.axis) == (made.scale, made.zero_point, made.axis)
    weights, made_of = found.tensors[1].data, graph.tensors[1].data
    assert weights is not None
    assert made_of is not None
    np.testing.assert_array_equal(weights, made_of)
    (operator,) = found.operators
    assert (operator.name, operator.version, operator.inputs) == ("CONV_2D", 3, (0, 1, -1))
    options = operator.options
    assert (options["padding"], options["fused_activation_function"]) == ("VALID", "RELU6")
    assert (options["stride_w"], options["stride_h"]) == (2, 1)


def test_an_option_that_the_schema_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="CONV_2D has no option strides"):
        build(_convolution(strides=2))


def test_scales_broadcast_along_their_axis() -> None:
    tensor = _convolution().tensors[1]

    assert scales_along(tensor, 4).shape == (3, 1, 1, 1)
    assert scales_along(_convolution().tensors[0], 4).shape == ()
