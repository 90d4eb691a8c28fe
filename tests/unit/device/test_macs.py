"""Every formula of multiply-accumulates gives what a count by hand gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest

from harness.device.macs import Macs, count_macs
from harness.flatbuffer.structure import Structure

Shape = Sequence[int]


def _one(name: str, inputs: Sequence[Shape | None], output: Shape, **options: Any) -> Macs:
    """The MACs of a graph of one operator."""
    shapes = [shape for shape in inputs if shape is not None] + [output]
    indices = iter(range(len(shapes)))
    operator = {
        "name": name,
        "inputs": [-1 if shape is None else next(indices) for shape in inputs],
        "outputs": [len(shapes) - 1],
        "intermediates": [],
        "options": options,
    }
    graph = {"tensors": [{"shape": list(shape)} for shape in shapes], "operators": [operator]}
    return count_macs(Structure({"subgraphs": [graph]}), b"")


def _by_hand_conv(output: Shape, patch: Shape, channels: int) -> int:
    """Walk the loops of a convolution and count its innermost line."""
    count = 0
    for _ in product(*(range(size) for size in (*output, *patch, channels))):
        count += 1
    return count


@pytest.mark.parametrize(
    ("name", "inputs", "output", "options", "expected"),
    [
        # 3 rows, each of 10 outputs a dot product of 7.
        ("FULLY_CONNECTED", [(3, 7), (10, 7), (10,)], (3, 10), {}, 3 * 10 * 7),
        # keep_num_dims: 2 × 5 rows.
        ("FULLY_CONNECTED", [(2, 5, 7), (4, 7), None], (2, 5, 4), {}, 2 * 5 * 4 * 7),
        ("CONV_2D", [(1, 9, 9, 3), (8, 3, 2, 3)], (1, 4, 5, 8), {},
         _by_hand_conv((1, 4, 5, 8), (3, 2), 3)),
        # Two groups: the filter has half of the input's channels.
        ("CONV_2D", [(1, 4, 4, 6), (8, 1, 1, 3)], (1, 4, 4, 8), {}, 16 * 8 * 3),
        ("DEPTHWISE_CONV_2D", [(1, 9, 9, 3), (1, 3, 2, 6)], (1, 4, 5, 6), {},
         _by_hand_conv((1, 4, 5, 6), (3, 2), 1)),
        # Each of 2 × 3 inputs of 4 channels reaches a patch of 3 × 3 in 5 channels.
        ("TRANSPOSE_CONV", [(4,), (5, 3, 3, 4), (1, 2, 3, 4)], (1, 4, 6, 5), {},
         6 * 4 * 9 * 5),
        ("BATCH_MATMUL", [(6, 2, 7), (6, 7, 5)], (6, 2, 5), {}, 6 * 2 * 5 * 7),
        ("BATCH_MATMUL", [(6, 7, 2), (6, 7, 5)], (6, 2, 5), {"adjX": True}, 6 * 2 * 5 * 7),
        ("SVDF", [(2, 10), (8, 10), (8, 4)], (2, 4), {}, 2 * (8 * 10 + 8 * 4)),
        ("ADD", [(3, 7), (3, 7)], (3, 7), {}, 0),
        ("MUL", [(3, 7), (3, 7)], (3, 7), {}, 0),
        ("SOFTMAX", [(3, 7)], (3, 7), {}, 0),
    ],
)  # fmt: skip
def test_a_formula_is_the_count_by_hand(
    name: str, inputs: list[Shape], output: Shape, options: dict[str, Any], expected: int
) -> None:
    found = _one(name, inputs, output, **options)
    assert found.total == expected
    assert [(entry.name, entry.count, entry.macs) for entry in found.by_operator] == [
        (name, 1, expected)
    ]


def _lstm(batch: int = 2, steps: int = 5, features: int = 3, units: int = 4, **more: Any) -> Macs:
    outputs = more.get("projection", units)
    gates = [None if more.get("cifg") and k == 0 else 1 for k in range(4)]
    peepholes = more.get("peepholes", 0)
    inputs: list[Shape | None] = [(batch, steps, features)]
    inputs += [gate and (units, features) for gate in gates]  # type: ignore[misc]
    inputs += [gate and (units, outputs) for gate in gates]  # type: ignore[misc]
    inputs += [(units,) if k < peepholes else None for k in range(3)]
    inputs += [(units,)] * 4
    inputs += [(outputs, units) if "projection" in more else None, None]
    inputs += [(batch, outputs), (batch, units)]
    return _one("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, (batch, steps, outputs))


def test_an_lstm_by_hand() -> None:
    """Ten steps in all; a gate's row reads three features and the outputs before."""
    assert _lstm().total == 10 * 4 * 4 * (3 + 4)
    assert _lstm(cifg=True).total == 10 * 3 * 4 * (3 + 4)
    assert _lstm(peepholes=3).total == 10 * (4 * 4 * (3 + 4) + 3 * 4)
    assert _lstm(projection=2).total == 10 * (4 * 4 * (3 + 2) + 2 * 4)


def test_every_multiplication_of_the_reference_is_counted() -> None:
    """The same figure from NumPy's own operation: the shapes it is asked to multiply."""
    rng = np.random.default_rng(3)
    counted = 0

    def multiply(a: Any, b: Any) -> Any:
        nonlocal counted
        counted += prod(a.shape) * b.shape[-1]
        return a @ b

    x, hidden = rng.normal(size=(2, 5, 3)), np.zeros((2, 4))
    kernel, recurrent = rng.normal(size=(3, 16)), rng.normal(size=(4, 16))
    for step in range(5):
        gates = multiply(x[:, step], kernel) + multiply(hidden, recurrent)
        hidden = np.tanh(gates[:, :4])
    assert _lstm().total == counted


def test_an_unknown_operator_leaves_no_sum() -> None:
    found = _one("CONV_3D", [(1, 4, 4, 4, 2)], (1, 4, 4, 4, 2))
    assert found.total is None
    assert "CONV_3D" in found.problem
    assert _one("a custom operator", [(3,)], (3,)).total is None
