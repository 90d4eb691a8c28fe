"""Each remark on a device's kernels is made of the model that it is about, and of no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.kernels.answers import OperatorAnswer
from harness.kernels.remarks import remarks
from reference.lstm.device_profiles import KERNELS
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.kernel_limits import largest_recurrent_share
from reference.lstm.profiles import TFLM
from tests.support.lcg_lstms import recorded

STEPS = 8


def rules(model: IntegerLstm, name: str, x: Any = None) -> dict[str, str]:
    """The remarks on a model with drawn inputs, by their rules."""
    kernels = KERNELS[name]
    (found,) = lstm_operators(build(OperatorLstm(model, STEPS)).content)
    parameters = found.parameters
    assert isinstance(parameters, IntegerLstm)
    profile = kernels.profile_of(parameters)
    assert profile is not None
    if x is None:
        info = np.iinfo(model.activation_dtype)
        shape = (1, STEPS, model.features)
        x = np.random.default_rng(0).integers(info.min, info.max, shape).astype(info.dtype)
    outputs = lstm_integer(parameters, x, profile).outputs
    answer = OperatorAnswer(found, profile, x[np.newaxis], (), outputs[np.newaxis])
    told = remarks(answer, kernels, TFLM)
    assert all(finding.operator == found.position for finding in told)
    return {finding.rule: f"{finding.level}: {finding.message}" for finding in told}


def test_a_plain_model_gets_no_remark_on_any_kernels() -> None:
    model, _ = recorded("A", cell_scale=2.0**-12)
    wide, _ = recorded("C", cell_scale=2.0**-12)
    for name, kernels in KERNELS.items():
        if kernels.known:
            assert rules(model, name) == {}
            assert rules(wide, name) == {}


def test_a_recurrent_share_beyond_eight_is_told_with_its_size() -> None:
    model, _ = recorded("B", time_major=False)
    told = rules(model, "cmsis-nn")
    assert list(told) == ["kernel-recurrent-product"]
    assert "a gate reaches 19.5, beyond ±8" in told["kernel-recurrent-product"]
    assert rules(model, "tflm-reference") == {}


def test_a_clip_of_less_than_a_step_is_told() -> None:
    for clip, expected in ((1e-6, ["kernel-vanishing-clip"]), (2.0**-12, []), (0.0, [])):
        model, _ = recorded("A", cell_scale=2.0**-12, cell_clip=clip)
        assert list(rules(model, "cmsis-nn")) == expected
        assert rules(model, "tflm-reference") == {}


def test_another_activation_than_tanh_is_told() -> None:
    model, _ = recorded("A", activation="relu", cell_scale=2.0**-12)
    assert "relu becomes sigmoid" in rules(model, "cmsis-nn")["kernel-activation"]
    assert "relu becomes tanh" in rules(model, "cmsis-nn-2023")["kernel-activation"]
    assert rules(model, "esp-nn") == {}


@pytest.mark.parametrize(("log2", "told"), [(-12, ""), (-13, "1/2 of"), (-15, "1/8 of")])
def test_a_destroyed_cell_state_is_an_error(log2: int, told: str) -> None:
    model, _ = recorded("A", cell_scale=2.0**log2)
    found = rules(model, "cmsis-nn-2023")
    assert list(found) == (["kernel-cell-destroyed"] if told else [])
    assert told in found.get("kernel-cell-destroyed", "")
    assert found.get("kernel-cell-destroyed", "error").startswith("error")
    assert rules(model, "cmsis-nn") == {}


def test_inputs_too_small_for_helium_are_told_with_their_share() -> None:
    plain, _ = recorded("C", cell_scale=2.0**-12)
    biases = (np.asarray(bias) * 250_000 for bias in plain.bias)
    small, _ = recorded("C", cell_scale=2.0**-12, bias=type(plain.bias)(*biases), input_scale=1e-7)
    told = rules(small, "cmsis-nn-helium")
    assert list(told) == ["kernel-accumulator"]
    assert "% of the input accumulators do not fit" in told["kernel-accumulator"]
    assert rules(small, "cmsis-nn") == {}


def test_the_share_is_that_of_a_sum_by_hand() -> None:
    model, x = recorded("B", time_major=False)
    outputs = lstm_integer(model, x.swapaxes(0, 1), TFLM).outputs
    largest = max(
        abs(sum(int(kernel[unit, k]) * (int(row[k]) + 7) for k in range(6))) * 0.12 / 128
        for kernel in model.recurrent_kernel.present()
        for row in outputs.reshape(-1, 6)
        for unit in range(6)
    )
    assert largest_recurrent_share(model, outputs) == pytest.approx(largest, rel=1e-6)
