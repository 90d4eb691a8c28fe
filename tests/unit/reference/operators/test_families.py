"""Oracles answer in the shapes and types of their graphs, for models of every family."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from harness.operators import activation_fuzz, movement_fuzz
from harness.operators.single_operator import call_of
from reference.operators.kernel import NoOracle
from reference.operators.profiles import PROFILES
from reference.operators.table import KERNELS, compute
from tests.support.operator_records import examples

MADE = {**activation_fuzz.FAMILIES, **movement_fuzz.FAMILIES}
KINDS = {**activation_fuzz.KINDS, **movement_fuzz.KINDS}
REFUSED = activation_fuzz.REFUSED | movement_fuzz.REFUSED


@pytest.mark.parametrize("family", MADE)
def test_an_answer_has_the_shape_and_type_of_its_output(family: str) -> None:
    for kind in KINDS[family]:
        for graph, samples in islice(examples(MADE[family], kind, family), 4):
            inputs = {k: sample[0] for k, sample in zip(graph.inputs, samples, strict=True)}
            for runtime, profile in PROFILES.items():
                try:
                    found = compute(call_of(graph, 0, inputs), profile)
                except NoOracle as missing:
                    raise AssertionError(f"{family} {kind} on {runtime}: {missing}") from missing
                outputs = [graph.tensors[k] for k in graph.outputs]
                assert len(found.values) == len(outputs)
                for value, allowed, tensor in zip(
                    found.values, found.allowed, outputs, strict=True
                ):
                    assert value.shape == tensor.shape
                    assert value.dtype == (tensor.dtype if allowed is None else np.float64)
                    assert allowed is None or allowed.shape == value.shape


def test_the_table_has_every_family_and_refusals_name_families_types_and_runtimes() -> None:
    assert {family.partition(" ")[0] for family in MADE} <= set(KERNELS)
    for family, kind, runtime in REFUSED:
        assert kind in KINDS[family]
        assert runtime in PROFILES
