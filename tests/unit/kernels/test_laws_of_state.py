"""The laws of state find out which kernels carry their state, and hold for the others' resets."""

from __future__ import annotations

import numpy as np
import pytest

from harness.kernels.laws_of_state import ProfileModel, laws_of_state
from harness.laws.scripted_models import Allocate, Feed, Fresh, Reset
from reference.lstm.device_profiles import CMSIS_NN, CMSIS_NN_CARRIED
from reference.lstm.profiles import TFLM
from tests.support.lcg_lstms import recorded


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_cleared_state_breaks_streaming_by_the_smallest_example(name: str) -> None:
    model, _ = recorded(name)
    found = laws_of_state(model, CMSIS_NN)
    assert '"chunks": [1, 1]' in found["streaming"]
    assert "without a reset is not the oracle's value" in found["carrying"]
    assert found["resetting"] == ""


@pytest.mark.parametrize("profile", [CMSIS_NN_CARRIED, TFLM], ids=lambda profile: profile.name)
def test_carried_state_breaks_no_law(profile: object) -> None:
    model, _ = recorded("B")
    assert set(laws_of_state(model, profile).values()) == {""}  # type: ignore[arg-type]


def test_a_script_plays_invokes_and_resets() -> None:
    model, _ = recorded("A")
    scripted = ProfileModel(model, TFLM)
    x = np.ones((1, 3, 3), np.float32)
    once, again, anew = scripted.run_script([Fresh(3), Feed(x), Feed(x), Reset(), Feed(x)]).outputs
    assert (once[0] != again[0]).any()
    assert np.array_equal(once[0], anew[0])
    real = scripted.real(once[0])
    assert np.allclose(real, (once[0].astype(float) - 3) / 128)
    ended = scripted.run_script([Fresh(3), Allocate()])
    assert ended.ended is not None
    assert ended.at == 1
