"""The tensor that is rounded most coarsely costs most, and what is not rounded costs nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference.operators.cost import Cost, costs
from reference.operators.description import Graph, Model, Operator, Tensor, scales_along
from reference.operators.kernel import NoOracle


def int8(name: str, shape: tuple[int, ...], scale: float, zero: int = 0) -> Tensor:
    return Tensor(name, "int8", shape, (float(np.float32(scale)),), (zero,))


def two_layers(first: float = 0.02, second: float = 0.02) -> Model:
    """x · 1 = y, a reversal, y · 1 = z, each in steps of its own."""
    identity = replace(int8("w", (3, 3), 1.0), data=np.eye(3, dtype=np.int8))
    tensors = (
        int8("x", (1, 3), 0.02),
        identity,
        int8("y", (1, 3), first),
        Tensor("axis", "int32", (1,), data=np.array([1], np.int32)),
        int8("back", (1, 3), first),
        int8("z", (1, 3), second),
    )
    operators = (
        Operator("FULLY_CONNECTED", 1, (0, 1, -1), (2,)),
        Operator("REVERSE_V2", 1, (2, 3), (4,)),
        Operator("FULLY_CONNECTED", 1, (4, 1, -1), (5,)),
    )
    return Model((Graph(tensors, operators, (0,), (5,)),))


def measured(model: Model, most: float = 1.0) -> dict[str, Cost]:
    x = np.random.default_rng(0).uniform(-most, most, (64, 1, 3))
    return {cost.tensor: cost for cost in costs(model, [x]).tensors}


def test_a_coarser_tensor_costs_as_its_step_squared() -> None:
    found = measured(two_layers(first=0.08))
    assert set(found) == {"x", "y", "z"}  # the reversal rounds nothing anew
    assert next(iter(found)) == "y"
    ratio = found["y"].mean_square / found["z"].mean_square
    assert ratio == pytest.approx(16, rel=0.35)
    assert sum(cost.share for cost in found.values()) == pytest.approx(1)
    # A uniform error of a step: its square is a twelfth of the step's.
    of_size = np.square(0.02) / 12 / (1 / 3)
    assert found["z"].mean_square == pytest.approx(of_size, rel=0.35)


def test_all_tensors_together_cost_about_the_sum() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (64, 1, 3))
    found = costs(two_layers(0.05, 0.03), [x])
    assert found.together == pytest.approx(sum(c.mean_square for c in found.tensors), rel=0.35)
    np.testing.assert_allclose(found.outputs[0], x[:, :, ::-1], rtol=1e-6)


def test_a_bias_with_the_axis_of_its_kernel_is_read_along_its_own() -> None:
    """As files of 2019 have it."""
    values = np.array([1, 2], np.int32)
    bias = Tensor("b", "int32", (2,), (0.5, 0.25), (0, 0), 3, values)
    np.testing.assert_array_equal(scales_along(bias, 1) * values, [0.5, 0.5])


def test_a_range_that_is_left_is_said() -> None:
    found = measured(two_layers(first=0.002))
    assert found["y"].saturated == pytest.approx(0.74, abs=0.08)
    assert found["z"].saturated == 0
    assert next(iter(found)) == "y"


def test_a_model_without_quantised_tensors_costs_nothing() -> None:
    (graph,) = two_layers().graphs
    plain = tuple(
        replace(
            t,
            dtype="float32",
            scale=(),
            zero_point=(),
            data=None if t.data is None else t.data.astype(np.float32),
        )
        if t.scale
        else t
        for t in graph.tensors
    )
    found = costs(Model((replace(graph, tensors=plain),)), [np.ones((2, 1, 3))])
    assert found.tensors == ()
    assert found.together == 0


def test_an_operator_without_a_float_oracle_is_said() -> None:
    (graph,) = two_layers().graphs
    first, *others = graph.operators
    model = Model((replace(graph, operators=(replace(first, name="SVDF"), *others)),))
    with pytest.raises(NoOracle, match="SVDF"):
        costs(model, [np.ones((2, 1, 3))])
