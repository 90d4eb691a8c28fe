"""How fast is each model on each runtime, and how does its cost grow?

Only with --benchmark-only: `pytest suites/bench_invoke.py --benchmark-only`. Every model is held
to its oracle before it is timed: the speed of a wrong answer means nothing. Times are taken in
workers, beside a calibration workload; pytest-benchmark stores them in proportion to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.benchmarks import callgrind
from harness.benchmarks import growth as scaling
from harness.benchmarks.benchmarks import CLOCK, BenchCase, Benches, NotTimed, Timed
from harness.benchmarks.cases import bench_cases
from harness.benchmarks.exhibit import Findings
from harness.benchmarks.overhead import INPUTS, MOST_ADDED, added, isolation, judge_all
from harness.pipeline.selection import select
from harness.pipeline.suite import Suite

SUITE = Suite(bench_cases)
#: A test that fails before it has measured anything has said why.
pytestmark = pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
timed_in_a_worker = pytest.mark.benchmark(timer=CLOCK.read)
Tell = Callable[[Timed], None]


@timed_in_a_worker
def test_invoke(case: BenchCase, benches: Benches, findings: Findings, tell: Tell) -> None:
    """Loading, the first invoke, warm ones, tensors, streaming steps, resizes."""
    findings.machine = benches.machine
    try:
        timed = benches.time(case)
    except NotTimed as wrong:
        pytest.fail(str(wrong), pytrace=False)
    findings.figures.append(timed.figure)
    tell(timed)


@timed_in_a_worker
@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.parametrize("axis", list(scaling.POINTS))
def test_growth(
    axis: scaling.Axis,
    kind: scaling.Arithmetic,
    runtime: str,
    benches: Benches,
    findings: Findings,
    tell: Tell,
) -> None:
    """One LSTM grows no faster than its arithmetic: linearly in steps and rows."""
    findings.machine = benches.machine
    growth = scaling.grow(benches, axis, kind, runtime)
    findings.growths.append(growth)
    tell(growth.timed)
    assert growth.order <= scaling.ORDER[axis], f"exponent {growth.exponent:.2f}"


def test_cases(benchmark: Any, benches: Benches, findings: Findings) -> None:
    """Twice as many cases cost twice as much."""
    benchmark.disabled = True  # a shape, not a time to compare with a stored one
    cases = [
        case
        for case in select(recipes=["float32"]).parities()
        if case.subject.variant is not None and case.subject.variant.fusion == "fused"
    ]
    findings.judged = benchmark.pedantic(judge_all, (benches.session, cases))
    assert round(findings.judged.exponent) == 1, f"exponent {findings.judged.exponent:.2f}"


@timed_in_a_worker
def test_isolation(benches: Benches, findings: Findings, tell: Tell, tmp_path: Path) -> None:
    """Workers cost at most 5 % of a digit model's comparisons, each of 100 inputs, float32 and
    int8: both ways in one process, in turns."""
    for recipe in ("float32", "int8"):
        content = benches.flatbuffer_of("digits", recipe)
        found, timed = isolation(f"digits/{recipe}/tflite", content, tmp_path)
        findings.isolations.append(found)
    tell(timed)
    more = added(findings.isolations)
    assert more <= MOST_ADDED, f"{more:+.1%} for {INPUTS} inputs"


@timed_in_a_worker
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_instructions(
    kind: scaling.Arithmetic, benches: Benches, findings: Findings, tell: Tell
) -> None:
    """Instructions of one invoke on TFLite Micro, where there is a valgrind."""
    if not callgrind.available():
        findings.notes.append("No valgrind here: instructions were not counted.")
        pytest.skip("no valgrind here")
    content, x = scaling.model(kind, **scaling.SIZES)
    macs = benches.work(content).macs
    found = callgrind.count(f"{kind} LSTM of 20 units, 28 steps/tflm", content, [x[0]], macs)
    findings.instructions.append(found)
    tell(found.timed)
