"""A flatbuffer is judged without TensorFlow as with it: LiteRT stands where TFLite stood."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fixtures.golden.catalogue import FOLDER
from tests.support.light import small_flatbuffer, without_tensorflow
from tests.support.runs import Run, run_suites

#: Old conversions: healthy ones, one that no runtime takes, and one whose LSTM is hybrid.
GOLDEN = ("rnn", "projection", "proj-clip-ptq")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Run, Run]:
    """Without TensorFlow, and with it."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "healthy.tflite").write_bytes(small_flatbuffer())
    (folder / "damaged.tflite").write_bytes(small_flatbuffer()[:-400])
    files = [folder / "healthy.tflite", folder / "damaged.tflite"]
    files += [FOLDER / f"{name}.tflite" for name in GOLDEN]
    words = [f"--tflite={path}" for path in files]
    hidden = {**os.environ, **without_tensorflow(folder)}
    light = run_suites(*words, report=tmp_path_factory.mktemp("r"), cache=cache, env=hidden)
    whole = run_suites(*words, report=tmp_path_factory.mktemp("r"), cache=cache)
    return light, whole


def _verdicts(found: Run) -> dict[str, Any]:
    """What is not about the reference itself, which agrees with its own answer."""
    return {
        name: case["verdict"]
        for name, case in found.cases.items()
        if not (case["suite"] == "test_parity" and case["runtime"] == "litert")
    }


def test_the_verdicts_are_the_same(runs: tuple[Run, Run]) -> None:
    light, whole = runs
    found, others = _verdicts(light), _verdicts(whole)
    assert found == {name: others[name] for name in found}
    assert set(found.values()) >= {"agreed", "failed"}
    healthy = [case for case in light.cases.values() if case["subject"] == "healthy.tflite"]
    assert {case["verdict"] for case in healthy} == {"agreed"}


def test_what_is_left_out_is_said_in_one_line(runs: tuple[Run, Run]) -> None:
    light, whole = runs
    lines = [line for line in light.text.splitlines() if "not installed" in line]
    assert lines == [
        "not installed, and not run: tflite, tflite-reference, tflite-no-xnnpack; "
        "pip install 'lstm-conformance[keras]' (TensorFlow 2.15.1, Python 3.10 or 3.11)"
    ]
    assert "not installed" not in whole.text


def test_the_runtimes_that_are_left_are_held_to_their_oracles(runs: tuple[Run, Run]) -> None:
    light, _ = runs
    found = {
        case["runtime"]: case["budget_rule"]
        for case in light.cases.values()
        if (case["suite"], case["subject"]) == ("test_parity", "healthy.tflite")
    }
    assert set(found) == {"litert", "tflm"}
    assert all(rule.startswith("0 LSB in integers") for rule in found.values()), found
