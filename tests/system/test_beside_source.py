"""A user's flatbuffer is held to the conversion of its source and to the samples it was told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.assurance.certificate.constants import edits
from harness.assurance.world.making import Specimen
from harness.assurance.world.plan import Plan
from harness.assurance.world.run import World
from tests.support.runs import Run, run_suites

CONV, LSTM = "CONV_2D", "UNIDIRECTIONAL_SEQUENCE_LSTM"
PLAN = Plan(
    front="conv1d",
    head="softmax",
    units=8,
    features=4,
    steps=12,
    outputs=3,
    weights="seeded",
    data="normal",
    recipe="int8",
    entry="both",
    seed=5,
)
#: File -> suite, and what is said of it.
FAULTS = {
    "weight": ("structure", "(layer 'conv1d_1'): the kernel differs in 1 of"),
    "relu": ("structure", "(layer 'conv1d_1') has the activation NONE, the model's own conversion"),
    "clip": ("structure", "has the cell clip 3, the model's own conversion 10"),
    "cell": ("quantization", "the cell state of UNIDIRECTIONAL_SEQUENCE_LSTM operator"),
}
HEALTHY = ("unharmed", "renamed")


def _edits() -> dict[str, edits.Edit]:
    return {
        "weight": edits.constant(CONV, 1, edits.steps_off(1)),
        "relu": edits.option(CONV, "fusedActivationFunction", 0),
        "clip": edits.option(LSTM, "cellClip", 3.0),
        "cell": edits.cell_scale(8.0),
        "unharmed": lambda content: content,
        "renamed": edits.renamed,
    }


@pytest.fixture(scope="module")
def specimen() -> Iterator[Specimen]:
    world = World()
    try:
        yield world.maker.make(PLAN, "source")
    finally:
        world.close()


@pytest.fixture(scope="module")
def run(specimen: Specimen, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("beside")
    assert specimen.tflite is not None
    content = specimen.tflite.read_bytes()
    given = []
    for name, edit in _edits().items():
        path = folder / f"{name}.tflite"
        path.write_bytes(edit(content))
        given.append(f"--tflite={path}")
    return run_suites(
        *given,
        f"--model={specimen.keras}",
        f"--calibration={specimen.calibration_file}",
        "--runtime=tflite",
        report=folder / "report",
        cache=folder / "cache",
        suites=("suites/test_structure.py", "suites/test_quantization.py"),
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_answers_need_not_show_is_named(run: Run, name: str) -> None:
    suite, words = FAULTS[name]
    case = run.cases[f"test_{suite}[{name}.tflite/as-converted]"]
    assert words in case["message"]


@pytest.mark.parametrize("name", HEALTHY)
def test_the_file_unharmed_is_told_nothing_of(run: Run, name: str) -> None:
    for suite in ("structure", "quantization"):
        case = run.cases[f"test_{suite}[{name}.tflite/as-converted]"]
        assert case["verdict"] == "agreed"
        for rule in ("not-the-model", "not-the-calibration", "another-graph", "unreached"):
            assert f"[{rule}]" not in case["message"]
