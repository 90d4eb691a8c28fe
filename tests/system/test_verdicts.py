"""A newcomer reads cause and cure from the first ten lines, and a healthy model in twenty-five.

Whole runs, as a user starts them, in a terminal of 80 columns.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.github_summary import markdown
from tests.support.runs import Run, run_suites

SEEN = ("--runtime=tflite", "--runtime=tflm")
#: What is run, whose verdict it is, and what its first ten lines have to say: cause and cure.
BROKEN: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "bad calibration": (
        ("--model={}/healthy.keras", "--recipe=int8", "--calibration={}/narrow.npz"),
        "healthy.keras as int8",
        (
            "The calibration does not fit: input 'serving_default_sensor:0' holds",
            "of the values are cut off",
            "the calibration was too narrow: calibrate with data that reaches as far",
        ),
    ),
    "stale weights": (
        ("--model={}/healthy.keras", "--tflite={}/stale.tflite", "--recipe=float32"),
        "stale.tflite",
        (
            "The file holds other weights than the model, in layers 'first', 'second', 'head'",
            "an older checkpoint",
            "convert the checkpoint that you compare with",
        ),
    ),
    "not fused": (
        ("--model={}/relu.keras", "--recipe=float32", "--recipe=int8"),
        "relu.keras as float32 and int8",
        (
            "An LSTM is not fused: layer 'first' (LSTM)",
            "activation='relu'",
            "set activation='tanh' and train again",
        ),
    ),
    "wrong pair": (
        ("--model={}/wider.keras", "--tflite={}/healthy.tflite", "--recipe=float32"),
        "healthy.tflite",
        (
            "The file was not made from this model",
            "the recurrent kernel of layer 'first' (LSTM): another model",
            "give the Keras model that the file was converted from",
        ),
    ),
    "Keras 3": (
        ("--model={}/keras3.keras",),
        "keras3.keras as float32, dynamic-range and int8",
        (
            "The model cannot be loaded: a file of Keras 3",
            "(Attend): of the module 'mine'",
            "use a layer of Keras's own, or convert it yourself and gate the file by --tflite",
        ),
    ),
}


def _summary(found: Run) -> list[str]:
    """What follows the heading, as a terminal of 80 columns shows it."""
    lines = found.text.splitlines()
    start = next(k for k, line in enumerate(lines) if " LSTM conformance " in line)
    shown = []
    for line in lines[start + 1 :]:
        shown += [line[k : k + 80] for k in range(0, max(len(line), 1), 80)]
    return shown


def _run(folder: Path, out: Path, cache: Path, *arguments: str) -> Run:
    given = [argument.format(folder) for argument in arguments]
    if not any("keras3" in argument for argument in given):
        given.append(f"--inputs={folder / 'samples.npz'}")
    return run_suites(*given, report=out, cache=cache, more=False)


@pytest.mark.parametrize("name", BROKEN)
def test_the_first_ten_lines_say_cause_and_cure(
    verdict_models: Path, tmp_path: Path, cache: Path, name: str
) -> None:
    arguments, title, told = BROKEN[name]
    found = _run(verdict_models, tmp_path, cache, *arguments, *SEEN)
    assert found.status == 1, found.text
    summary = _summary(found)
    assert summary[0] == f"DO NOT SHIP: {title}", found.text
    head = " ".join(" ".join(summary[:10]).split())
    for part in told:
        assert part in head, found.text
    assert "FAILURES" not in found.text
    assert found.text.count("diverged in compare") == 0
    said = ("DO NOT SHIP: ", "A CASE FAILED: ")
    told_at = [line for line in found.text.splitlines() if line.startswith(said)]
    assert len(told_at) >= 3, "as soon as it is known, at the beginning, at the end"
    subject = title.partition(" as ")[0]
    (entry,) = [one for one in found.report["verdicts"] if one["subject"] == subject]
    failed = {case["id"] for case in found.cases.values() if case["verdict"] == "failed"}
    own = {n for n in failed if found.cases[n]["subject"] == subject}
    assert {case for cause in entry["causes"] for case in cause["cases"]} == own
    assert subject in markdown(found.report)
    (first, *_) = entry["causes"]
    assert first["rerun"].startswith("pytest ")
    page = (tmp_path / "index.html").read_text()
    assert page.index('class="shout">DO NOT SHIP') < page.index('class="tiles"')


def test_a_healthy_model_of_one_recipe_takes_25_lines(
    verdict_models: Path, tmp_path: Path, cache: Path
) -> None:
    found = _run(verdict_models, tmp_path, cache, "--model={}/healthy.keras", "--recipe=int8")
    assert found.status == 0, found.text
    assert len(found.text.splitlines()) <= 25, found.text
    assert _summary(found)[0] == "SHIP IT: healthy.keras as int8"
    assert all(len(line) <= 80 for line in found.text.splitlines() if "/" not in line)
    (entry,) = found.report["verdicts"]
    assert (entry["verdict"], entry["causes"], entry["failed"]) == ("ship", [], 0)
    page = (tmp_path / "index.html").read_text()
    assert "Answers against expected ones" in page
