"""A wrong model is not timed, noise stays below the threshold, and a slowdown does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import AS_CONVERTED, RECIPES
from fixtures.runtimes import ARENA_BYTES, RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.benchmarks import benchmarks, callgrind
from harness.benchmarks import growth as scaling
from harness.benchmarks.benchmarks import (
    MOST_SECONDS,
    BenchCase,
    Benches,
    NotTimed,
    timed_of,
)
from harness.flatbuffer import lstm_reader
from harness.flatbuffer.lstm_reader import FoundLstm
from harness.pipeline.cases import Case, Measured
from harness.pipeline.settings import Settings
from harness.session.session import Session
from harness.support.project import ROOT
from harness.workers.answers import Answer
from harness.workers.client import Worker
from harness.workers.server_handle import Server
from reference.lstm.weights import Gates, LstmWeights
from tests.support.drill_worker import DRILL

#: What the README advises users to fail on: half of the slowdown that must be caught.
THRESHOLD, SLOWDOWN = 0.10, 0.20


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    session = Session(Settings(seed=1, cache=tmp_path_factory.mktemp("cache")))
    found = Benches(session, most_seconds=0.5)
    yield found
    found.close()
    session.close()


@pytest.fixture
def loaded_machine() -> Iterator[None]:
    """As many busy neighbours as there are processors."""
    code = "while True: sum(range(100_000))"
    busy = [
        subprocess.Popen([sys.executable, "-c", code]) for _ in range(len(os.sched_getaffinity(0)))
    ]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.alone
def test_noise_stays_below_the_threshold_and_a_slowdown_does_not(loaded_machine: None) -> None:
    """Five repeats on a loaded machine are within the threshold of three others; five of the
    same runtime slowed by a fifth are not. What else the machine does comes and goes: it may try
    three times."""
    content, x = scaling.model("float32", **scaling.SIZES)
    server = Server((DRILL,))
    worker = Worker(server, DRILL)

    def ratio(slowdown: float) -> float:
        answer = worker.call(
            "measure",
            {"tflite": np.frombuffer(content, np.uint8), "input/0": x[0]},
            scenario="steady",
            slowdown=slowdown,
            most_seconds=MOST_SECONDS,
            arena_bytes=ARENA_BYTES,
            outputs=1,
        )
        assert isinstance(answer, Answer), answer
        return timed_of("drill", answer).figure.ratio

    def told_apart() -> bool:
        before = median(ratio(0.0) for _ in range(3))
        pairs = [(ratio(0.0) / before - 1, ratio(SLOWDOWN) / before - 1) for _ in range(5)]
        attempts.append(", ".join(f"{a:+.1%} {b:+.1%}" for a, b in pairs))
        quiet = max(abs(plain) for plain, _ in pairs) < THRESHOLD
        return quiet and min(slowed for _, slowed in pairs) > THRESHOLD

    attempts: list[str] = []
    try:
        assert any(told_apart() for _ in range(3)), attempts
    finally:
        worker.close()
        server.close()


_STORED = """
import os
import numpy as np
import pytest
from harness.benchmarks.benchmarks import CLOCK, Figure, Timed

@pytest.mark.benchmark(timer=CLOCK.read)
def test_one(benchmark):
    machine, cost = float(os.environ["MACHINE"]), float(os.environ["COST"])
    samples = machine * cost * np.array([3.0, 1.0, 1.5])
    calibration = machine * np.array([2.0, 1.0, 1.2])
    figure = Figure("one", samples.min(), calibration.min(), True, 3)
    CLOCK.tell(benchmark, Timed(figure, samples, calibration))
"""


def _alone() -> dict[str, str]:
    """The environment without xdist's: pytest-benchmark measures nothing in one of its workers."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}


