"""TFLite Micro's own profile predicts what its wheel gives, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.kernels.answers import Predictor, Unpredictable
from harness.session.session import Session
from reference.lstm.device_profiles import KERNELS, kernels_named
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from tests.support.lcg_lstms import recorded

REFERENCE, CMSIS = kernels_named(["tflm-reference", "cmsis-nn"])
STEPS, SAMPLES = 7, 5


def predictor(session: Session, model: IntegerLstm, steps: int = STEPS) -> Predictor:
    """Five drawn samples for a model of one LSTM operator."""
    batch = 2
    content = build(OperatorLstm(model, steps, batch)).content
    info = np.iinfo(model.activation_dtype)
    shape = (steps, batch) if model.time_major else (batch, steps)
    x = np.random.default_rng(1).integers(info.min, info.max, (SAMPLES, *shape, model.features))
    return Predictor(content, [x.astype(info.dtype)], session.operators)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "changes",
    [("A", {}), ("B", {}), ("C", {}), ("A", {"activation": "none"}), ("A", {"cell_clip": 1e-6})],
    ids=lambda pair: f"{pair[0]} {pair[1]}",
)
def test_the_wheels_profile_predicts_the_wheel(
    session: Session, changes: tuple[str, dict[str, Any]], streamed: bool
) -> None:
    model, _ = recorded(changes[0], **changes[1])
    made = predictor(session, model)
    (want,) = made.host(streamed)
    (got,) = made.answer(REFERENCE, streamed).outputs
    assert np.array_equal(got, want)


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_cleared_state_cannot_tell_streamed_from_whole_and_carried_can(
    session: Session, name: str
) -> None:
    model, _ = recorded(name)
    made = predictor(session, model)
    whole, streamed = (made.answer(CMSIS, streamed) for streamed in (False, True))
    assert np.array_equal(whole.outputs[0], streamed.outputs[0])
    carried = made.answer(KERNELS["cmsis-nn-carried"], True)
    assert (carried.outputs[0] != streamed.outputs[0]).any()
    assert np.array_equal(carried.outputs[0][0], streamed.outputs[0][0])
    alone = lstm_integer(model, made.samples[0][3], KERNELS["cmsis-nn"].profile_of(model))  # type: ignore[arg-type]
    assert np.array_equal(whole.outputs[0][3], alone.outputs)


def test_what_is_not_known_is_not_predicted(session: Session) -> None:
    made = predictor(session, recorded("A")[0])
    with pytest.raises(Unpredictable, match="the kernels of hifi are not known: read only"):
        made.answer(KERNELS["hifi"])
    with pytest.raises(Unpredictable, match="reads past its biases"):
        predictor(session, recorded("B")[0]).answer(KERNELS["cmsis-nn-2023"])
