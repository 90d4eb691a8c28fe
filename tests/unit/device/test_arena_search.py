"""The search for the smallest arena, on made-up boundaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.device.arena import (
    ALIGNMENT,
    ArenaNotFound,
    Trial,
    parse_recorded,
    same_bits,
    smallest,
)

_SHORT = StepResult(Phase.LOAD, Outcome.REFUSED, "too few")


def test_figures_that_contradict_each_other_are_refused() -> None:
    line = "[RecordingMicroAllocator] Arena allocation {} {} bytes\n"
    good = line.format("total", 48) + line.format("head", 16) + line.format("tail", 32)
    part = "[RecordingMicroAllocator] 'x' used {} bytes with alignment overhead (…)\n"
    assert parse_recorded(good + part.format(30)).parts == (
        ("x", 30),
        ("interpreter, allocator and planner", 2),
    )
    for bad, message in (
        ("", "no arena figures"),
        (good.replace("total 48", "total 64"), "do not add up"),
        (good + part.format(40), "exceed the tail"),
        (good.replace("head", "hat"), "no arena figures"),
    ):
        with pytest.raises(ValueError, match=message):
            parse_recorded(bad)


def _synthetic(runs: Callable[[int], bool]) -> Callable[[int], Trial]:
    def attempt(size: int) -> Trial:
        assert size % ALIGNMENT == 0
        assert size > 0
        return Trial(size, None if runs(size // ALIGNMENT) else _SHORT)

    return attempt


@given(boundary=st.integers(1, 3000), guess=st.integers(0, 100_000))
def test_any_boundary_is_found_from_any_guess(boundary: int, guess: int) -> None:
    arena = smallest(_synthetic(lambda units: units >= boundary), guess, 4096 * ALIGNMENT)
    assert arena.size == boundary * ALIGNMENT
    assert (arena.below is None) == (boundary == 1)


@given(
    boundary=st.integers(40, 3000),
    pocket=st.integers(1, 39),
    width=st.integers(1, 8),
    guess=st.integers(0, 60_000),
)
def test_a_pocket_of_smaller_sizes_that_run_is_no_boundary(
    boundary: int, pocket: int, width: int, guess: int
) -> None:
    """Whatever the guess hits: a size that runs with larger ones that do not is not relied on,
    as far as the sizes tried beyond it show. (Their distance doubles up to 1024 units.)"""
    low = boundary - pocket - width

    def runs(units: int) -> bool:
        return units >= boundary or low <= units < low + width

    tried: dict[int, bool] = {}

    def recorded(units: int) -> bool:
        tried[units] = runs(units)
        return tried[units]

    arena = smallest(_synthetic(recorded), guess, 8192 * ALIGNMENT)
    found = arena.size // ALIGNMENT
    assert all(ran for units, ran in tried.items() if units >= found)
    assert not runs(found - 1) or found == 1
    if pocket <= 4 and width <= 4:
        assert found == boundary


def test_a_model_that_never_runs_is_said_to() -> None:
    with pytest.raises(ArenaNotFound, match=r"does not run in 65536 bytes: refused in load"):
        smallest(_synthetic(lambda _: False), 1000, 65536)


@pytest.mark.parametrize(
    "other",
    [
        np.array([1.0, np.nan], np.float64),
        np.array([[1.0, np.nan]], np.float32),
        np.array([1.0, -np.nan], np.float32),
        np.array([1.0, 0.0], np.float32),
    ],
)
def test_bits_are_compared_and_not_values(other: Any) -> None:
    one = np.array([1.0, np.nan], np.float32)
    assert same_bits([one], [one.copy()])
    assert not same_bits([one], [other])
    assert not same_bits([np.zeros(1, np.float32)], [-np.zeros(1, np.float32)])
    assert not same_bits([one], [])
