"""Operators with arithmetic give what the runtimes gave, as on record (tests/support)."""

from __future__ import annotations

import numpy as np
import pytest

from harness.operators.operator_fuzz import FAMILIES, KINDS
from harness.operators.single_operator import call_of, differing
from reference.operators.kernel import Answer, NoOracle
from reference.operators.profiles import (
    LITERT,
    LITERT_ARM64,
    PROFILES,
    OperatorProfile,
    with_factor,
)
from reference.operators.table import compute
from tests.support.arithmetic_records import FILE
from tests.support.operator_records import ON, Record, read

#: Factors of these operators, and two runtimes that part in it.
FACTORS = {
    "delegate": ("tflite", "tflite-no-xnnpack"),
    "scale_product": ("tflite-reference", "tflm"),
    "matrix_rescaling": ("tflite-no-xnnpack", "tflite-reference"),
    "batch_rescaling": ("tflite-no-xnnpack", "tflm"),
    "int16_without_bias": ("tflite", "tflm"),
    "int16_rescaling": ("tflite", "litert"),
    "product_scale": ("tflite-reference", "tflm"),
    "int16_powers": ("tflite", "tflm"),
    "int32_activation": ("tflite", "tflm"),
    "image_mean": ("tflite-no-xnnpack", "tflite-reference"),
    "sum_rescaling": ("tflite", "tflm"),
    "sum_int16": ("tflite", "tflm"),
    "sum_codes": ("tflite", "tflite-reference"),
    "square_root": ("tflite", "litert"),
    "hybrid": ("tflite", "litert"),
    "same_padding": ("tflite", "litert"),
}


def _answers(record: Record, profile: OperatorProfile) -> list[Answer]:
    inputs = record.graph.inputs
    found = []
    for n in range(len(record.samples[0])):
        values = {k: s[n] for k, s in zip(inputs, record.samples, strict=True)}
        found.append(compute(call_of(record.graph, 0, values), profile))
    return found


@pytest.mark.parametrize("record", read(FILE), ids=lambda record: record.name)
def test_an_operator_gives_what_the_runtimes_gave(record: Record) -> None:
    assert record.outputs
    for runtime, outputs in record.outputs.items():
        for n, answer in enumerate(_answers(record, PROFILES[runtime])):
            (want,), (allowed,), got = answer.values, answer.allowed, outputs[0][n]
            assert want.shape == got.shape
            assert allowed is None or (allowed.shape == want.shape and (allowed >= 0).all())
            wrong = differing(got, want, allowed)
            assert not wrong.any(), f"{runtime}, sample {n}: {got}, not {want}"
            if allowed is None:
                assert want.dtype == got.dtype


def test_every_family_is_on_record_on_every_runtime() -> None:
    assert {runtime for record in read(FILE) for runtime in record.outputs} == set(ON)
    names = {record.name.rsplit(" ", 1)[0] for record in read(FILE)}
    assert names == {f"{family} {kind}" for family in FAMILIES for kind in KINDS[family]}


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_changes_an_answer(factor: str) -> None:
    base, other = (PROFILES[name] for name in FACTORS[factor])
    assert getattr(base, factor) != getattr(other, factor)
    changed = with_factor(base, factor, other)
    assert any(
        not np.array_equal(a.values[0], b.values[0])
        or (a.allowed[0] is None) != (b.allowed[0] is None)
        for record in read(FILE)
        if FACTORS[factor][0] in record.outputs
        for a, b in zip(_answers(record, base), _answers(record, changed), strict=True)
    )


@pytest.mark.parametrize(
    ("factor", "name"), [("delegated_product", "MUL"), ("matrix_rescaling", "FULLY_CONNECTED")]
)
def test_arm64_parts_from_x86_in_a_named_factor(factor: str, name: str) -> None:
    changed = with_factor(LITERT, factor, LITERT_ARM64)
    parted = {
        record.graph.operators[0].name
        for record in read(FILE)
        if "litert" in record.outputs
        for a, b in zip(_answers(record, LITERT), _answers(record, changed), strict=True)
        if not np.array_equal(a.values[0], b.values[0])
    }
    assert parted == {name}


@pytest.mark.parametrize(
    "name",
    ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "AVERAGE_POOL_2D", "MEAN"],
)
def test_the_budget_of_floats_is_used(name: str) -> None:
    """A budget that no runtime comes near to catches nothing."""
    most = 0.0
    for record in read(FILE):
        if record.graph.operators[0].name != name or "float32" not in record.name:
            continue
        for runtime, outputs in record.outputs.items():
            for n, answer in enumerate(_answers(record, PROFILES[runtime])):
                (want,), (allowed,) = answer.values, answer.allowed
                assert allowed is not None
                error = np.abs(outputs[0][n].astype(np.float64) - want)
                most = max(most, float((error / np.maximum(allowed, 1e-300)).max()))
    assert 0.01 < most <= 1


def test_a_code_beside_the_answer_is_seen() -> None:
    for record in read(FILE):
        profile = PROFILES[next(iter(record.outputs))]
        answer = _answers(record, profile)[0]
        (want,), (allowed,) = answer.values, answer.allowed
        if allowed is None and want.dtype.kind == "i":
            assert differing(want + 1, want, allowed).all()


def test_what_is_not_known_is_refused() -> None:
    record = next(one for one in read(FILE) if one.name.startswith("FULLY_CONNECTED int8"))
    call = call_of(record.graph, 0, {0: record.samples[0][0]})
    for options in (
        {"weights_format": "SHUFFLED4x16INT8"},
        {"fused_activation_function": "TANH"},
    ):
        changed = type(call)(
            call.name, call.version, options, call.inputs, call.values, call.outputs
        )
        with pytest.raises(NoOracle):
            compute(changed, PROFILES["tflm"])
