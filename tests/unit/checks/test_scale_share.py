"""The cost of contradicting scales is measured beside the same file without them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.checks.scale_share import shares_of

WANTED = np.zeros((4, 1, 3))


def test_the_share_is_what_the_repair_takes_away() -> None:
    (share,) = shares_of([WANTED + 0.5], [WANTED + 0.3], [WANTED])
    assert share.recipe == pytest.approx(0.3)
    assert share.calibration == pytest.approx(0.4)
    assert share.decides


def test_a_repair_that_changes_little_decides_nothing() -> None:
    (share,) = shares_of([WANTED + 0.31], [WANTED + 0.3], [WANTED])
    assert not share.decides
    (worse,) = shares_of([WANTED + 0.2], [WANTED + 0.3], [WANTED])
    assert worse.calibration == 0.0
    assert not worse.decides


def test_outputs_of_another_shape_and_infinite_ones_are_left_out() -> None:
    assert shares_of([np.zeros((4, 3))], [WANTED], [WANTED]) == []
    assert shares_of([WANTED + np.inf], [WANTED], [WANTED]) == []
