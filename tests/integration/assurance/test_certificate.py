"""The certificate on real faults: killed, and alive where a check is disarmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.assurance.certificate import command
from harness.assurance.certificate.fault import judge
from harness.assurance.certificate.readings import InjectionBench
from harness.diagnosis import causes
from harness.pipeline.settings import Settings
from harness.weights.differences import Difference
from tests.unit.assurance.test_certificate import FAULTS

ONE_STEP = "model: one weight of input 2 +1 step (int8)"


SAMPLE = (
    "model: gates forget and output swapped (float32)",
    "model: one weight of input 7 1 % larger (float32)",
    ONE_STEP,
    "model: zero point of the input +1 (int8)",
    "model: scale of the output, hidden state and intermediate 4 × 1.01 (int8)",
    "model: intermediate 4 missing (int8)",
    "model: clip removed (op-cell-clip · tflm)",
    "model: the converter's cell clip of 10 removed (float32)",
    "runtime: stale output (int8 · tflm)",
    "runtime: cut off to bfloat16 (float32 · tflite)",
    "runtime: products cut off instead of rounded (emulated) (int8 · tflm)",
    "recipe: calibration × 0.5 (int8)",
    "recipe: calibration without samples (int8)",
    "comparison: signed difference (float32 · tflm)",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def bench(cache: Path) -> Iterator[InjectionBench]:
    found = InjectionBench(Settings(2015, cache))
    yield found
    found.close()


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_the_faults_is_killed(bench: InjectionBench, name: str) -> None:
    found = judge(FAULTS[name], bench)
    assert found.verdict == ("equivalent" if FAULTS[name].proof else "killed"), found


def test_a_disarmed_check_lets_its_fault_survive(
    bench: InjectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes, "differences", lambda case, artifacts: [])
    found = judge(FAULTS[ONE_STEP], bench)
    assert found.verdict == "survived"
    assert "comparison on tflm" in found.note


def test_a_check_that_cannot_run_kills_nothing(
    bench: InjectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(case: Any, artifacts: Any) -> list[Difference]:
        raise RuntimeError("this check cannot run")

    monkeypatch.setattr(causes, "differences", broken)
    found = judge(FAULTS[ONE_STEP], bench)
    assert (found.verdict, "cannot run" in found.note) == ("survived", True)


def test_the_command_fails_on_a_survivor_and_on_an_alarm(
    bench: InjectionBench,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--only", ONE_STEP, "--cache", str(cache), "--jobs", "1"]
    always = Difference("weight", "lstm", "wrong, whatever it is")
    for findings, message in (([], "survived: model: one weight"), ([always], "false alarm")):
        monkeypatch.setattr(causes, "differences", lambda case, artifacts, said=findings: said)
        assert command.main(arguments) == 1
        assert message in capsys.readouterr().out.replace("\n", " ")
