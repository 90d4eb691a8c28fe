"""Benchmarks: which there are, how growth is fitted, and what the exhibit shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.benchmarks import callgrind, exhibit
from harness.benchmarks import growth as scaling
from harness.benchmarks.benchmarks import (
    Figure,
    Machine,
)
from harness.benchmarks.cases import bench_cases
from harness.benchmarks.exhibit import Findings
from harness.benchmarks.gate_speed import GateSpeed
from harness.benchmarks.overhead import Isolation, JudgingTime, added
from harness.pipeline.selection import select
from harness.report import exhibits


def test_an_exponent_is_that_of_the_upper_half() -> None:
    x = [1, 2, 4, 8, 16, 32]
    assert scaling.exponent(x, [5, 5, 5, 64, 256, 1024]) == pytest.approx(2)
    assert scaling.exponent(x, [3 + 2 * n for n in x]) == pytest.approx(1, abs=0.15)


def test_no_benchmark_is_registered_not_to_agree() -> None:
    cases = bench_cases(select())
    names = [case.id for case in cases]
    assert len(names) == len(set(names)) > 60
    assert "digits/float32/tflite-2-threads/steady" in names
    assert "digits/int16x8-rewritten/tflm/steady" in names
    assert not any(name.startswith("digits/dynamic-range/tflm") for name in names)


def test_the_exhibit_shows_what_was_measured(tmp_path: Path) -> None:
    figure = Figure("a/float32/tflite/steady", 3e-5, 2e-5, False, 60, 1000, 0.1)
    findings = Findings(
        figures=[figure],
        isolations=[Isolation("a", 1.04e-2, 1e-2, 1.1e-2, 1e-2)],
        judged=JudgingTime((1, 2, 3, 4), (0.1, 0.2, 0.3, 0.4)),
        instructions=[callgrind.Instructions("a", 1000, 500)],
        gates=[GateSpeed("b", 3.0, 1.5, 2.8, 1.6)],
        machine=Machine(5e10, 1e10),
    )
    shown = exhibit.exhibit(findings)
    exhibits.write(shown, tmp_path)
    assert exhibits.read(tmp_path) == [shown]
    text = "\n".join(exhibit.lines(shown, 80))
    for part in ("a/float32/tflite/steady", "1.5", "60      no", "+4.0%", "1000", "1.75"):
        assert part in text
    assert findings.gates[0].ratio == pytest.approx(2.0)
    assert added(findings.isolations) == pytest.approx(0.04)
    assert findings.judged is not None
    assert round(findings.judged.exponent) == 1
    assert not Findings()
