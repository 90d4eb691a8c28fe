"""Constants that XNNPACK unpacks raise no false alarm on real runtimes, and hide nothing."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.runtimes import RUNTIMES
from harness.diagnosis.between_runtimes import part
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.operator_extraction import exposing
from harness.operators.agreement import agreement
from harness.operators.held_model import HeldModel
from harness.operators.whole_model import WholeModels
from harness.session.session import Session
from harness.workers import limits
from harness.workers.limits import Limits
from tests.support.small_models import structure
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


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_two_runtimes_do_not_part_at_what_is_not_written(
    session: Session, name: str, dtype: str
) -> None:
    content = layer(dtype)
    runtimes, x = session.operators, samples()
    found = part(content, structure(content), [x], RUNTIMES[name], runtimes, Limits())
    assert [row.operator for row in found.rows] == ["FULLY_CONNECTED", "ADD"]
    largest = max(row.error for row in found.rows)
    assert largest < 1e-5, found.text


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_two_runtimes_that_unpack_differently_part_behind_it(
    session: Session, name: str, dtype: str
) -> None:
    content, other, inner = layer(dtype), layer(dtype, weight=0.51), session.operators

    class Otherwise:
        """TFLite is given another weight."""

        def run(self, runtime: Any, given: bytes, *args: Any, **how: Any) -> Any:
            outputs = describe(given).graphs[0].outputs
            self.first = getattr(self, "first", True)
            run = exposing(other, outputs) if self.first else given
            self.first = False
            return inner.run(runtime, run, *args, **how)

    runtimes: Any = Otherwise()
    found = part(content, structure(content), [samples()], RUNTIMES[name], runtimes, Limits())
    assert found.first is not None
    assert found.first.operator == "FULLY_CONNECTED"


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_operators_behind_are_compared_at_the_true_weights(session: Session, dtype: str) -> None:
    """What a lone operator is given, on both runtimes, are the constants and no chance memory."""
    content, inner = layer(dtype), session.operators
    given: list[float] = []

    class Listening:
        def run(self, runtime: Any, model: bytes, inputs: Any, *args: Any, **how: Any) -> Any:
            given.extend(float(abs(array).max()) for array in inputs)
            return inner.run(runtime, model, inputs, *args, **how)

    runtimes: Any = Listening()
    x = [samples()]
    found = agreement(content, structure(content), x, RUNTIMES["litert"], runtimes, Limits())
    assert (found.problems, found.unknown, found.operators) == ((), (), 2)
    assert max(given) < 4.0  # no sum of four products of numbers up to 1 is larger
    assert min(given) > 0.0
