"""Every operator's oracle gives what the runtimes gave, as on record (tests/support)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.operators.single_operator import call_of, differing
from reference.operators.kernel import Answer
from reference.operators.profiles import PROFILES, OperatorProfile, with_factor
from reference.operators.table import compute
from tests.support.operator_records import ON, Record, read

#: Factors of these operators, and a runtime whose value another runtime does not have.
FACTORS = {
    "quantize_int8": ("tflite", "tflite-no-xnnpack"),
    "quantize_int16": ("tflite", "tflm"),
    "requantize_int8": ("tflite", "tflite-no-xnnpack"),
    "dequantize": ("tflite", "tflite-no-xnnpack"),
    "relu6": ("tflite", "tflm"),
    "leaky_relu_int8": ("tflite", "tflite-no-xnnpack"),
    "elu_int8": ("tflite", "litert"),
    "sigmoid_int16": ("tflite", "tflite-reference"),
    "exp_float": ("tflite", "litert"),
    "hard_swish_float": ("tflite", "tflite-no-xnnpack"),
}


def _answers(record: Record, profile: OperatorProfile) -> list[Answer]:
    inputs = record.graph.inputs
    return [
        compute(
            call_of(
                record.graph, 0, {k: s[n] for k, s in zip(inputs, record.samples, strict=True)}
            ),
            profile,
        )
        for n in range(len(record.samples[0]))
    ]


@pytest.mark.parametrize("record", read(), ids=lambda record: record.name)
def test_an_operator_gives_what_the_runtimes_gave(record: Record) -> None:
    for runtime, outputs in record.outputs.items():
        for n, answer in enumerate(_answers(record, PROFILES[runtime])):
            assert len(answer.values) == len(outputs) == len(answer.allowed)
            for k, (want, allowed) in enumerate(zip(answer.values, answer.allowed, strict=True)):
                got = outputs[k][n]
                wrong = differing(got.reshape(want.shape), want, allowed)
                assert not wrong.any(), f"{runtime}, sample {n}, output {k}: {got}, not {want}"
                if allowed is None:
                    assert want.dtype == got.dtype


def test_every_family_is_on_record_on_every_runtime_that_has_it() -> None:
    assert {runtime for record in read() for runtime in record.outputs} == set(ON)
    assert len({record.graph.operators[0].name for record in read()}) >= 40


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_changes_an_answer(factor: str) -> None:
    base, other = (PROFILES[name] for name in FACTORS[factor])
    assert getattr(base, factor) != getattr(other, factor)
    changed = with_factor(base, factor, other)
    records = [record for record in read() if FACTORS[factor][0] in record.outputs]
    assert any(
        not _alike(a, b)
        for record in records
        for a, b in zip(_answers(record, base), _answers(record, changed), strict=True)
    )


def _alike(a: Answer, b: Answer) -> bool:
    pairs: list[tuple[Any, Any]] = list(
        zip(a.values + a.allowed, b.values + b.allowed, strict=True)
    )
    return all(x is y or np.array_equal(x, y) for x, y in pairs)
