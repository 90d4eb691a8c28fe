"""FULLY_CONNECTED of int16 without a bias: recorded answers of every runtime, and why they part."""

from __future__ import annotations

import numpy as np
import pytest

from reference.operators.description import Tensor
from reference.operators.kernel import Call
from reference.operators.profiles import LITERT, PROFILES, with_factor
from reference.operators.table import compute

# The recurrent product of an unrolled LSTM (`unroll`, recipe int16x8, unit 79) at its second step.
X = [
    *(-1108, 8630, -12264, -18628, -10241, 6845, -4337, 15073, 13107, 2981),
    *(-13337, -8921, -4797, -9495, -10488, -21598, 13103, 6587, 11118, -7054),
]
WEIGHTS = [[45, -95, -55, -19, 22, 16, -9, 3, 60, -15, 55, -14, 42, -39, -7, -43, -51, -81, -4, 30]]
SCALES = 1.2025730939058121e-05, 0.0037463761400431395, 1.5905632608337328e-05


def call(declared: str | None) -> Call:
    x = Tensor("x", "int16", (1, 20), SCALES[:1], (0,))
    weights = Tensor("weights", "int8", (1, 20), SCALES[1:2], (0,))
    y = Tensor("y", "int16", (1, 1), SCALES[2:], (0,))
    values = (np.array([X], np.int16), np.array(WEIGHTS, np.int8), None)
    options = {} if declared is None else {"quantized_bias_type": declared}
    return Call("FULLY_CONNECTED", 7, options, (x, weights, None), values, (y,), ())


@pytest.mark.parametrize(
    ("runtime", "declared", "recorded"),
    [
        ("tflite", None, -75),
        ("tflite", "INT64", -75),  # 2.15.1 looks at the bias alone
        ("tflite-no-xnnpack", "INT64", -75),
        ("tflite-reference", None, -76),
        ("tflite-reference", "INT64", -76),
        ("litert", None, -75),
        ("litert", "FLOAT32", -75),  # the schema's default
        ("litert", "INT64", -76),
        ("tflm", None, -76),
        ("tflm", "INT64", -76),
    ],
)
def test_an_undeclared_bias_leaves_litert_32_bits(
    runtime: str, declared: str | None, recorded: int
) -> None:
    assert compute(call(declared), PROFILES[runtime]).values[0].tolist() == [[recorded]]


def test_what_the_option_decides_is_a_factor() -> None:
    asked_for_the_bias_alone = with_factor(LITERT, "int16_without_bias", PROFILES["tflite"])
    assert compute(call("INT64"), asked_for_the_bias_alone).values[0].tolist() == [[-75]]
    assert compute(call("INT64"), LITERT).values[0].tolist() == [[-76]]
