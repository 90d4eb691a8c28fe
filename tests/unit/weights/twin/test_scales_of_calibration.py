"""A file's activation scales are held to those that the given samples make."""

from __future__ import annotations

import pytest

from harness.assurance.certificate.constants import edits
from harness.weights.twin.scales import compare
from tests.support.twin_models import integer, plain, reordered

DENSE = "FULLY_CONNECTED"


@pytest.mark.parametrize("seed", range(4))
def test_the_same_samples_give_the_same_scales(seed: int) -> None:
    for content in (integer(seed), reordered(integer(seed)), edits.renamed(integer(seed))):
        found = compare(content, integer(seed))
        assert found.apart == ()
        assert found.narrowed == ()
        assert found.compared == 7


@pytest.mark.parametrize("factor", [0.9, 1.01, 2.0, 5.0])
def test_a_calibration_of_other_sizes(factor: float) -> None:
    found = compare(integer(0, factor), integer())
    assert len(found.apart) == 5  # softmax and sigmoid have scales of their own
    assert {round(one.factor, 3) for one in found.apart} == {factor}


@pytest.mark.parametrize("factor", [0.25, 4.0, 8.0])
def test_one_scale_alone_is_named_where_it_is_made(factor: float) -> None:
    found = compare(edits.coarser(DENSE, factor)(integer()), integer())
    assert str(found.apart[0]).startswith(f"the output of FULLY_CONNECTED operator 3 × {factor:g}")


def test_two_more_roundings_on_the_way() -> None:
    bad = edits.requantised(DENSE, 3.0)(integer())
    ((name, factor),) = compare(bad, integer()).narrowed
    assert name == "coarse"
    assert factor == pytest.approx(3.0)
    assert compare(bad, plain()).narrowed  # no calibration is needed to see it
    finer = edits.requantised(DENSE, 1.0)(integer())
    assert compare(finer, integer()).narrowed == ()


def test_a_zero_point_that_is_off() -> None:
    moved = edits.zero_point(DENSE, 5)(integer())
    (told,) = compare(moved, integer()).apart
    assert "zero point 8, not 3" in str(told)
    assert compare(edits.zero_point(DENSE, 1)(integer()), integer()).apart == ()
