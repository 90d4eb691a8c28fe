"""The throughput check answers rightly, and a slow harness fails it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import catalogue
from fixtures.variants import VARIANTS
from harness.laws import throughput
from harness.laws.cases import LawCase
from harness.laws.runner import LawRunner
from harness.laws.scripted_models import Feed, Fresh, NativeModel
from harness.laws.throughput import Throughput
from harness.session.session import Session

LENGTHS = (7, 3, 3, 12, 1, 7)


@pytest.fixture(scope="module")
def scripted(session: Session) -> Iterator[NativeModel]:
    law_runner = LawRunner(session)
    (subject,) = catalogue([VARIANTS["sequences"]])
    recipe, runtime = RECIPES["dynamic-sequence"], RUNTIMES["tflite"]
    case = LawCase("test_sequences", subject, recipe, runtime, law="throughput")
    found = law_runner.specimen(case).scripted
    assert isinstance(found, NativeModel)
    yield found
    law_runner.close()


@pytest.fixture(scope="module")
def sequences(scripted: NativeModel) -> list[throughput.Float32]:
    random = np.random.default_rng(3)
    shape = scripted.traits.features
    return [random.uniform(-1, 1, (n, shape)).astype(np.float32) for n in LENGTHS]


def test_a_stream_answers_as_single_sequences_do(
    scripted: NativeModel, sequences: list[throughput.Float32]
) -> None:
    units = scripted.structure.outputs[0].shape[-1]
    steps, features = sum(LENGTHS), scripted.traits.features
    with throughput.Shared(4 * steps * (features + units)) as shared:
        stream = throughput.Stream(shared, LENGTHS, features, units)
        for place, x in zip(stream.inputs, sequences, strict=True):
            place[:] = x
        stream.run(scripted)
        for x, got in zip(sequences, stream.outputs, strict=True):
            trace = scripted.run_script([Fresh(len(x)), Feed(x[None])])
            assert np.array_equal(trace.outputs[0][0][0], got)


def test_the_published_loop_carries_state_between_neighbours_of_equal_length(
    scripted: NativeModel, sequences: list[throughput.Float32]
) -> None:
    found = throughput.measure(scripted, sequences, repeats=1)
    assert found.sequences == len(LENGTHS)
    assert found.leaked == 1  # the second of the two sequences of 3 steps
    assert all(value > 0 for times in (found.cpu, found.wall) for value in times.values())


def _measured(against_bare: float, against_published: float) -> Throughput:
    times = {"isolated": 1.0, "bare": 1.0, "published": 1.0}
    return Throughput(10, times, times, 0, against_bare, against_published)


def test_a_harness_that_costs_too_much_is_told() -> None:
    assert _measured(1.15, 1.05).problem is None
    assert _measured(1.16, 0.9).problem == "isolated/bare is 1.160, more than 1.15"
    assert _measured(1.1, 1.06).problem == "isolated/published is 1.060, more than 1.05"
    assert "; " in (_measured(2, 2).problem or "")


def test_a_slow_worker_is_measured_as_slow(
    scripted: NativeModel,
    sequences: list[throughput.Float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that burns processor time in pytest, which is where isolation costs."""
    run = throughput.Stream.run

    def slow(self: throughput.Stream, scripted: NativeModel) -> float:
        for _ in range(200):
            np.sort(np.arange(5000.0)[::-1])
        return run(self, scripted)

    monkeypatch.setattr(throughput.Stream, "run", slow)
    found = throughput.measure(scripted, sequences, repeats=3)
    assert found.problem is not None
    assert replace(found, against_bare=1.0, against_published=1.0).problem is None
