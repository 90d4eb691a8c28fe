"""Ranges and factors are told as far as they are known, and no further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison.compare import Allowed
from harness.diagnosis import causes
from harness.diagnosis.candidates import FACTORS
from harness.diagnosis.source_model import Source
from harness.diagnosis.trial import Answered, ranges_explain
from reference.arithmetic.affine import Affine, dequantise, quantise
from tests.support.networks import document, node
from tests.support.small_cases import case_of
from tests.support.small_models import FEATURES, STEPS, sampled
from tests.unit.diagnosis.test_trial import _input, _last, _named, _sequence, _stack

Array = NDArray[Any]
SHAPE = [STEPS, FEATURES]
DENSE = document(
    node("lead", "Dense", units=4),
    node("head", "Dense", "lead", units=3, activation="tanh"),
    x=SHAPE,
)


@pytest.mark.parametrize("scale", [0.001, 0.3], ids=["narrow", "wide"])
@pytest.mark.parametrize("tensor", ["x", "head"])
def test_a_range_that_does_not_fit_is_all_that_is_wrong_or_is_not(
    tensor: str, scale: float
) -> None:
    """It cuts off what is beyond it, or leaves a few values of what is within."""
    source = _last()
    affine = Affine(scale, 3, "int8")

    def stored(given: Source) -> Source:
        def change(values: Array) -> Array:
            return dequantise(quantise(values, affine), affine)

        if tensor == "x":
            return given.with_input("x", change(given.stimulus["x"]))
        return replace(given, after=lambda found: [change(found[0])])

    allowed = [Allowed(0.01)]
    answered = Answered(stored(source).answers(), allowed, "int8")
    assert ranges_explain(source, answered, {tensor: affine})
    assert not ranges_explain(source, answered, {})
    turned = source.with_input("x", source.stimulus["x"][:, :, ::-1])
    other = Answered(stored(turned).answers(), allowed, "int8")
    assert not ranges_explain(source, other, {tensor: affine})


@pytest.mark.parametrize("make", [_last, _sequence, _stack])
@pytest.mark.parametrize("scheme", ["float32", "int8"])
@pytest.mark.parametrize("way", ["divided", "multiplied"])
@pytest.mark.parametrize("factor", FACTORS)
def test_one_factor_is_named_where_no_other_fits(
    make: Callable[[], Source], factor: float, way: str, scheme: str
) -> None:
    """What is said holds for the factor that it was, and for no claim beyond."""
    source = make()
    times = factor if way == "multiplied" else 1 / factor
    found = _named(source, _input(lambda x: times * x)(source), scheme)
    assert found is not None
    start, _, told = found.says.partition(" by ")
    assert start == f"input 'x' is {way}"
    if "more than" in told:
        assert told.endswith(" (larger factors fit alike)")
        assert 1 <= float(told.split()[2]) < factor
    elif " to " in told:
        assert told.endswith(" (these factors fit alike)")
        low, high = float(told.split()[0]), float(told.split()[2])
        assert 1 <= low < factor < high
    else:
        assert told == f"{factor:g}"


def test_a_factor_that_saturates_is_none_of_the_large_ones() -> None:
    source = _last()
    faulty = source.with_input("x", 255 * source.stimulus["x"])
    found = _named(source, faulty, "int8")
    assert found is not None
    assert "multiplied by more than" in found.says
    found = _named(source, source.with_input("x", source.stimulus["x"] / 100))
    assert found is not None
    assert found.says == "input 'x' is divided by 100"


# Of whole cases ---------------------------------------------------------------------------------


def _other_kernel(weights: Any) -> Any:
    return {**weights, "head/0": np.flip(weights["head/0"], axis=0)}


@pytest.mark.parametrize("form", ["int8", "int8-float-io"])
@pytest.mark.parametrize("by", [0.1, 0.3])
def test_ranges_are_tried_on_the_model(by: float, form: Any) -> None:
    narrow = {"x": np.float32(by) * sampled(DENSE)["x"]}
    case, artifacts = case_of(DENSE, form, calibrated=narrow)
    assert causes.misfits(case, artifacts)
    assert causes.ranges_explain(case, artifacts) is True
    case, artifacts = case_of(DENSE, form, calibrated=narrow, broken=_other_kernel)
    assert causes.misfits(case, artifacts)
    assert causes.ranges_explain(case, artifacts) is False


def test_without_an_answer_ranges_are_not_tried() -> None:
    case, artifacts = case_of(DENSE, "int8")
    assert causes.ranges_explain(case, replace(artifacts, built=None)) is None
    assert causes.ranges_explain(case, replace(artifacts, stimulus={})) is None
