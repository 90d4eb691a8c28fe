"""How long does a gate take, beside a session that only imports and collects?

Only with --benchmark-only: `pytest suites/bench_gate.py --benchmark-only`. The ratio of the two is
what machines have in common; the runs go in turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.benchmarks.benchmarks import CLOCK, Benches, Timed
from harness.benchmarks.exhibit import Findings
from harness.benchmarks.gate_speed import gate_speed
from harness.pipeline.suite import Suite

SUITE = Suite(judges="installation")
pytestmark = pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")


@pytest.mark.benchmark(timer=CLOCK.read)
def test_gate(
    benches: Benches, findings: Findings, tell: Callable[[Timed], None], tmp_path: Path
) -> None:
    """A warm gate of the digit model's int8 flatbuffer on every runtime."""
    content = benches.flatbuffer_of("digits", "int8")
    speed, timed = gate_speed("digits/int8", content, tmp_path)
    findings.gates.append(speed)
    tell(timed)