def _run_stored(
    folder: Path, machine: float, cost: float, *options: str
) -> subprocess.CompletedProcess[str]:
    """pytest-benchmark on a machine that is so many times slower than this one."""
    command = [*(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")]
    command += [*options, "--benchmark-storage", str(folder / "stored"), "test_stored.py"]
    environment = {**_alone(), "MACHINE": str(machine), "COST": str(cost)}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that others are compared with."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "test_stored.py").write_text(_STORED)
    done = _run_stored(folder, 1.0, 1.0, "--benchmark-save=before")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize(
    ("machine", "cost", "passes"),
    [(1.0, 1.05, True), (3.0, 1.0, True), (1.0, 1.2, False), (0.3, 1.2, False)],
)
def test_a_stored_run_of_another_machine_is_compared_by_ratio(
    machine: float, cost: float, passes: bool, stored: Path
) -> None:
    """pytest-benchmark's own comparison fails on the ratio to the calibration workload."""
    compare = ("--benchmark-compare", "--benchmark-compare-fail=min:10%")
    again = _run_stored(stored, machine, cost, *compare)
    text = again.stdout + again.stderr
    assert (again.returncode == 0) == passes, text
    assert ("Performance has regressed" in text) != passes


def test_a_wrong_model_is_not_timed(benches: Benches) -> None:
    subject = Subject("units-64", "catalogue", variant=VARIANTS["units-64"])
    case = Case("bench_invoke", subject, RECIPES["dynamic-range"], RUNTIMES["tflm"])
    with pytest.raises(NotTimed, match=r"units-64/dynamic-range/tflm is not timed: .*diverged"):
        benches.time(BenchCase(case, "steady"))


def test_a_lone_flatbuffer_on_which_runtimes_part_is_not_timed(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TFLite agrees with itself; what TFLite Micro answers decides."""
    path = tmp_path / "lone.tflite"
    path.write_bytes(scaling.model("float32", **scaling.SIZES)[0])
    subject = Subject("lone.tflite", "tflite", path=path)
    case = Case("bench_invoke", subject, AS_CONVERTED, RUNTIMES["tflite"])
    assert benches.time(BenchCase(case, "steady")).figure.seconds > 0
    ends = {"tflite": Outcome.AGREED, "tflm": Outcome.DIVERGED}

    def parity(case: Case, session: object) -> Measured:
        assert case.runtime is not None
        return Measured(StepResult(Phase.COMPARE, ends[case.runtime.name], "far off"))

    monkeypatch.setattr(benchmarks, "measure_parity", parity)
    with pytest.raises(NotTimed, match="far off"):
        benches.time(BenchCase(case, "steady"))


def test_a_users_model_is_timed_alone(tmp_path: Path) -> None:
    path = tmp_path / "lone.tflite"
    path.write_bytes(scaling.model("float32", **scaling.SIZES)[0])
    command = [*(sys.executable, "-m", "pytest", "suites/bench_invoke.py", "--benchmark-only")]
    command += ["--collect-only", "-q", "-p", "no:cacheprovider", "--tflite", str(path)]
    done = subprocess.run(
        command, cwd=ROOT, env=_alone(), capture_output=True, text=True, timeout=120
    )
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert found, done.stdout
    assert all("::test_invoke[lone.tflite/" in line for line in found), found
    assert not any("/keras/" in line for line in found)


@pytest.mark.parametrize("runtime", ["keras", "tflite", "tflm"])
def test_a_model_that_agrees_is_timed(benches: Benches, runtime: str) -> None:
    subject = Subject("timesteps-1", "catalogue", variant=VARIANTS["timesteps-1"])
    case = Case("bench_invoke", subject, RECIPES["float32"], RUNTIMES[runtime])
    timed = benches.time(BenchCase(case, "step"))
    assert timed.figure.name == f"timesteps-1/float32/{runtime}/step"
    assert timed.samples.min() == timed.figure.seconds > 0
    assert timed.figure.ratio == pytest.approx(timed.calibrated.min() / 25e-6)


def test_a_wrong_model_of_the_growth_is_not_timed(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its proof is a comparison with the oracle: swapped gates break it."""
    right = lstm_reader.lstm_operators

    def swapped(content: bytes) -> list[FoundLstm]:
        (found,) = right(content)
        weights = found.parameters
        assert isinstance(weights, LstmWeights)
        i, f, c, o = weights.recurrent_kernel
        assert c is not None
        assert i is not None
        gates = Gates(o, c, f, i)
        return [replace(found, parameters=replace(weights, recurrent_kernel=gates))]

    monkeypatch.setattr(scaling, "lstm_operators", swapped)
    with pytest.raises(NotTimed, match="tflm is not timed"):
        scaling.grow(benches, "batch", "float32", "tflm", points=(2,))


def test_growth_is_that_of_the_arithmetic(benches: Benches) -> None:
    growth = scaling.grow(benches, "steps", "float32", "tflm", points=(10, 40, 160))
    assert growth.order == 1
    assert [figure.macs for figure in growth.figures] == [n * 80 * 48 for n in (10, 40, 160)]


def test_the_work_of_an_invoke(benches: Benches) -> None:
    content, x = scaling.model("int8", steps=7, units=6, batch=3)
    found = benches.work(content)
    assert found.macs == 7 * 3 * 4 * 6 * (28 + 6)
    assert found.bytes >= 4 * 6 * (28 + 6) + x[0].nbytes


@pytest.mark.skipif(not callgrind.available(), reason="no valgrind here")
def test_counted_instructions_repeat() -> None:
    content, x = scaling.model("int8", steps=4, units=6, batch=1)
    first, second = (callgrind.count("one", content, [x[0]], None) for _ in range(2))
    assert first.per_invoke == pytest.approx(second.per_invoke, rel=0.001)
    assert first.per_invoke > 4 * 4 * 6 * 34  # more than one for each multiply-accumulate
