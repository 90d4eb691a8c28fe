"""The world's truth knows a broken model from a healthy one, and a sample of it is well judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.assurance.world.generator import drawn
from harness.assurance.world.kept import kept
from harness.assurance.world.making import Unmakeable
from harness.assurance.world.plan import Plan
from harness.assurance.world.report import sort
from harness.assurance.world.run import World

SEED, SAMPLE, PARTS = 2015, 40, 4
HEALTHY = Plan(units=6, steps=8, head="linear", weights="seeded", data="normal", entry="both")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    found = World()
    yield found
    found.close()


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_the_truth_of_a_healthy_model_is_that_it_is_right(world: World, recipe: str) -> None:
    held, _, _, truth = world.examined(replace(HEALTHY, recipe=recipe))
    assert {seen.state for seen in truth.seen.values()} == {"right"}
    assert held.kind == "healthy"


@pytest.mark.parametrize(
    ("fault", "recipe"),
    [
        ("stale weights", "float32"),
        ("swapped gates", "int8"),
        ("dropped bias", "float32"),
        ("output scale", "int8"),
        ("reversed time", "float32"),
        ("transposed input", "float32"),
        ("narrow calibration", "int8"),
    ],
)
def test_the_truth_of_a_broken_model_is_that_it_is_wrong(
    world: World, fault: str, recipe: str
) -> None:
    plan = replace(HEALTHY, recipe=recipe, fault=fault, features=6, steps=6)
    held, _, _, truth = world.examined(plan)
    assert truth.seen["tflite"].state == "wrong", truth.seen
    assert held.kind == "faulty"


def test_ideal_rounding_is_noise_and_no_answer(world: World) -> None:
    """The measure of an int8 answer is neither nothing nor as large as the answer."""
    _, _, _, truth = world.examined(replace(HEALTHY, recipe="int8"))
    noise = truth.seen["tflite"].noise
    assert 1e-3 < noise < 0.1
    _, _, _, exact = world.examined(replace(HEALTHY, recipe="float32"))
    assert 0 < exact.seen["tflite"].noise < 1e-5


def test_what_was_once_judged_wrongly_is_judged_well(world: World) -> None:
    """An entry that is still open is told by `make world`, and asserted here once it is mended."""
    for entry in kept():
        if not entry.open:
            assert world.held(entry.plan).problems == (), entry


@pytest.mark.parametrize("part", range(PARTS))
def test_a_sample_of_the_world_is_well_judged(world: World, part: int) -> None:
    known = {sort(entry.was) for entry in kept() if entry.open}
    found = []
    for plan in drawn(SAMPLE, SEED)[part::PARTS]:
        try:
            held = world.held(plan)
        except Unmakeable:
            continue
        found += [(str(plan), text) for text in held.problems if sort(text) not in known]
    assert found == []
