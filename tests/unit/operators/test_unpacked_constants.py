"""Constants that a delegate unpacks are not read; what is wrong with them shows behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.quantize_builder import dequantize_model
from harness.operators.held_model import HeldModel
from harness.operators.whole_model import WholeModels
from harness.workers import limits
from reference.arithmetic.affine import Affine
from reference.operators.delegation import unpacked
from reference.operators.profiles import PROFILES
from reference.operators.run import run
from tests.support.unpacked_weights import ADDEND, PRODUCT, SUM, WEIGHTS, layer, samples

Array = NDArray[Any]
DELEGATING = ("tflite", "litert")
OTHERS = ("tflite-reference", "tflite-no-xnnpack", "tflm")
TYPES = ("float16", "int8")


class Delegating:
    """Computes another file, if one is given, and writes DEQUANTIZE's outputs only where no
    delegate has them: elsewhere they hold whatever was in memory."""

    def __init__(self, other: bytes) -> None:
        self.other = other
        self.asked: set[int] = set()

    def run(
        self, runtime: Any, content: bytes, inputs: Sequence[Array], *args: Any, **how: Any
    ) -> OperatorRun:
        outputs = describe(content).graphs[0].outputs
        self.asked |= set(outputs)
        return OperatorRun(None, tuple(self.read(runtime.name, k, inputs) for k in outputs))

    def read(self, runtime: str, tensor: int, inputs: Sequence[Array]) -> Array:
        found = run(describe(self.other), inputs, PROFILES[runtime]).of(tensor, len(inputs[0]))
        assert found is not None
        unwritten = runtime in DELEGATING and tensor in (WEIGHTS, ADDEND)
        return np.full_like(found, -2.4e14) if unwritten else found


def held(runtime: str, content: bytes, other: bytes) -> tuple[HeldModel, set[int]]:
    """The file on a runtime that computes another one."""
    x, faulty = samples(), Delegating(other)
    runtimes: Any = faulty
    own = [faulty.read(runtime, SUM, [x])]
    found = WholeModels(runtimes).hold(content, [x], RUNTIMES[runtime], own, limits.INVOKE)
    return found, faulty.asked


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [
        (runtime, dtype)
        for runtime in (*DELEGATING, *OTHERS)
        for dtype in TYPES
        if (runtime, dtype) != ("tflm", "float16")  # which has no such DEQUANTIZE
    ],
)
def test_a_sound_runtime_is_proven_with_and_without_a_delegate(runtime: str, dtype: str) -> None:
    content = layer(dtype)
    found, asked = held(runtime, content, content)
    assert found.proven, found.document()
    inside = {PRODUCT, SUM} if runtime in DELEGATING else {WEIGHTS, ADDEND, PRODUCT, SUM}
    assert asked == inside  # where it is computed it is compared
    names = [one.name for one in found.operators]
    assert names == ["DEQUANTIZE"] * (len(inside) - 2) + ["FULLY_CONNECTED", "ADD"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        *((runtime, "FULLY_CONNECTED") for runtime in DELEGATING),
        ("tflite-reference", "DEQUANTIZE"),
    ],
)
def test_a_weight_that_is_unpacked_wrongly_is_found(runtime: str, name: str, dtype: str) -> None:
    """One weight of sixteen, by a hundredth: at the operator behind where it cannot be read."""
    found, _ = held(runtime, layer(dtype), layer(dtype, weight=0.51))
    assert not found.proven
    assert [one.name for one in found.wrong if one.position >= 0] == [name]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("runtime", DELEGATING)
def test_an_operator_behind_that_computes_otherwise_is_found(runtime: str, dtype: str) -> None:
    found, _ = held(runtime, layer(dtype), layer(dtype, activation="RELU"))
    assert [one.name for one in found.wrong if one.position >= 0] == ["ADD"]


def test_only_a_delegate_unpacks_and_only_constants() -> None:
    (graph,) = describe(layer("float16")).graphs
    for runtime, profile in PROFILES.items():
        expected = {0, 1} if runtime in DELEGATING else set()
        assert unpacked(graph, profile) == expected, runtime


def test_what_is_computed_from_an_input_is_read_under_a_delegate_as_well() -> None:
    (graph,) = describe(dequantize_model(4, Affine(0.01, 0, "int8"))).graphs
    assert unpacked(graph, PROFILES["tflite"]) == frozenset()
