"""The arena that CMSIS-NN needs beyond the reference kernel, as measured on emulated boards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.device.cmsis_arena import cmsis_nn_extra
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from reference.lstm.weights import Gates
from tests.support.lcg_lstms import recorded
from tests.support.reference_models import float_weights


def shaped(name: str, units: int, features: int) -> Any:
    model, _ = recorded(name)
    wide = np.int64 if model.activation_dtype == "int16" else np.int32
    return replace(
        model,
        input_kernel=Gates(*[np.ones((units, features), np.int8)] * 4),
        recurrent_kernel=Gates(*[np.ones((units, units), np.int8)] * 4),
        bias=Gates(*[np.ones(units, wide)] * 4),
        time_major=False,
    )


@pytest.mark.parametrize(
    ("name", "units", "features", "steps", "reference", "measured"),
    [
        ("A", 16, 4, 10, 1652, 2356),
        ("A", 64, 8, 20, 3412, 5556),
        ("A", 128, 8, 5, 3364, 7428),
        ("C", 64, 8, 20, 4916, 9108),
        ("C", 128, 8, 5, 4164, 12324),
    ],
)
def test_the_formula_gives_what_was_measured(
    name: str, units: int, features: int, steps: int, reference: int, measured: int
) -> None:
    content = build(OperatorLstm(shaped(name, units, features), steps)).content
    assert cmsis_nn_extra(content) == measured - reference


def test_a_larger_batch_saves_more_scratch_memory() -> None:
    model = shaped("A", 16, 4)
    one, three = (cmsis_nn_extra(build(OperatorLstm(model, 10, b)).content) for b in (1, 3))
    assert one is not None
    assert three == one - 2 * 32


def test_a_float_lstm_needs_no_more() -> None:
    assert cmsis_nn_extra(build(OperatorLstm(float_weights(0), 3)).content) is None
