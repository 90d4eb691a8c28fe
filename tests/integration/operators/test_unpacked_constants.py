"""Real runtimes: what XNNPACK unpacks of constants is no false alarm, and hides nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.runtimes import RUNTIMES
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.operator_extraction import exposing
from harness.operators.held_model import HeldModel
from harness.operators.whole_model import WholeModels
from harness.session.session import Session
from harness.workers import limits
from tests.support.unpacked_weights import layer, samples

DELEGATING = ("tflite", "litert")
CASES = [
    (name, dtype)
    for name in RUNTIMES
    if RUNTIMES[name].native
    for dtype in ("float16", "int8")
    if (name, dtype) != ("tflm", "float16")  # which has no such DEQUANTIZE
]


def _held(session: Session, name: str, content: bytes, other: bytes) -> HeldModel:
    """The file on a runtime that is given another one instead."""
    inner, x = session.operators, samples()

    class Otherwise:
        def run(self, runtime: Any, given: bytes, *args: Any, **how: Any) -> Any:
            outputs = describe(given).graphs[0].outputs
            return inner.run(runtime, exposing(other, outputs), *args, **how)

    runtimes: Any = Otherwise()
    own = inner.run(RUNTIMES[name], other, [x])
    assert own.result is None, own.result
    return WholeModels(runtimes).hold(content, [x], RUNTIMES[name], own.outputs, limits.INVOKE)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_a_layer_behind_unpacked_weights_is_proven(session: Session, name: str, dtype: str) -> None:
    content = layer(dtype)
    found = _held(session, name, content, content)
    assert found.proven, found.document()
    assert len(found.operators) == (2 if name in DELEGATING else 4)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_one_wrong_weight_is_found(session: Session, name: str, dtype: str) -> None:
    found = _held(session, name, layer(dtype), layer(dtype, weight=0.51))
    assert found.first is not None
    assert found.first.name == ("FULLY_CONNECTED" if name in DELEGATING else "DEQUANTIZE")


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_another_operator_behind_is_found(session: Session, name: str, dtype: str) -> None:
    found = _held(session, name, layer(dtype), layer(dtype, activation="RELU"))
    assert found.first is not None
    assert found.first.name == "ADD"
