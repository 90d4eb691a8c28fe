"""The search for the smallest arena finds what trying every size finds.

Ten subjects are searched, and a figure that is one step off is caught.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.outcomes import Outcome
from fixtures.recipes import RECIPES
from fixtures.runtimes import ARENA_BYTES, RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.device.arena import (
    ALIGNMENT,
    Arena,
    ArenaBench,
    Trial,
    parse_recorded,
    same_bits,
    smallest,
)
from harness.device.resources import Model, Unfit, check_arena, model_of
from harness.pipeline.cases import Case
from harness.session.session import Session
from harness.support.project import ROOT

#: Float and integer, small and large, and those where the allocator's own total is too few.
SUBJECTS = (
    ("last", "float32"),
    ("last", "int8"),
    ("digits", "int8"),
    ("timesteps-1", "float32"),
    ("timesteps-5", "int8"),
    ("units-1", "int8"),
    ("stacked", "int8"),
    ("embedding", "int8"),
    ("sequences", "int16x8-rewritten"),
    ("unroll", "float32"),
)
#: How far beyond the boundary every size is tried, in bytes.
_BEYOND = 1024

Given = Callable[[str, str], Model]


@pytest.fixture(scope="module")
def model(session: Session) -> Given:
    known: dict[tuple[str, str], Model] = {}

    def make(name: str, recipe: str) -> Model:
        if (name, recipe) not in known:
            subject = Subject(name, "catalogue", variant=VARIANTS[name])
            tflm = RUNTIMES["tflm"]
            case = Case("test_resources", subject, RECIPES[recipe], tflm)
            session.prefetch([case])
            artifacts = session.artifacts(case)
            assert artifacts.runs["tflm"].result is None
            known[name, recipe] = model_of(case, artifacts, artifacts.runs["tflm"].outputs)
        return known[name, recipe]

    return make


def _search(model: Model, arena_bench: ArenaBench) -> tuple[Arena, int]:
    """The arena, and what the allocator recorded."""
    failed, outputs, printed = arena_bench.run(
        model.data, model.samples, len(model.outputs), ARENA_BYTES, record=True
    )
    assert failed is None
    assert same_bits(outputs, model.outputs)
    total = parse_recorded(printed).total

    def attempt(size: int) -> Trial:
        return arena_bench.trial(model.data, model.samples, model.outputs, size)

    return smallest(attempt, total, ARENA_BYTES), total


def _brute_force(model: Model, folder: Path, *sizes: int) -> list[int]:
    """Which of the sizes run, every one of them tried. sizes: first, end, step."""
    arrays = {"tflite": model.data}
    arrays |= {f"input/{k}": samples[0] for k, samples in enumerate(model.samples)}
    arrays |= {f"output/{k}": outputs[0] for k, outputs in enumerate(model.outputs)}
    np.savez(folder / "model.npz", **arrays)
    script = ROOT / "tests" / "support" / "brute_force_arena.py"
    command = [sys.executable, str(script), str(folder / "model.npz"), *map(str, sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize(("name", "recipe"), SUBJECTS, ids=[f"{a}-{b}" for a, b in SUBJECTS])
def test_the_search_finds_what_trying_every_size_finds(
    model: Given, arena_bench: ArenaBench, tmp_path: Path, name: str, recipe: str
) -> None:
    subject = model(name, recipe)
    arena, recorded = _search(subject, arena_bench)
    running = _brute_force(subject, tmp_path, ALIGNMENT, arena.size + _BEYOND, ALIGNMENT)
    assert running == list(range(arena.size, arena.size + _BEYOND, ALIGNMENT))
    assert recorded <= arena.size
    assert arena.tried < 40
    check_arena(subject, arena_bench, arena)
    for wrong in (arena.size - ALIGNMENT, arena.size + ALIGNMENT):
        with pytest.raises(Unfit, match="bytes of arena are"):
            check_arena(subject, arena_bench, replace(arena, size=wrong))


def test_sixteen_bytes_are_the_step(model: Given, arena_bench: ArenaBench, tmp_path: Path) -> None:
    """Byte by byte: what is no multiple of the alignment does not help."""
    subject = model("timesteps-5", "int8")
    size = _search(subject, arena_bench)[0].size
    found = _brute_force(subject, tmp_path, size - 40, size + 40, 1)
    assert found == list(range(size, size + 40))


def test_what_the_allocator_records_can_be_too_few(model: Given, arena_bench: ArenaBench) -> None:
    """Loading needs more for a while than what is in use afterwards."""
    arena, recorded = _search(model("unroll", "float32"), arena_bench)
    assert arena.size > 1.3 * recorded
    arena, recorded = _search(model("digits", "int8"), arena_bench)
    assert arena.size == recorded


def test_the_parts_add_up(model: Given, arena_bench: ArenaBench) -> None:
    subject = model("digits", "int8")
    _, _, printed = arena_bench.run(subject.data, subject.samples, 1, ARENA_BYTES, record=True)
    found = parse_recorded(printed)
    assert found.head % ALIGNMENT == 0
    assert sum(size for _, size in found.parts) == found.tail
    names = [name for name, _ in found.parts]
    assert {"TfLiteEvalTensor data", "TfLiteTensor variable buffer data"} < set(names)
    # 28 steps of 20 units and of 28 features in int8 have to be there at once, each aligned.
    assert found.head >= 28 * 20 + 28 * 28


def test_another_answer_in_a_small_arena_is_no_run(model: Given, arena_bench: ArenaBench) -> None:
    subject = model("last", "int8")
    wrong = tuple(output + np.int8(1) for output in subject.outputs)
    trial = arena_bench.trial(subject.data, subject.samples, wrong, ARENA_BYTES)
    assert trial.failure is not None
    assert trial.failure.outcome is Outcome.DIVERGED
