"""The structure suites name the layer and the argument to change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.runs import Run, run_suites


@pytest.fixture(scope="session")
def made(structure_models: Path) -> Path:
    return structure_models


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Callable[..., Run]:
    suites = ("suites/test_structure.py", "suites/test_quantization.py")

    def run(*arguments: str | Path) -> Run:
        out = tmp_path_factory.mktemp("report")
        return run_suites(*arguments, report=out, cache=cache, suites=suites)

    return run


def test_a_healthy_model_passes_with_one_word_at_most(gate: Callable[..., Run], made: Path) -> None:
    found = gate(
        *("--model", made / "healthy.keras", "--inputs", made / "inputs.npz"),
        *("--recipe", "float32", "--recipe", "int8", "--show-quantization"),
    )
    assert found.status == 0, found.text
    told = [line for line in found.text.splitlines() if line.startswith(("warning:", "error:"))]
    # The calibrator carries the state: some answers from rest lie beyond the output's range.
    assert [line for line in told if not line.startswith("warning: output")] == []
    assert len(told) <= 1
    assert all("chance explains" in line for line in told)
    assert "resolver.AddUnidirectionalSequenceLSTM();" in found.text
    written = (found.folder / "op_resolver" / "healthy.keras-int8.inc").read_text()
    assert "tflite::MicroMutableOpResolver<" in written
    assert "state tfl.pseudo_qconst" in found.text


def test_a_layer_that_does_not_fuse_is_named_with_its_argument(
    gate: Callable[..., Run], made: Path
) -> None:
    found = gate("--model", made / "no_bias.keras", "--recipe", "float32")
    assert found.status == 0, found.text
    assert "layer 'without_bias' (LSTM) is a WHILE loop because of use_bias=False" in found.text
    assert "set use_bias=True" in found.text
    asked = gate("--model", made / "no_bias.keras", "--recipe", "int8")
    assert asked.status == 1
    assert "layer 'without_bias' (LSTM) is not fused because of use_bias=False" in asked.text


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 1)])
def test_a_missing_trackable_is_named(
    gate: Callable[..., Run], made: Path, strict: tuple[str, ...], status: int
) -> None:
    """A loop in the place of a fused LSTM answers right on TFLite: a warning, which may fail."""
    found = gate(
        *("--tflite", made / "without_trackable.tflite", "--model", made / "healthy.keras"),
        *("--recipe", "float32", "--runtime", "tflite", *strict),
    )
    assert found.status == status
    assert "pass the model as the second argument" in found.text
    assert "layer 'plain' (LSTM) meets every condition" in found.text


def test_a_cell_scale_that_tflite_cannot_use_is_named(gate: Callable[..., Run], made: Path) -> None:
    found = gate("--model", made / "small_cell.keras", "--inputs", made / "inputs.npz")
    assert found.status == 1
    assert "TFLite silently leaves out tanh of the cell" in found.text


def test_unequal_hidden_scales_are_named_with_what_they_do(
    gate: Callable[..., Run], made: Path
) -> None:
    found = gate("--model", made / "concat.keras", "--recipe", "int8")
    assert found.status == 1
    (case,) = [c for name, c in found.cases.items() if name.startswith("test_quantization")]
    assert "must have one scale and zero point" in case["message"]
    assert "tflite off by" in case["message"]


@pytest.mark.parametrize(("samples", "rule"), [("narrow", "too-narrow"), ("wide", "too-wide")])
def test_a_calibration_that_does_not_fit_is_named(
    gate: Callable[..., Run], made: Path, samples: str, rule: str
) -> None:
    found = gate(
        *("--model", made / "healthy.keras", "--inputs", made / "inputs.npz"),
        *("--calibration", made / f"{samples}.npz", "--recipe", "int8"),
    )
    assert found.status == 1
    (case,) = [c for name, c in found.cases.items() if name.startswith("test_quantization")]
    assert rule in case["message"]
    assert "serving_default_sensor" in case["message"]


def test_a_cell_beyond_the_converters_clip_is_named(gate: Callable[..., Run], made: Path) -> None:
    found = gate("--model", made / "clipped.keras", "--recipe", "float32")
    assert found.status == 1
    assert "passes the cell_clip=10 that the converter writes" in found.text
