"""Make small random models for the oracle's tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.weights import Gates, LstmWeights


def float_weights(
    seed: int,
    units: int = 5,
    features: int = 3,
    cifg: bool = False,
    peephole: bool = False,
    outputs: int | None = None,
    layer_norm: bool = False,
    scale: float = 1.0,
) -> LstmWeights:
    """Normal weights; outputs asks for a projection with a bias."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[Any]:
        return (scale * rng.normal(0, 0.5, shape)).astype(np.float32)

    def gates(*shape: int, cell: bool = True) -> Gates:
        return Gates(
            None if cifg else draw(*shape),
            draw(*shape),
            draw(*shape) if cell else None,
            draw(*shape),
        )

    projected = outputs is not None
    return LstmWeights(
        gates(units, features),
        gates(units, outputs or units),
        gates(units),
        gates(units, cell=False) if peephole else None,
        draw(outputs, units) if outputs is not None else None,
        draw(outputs) if outputs is not None and projected else None,
        gates(units) if layer_norm else None,
    )


def integer_model(seed: int, units: int = 6, features: int = 4, **changes: Any) -> IntegerLstm:
    """An int8 model whose gates and cell state use most of their range."""
    rng = np.random.default_rng(seed)

    def kernel(columns: int) -> Gates:
        return Gates(*rng.integers(-127, 128, (4, units, columns)).astype(np.int8))

    values: dict[str, Any] = {
        "input_kernel": kernel(features),
        "recurrent_kernel": kernel(units),
        "bias": Gates(*rng.integers(-9000, 9000, (4, units)).astype(np.int32)),
        "input_scale": 0.02,
        "input_zero_point": 5,
        "input_kernel_scale": GateScales(0.008, 0.009, 0.01, 0.011),
        "recurrent_kernel_scale": GateScales(0.012, 0.013, 0.014, 0.015),
        "output_state_scale": 0.0078,
        "output_state_zero_point": -3,
        "hidden_scale": 0.0078,
        "hidden_zero_point": -3,
        "cell_scale": 2.0**-12,
    }
    return IntegerLstm(**{**values, **changes})


def integer_input(seed: int, model: IntegerLstm, batch: int = 4, time: int = 9) -> NDArray[Any]:
    info = np.iinfo(model.activation_dtype)
    shape = (time, batch) if model.time_major else (batch, time)
    values = np.random.default_rng(seed).integers(info.min, info.max + 1, (*shape, model.features))
    return values.astype(model.activation_dtype)
