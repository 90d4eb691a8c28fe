"""A flatbuffer without its Keras model is held to what its original model answered elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.schema import pack, unpack
from tests.support.runs import Run, run_suites

Gate = Callable[..., Run]
KINDS = ("float32", "dynamic", "int8")


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, cache: Path, original_models: Path) -> Gate:
    def run(files: list[Path], expected: Path, *more: str) -> Run:
        words = [word for path in files for word in ("--tflite", str(path))]
        words += ["--inputs", str(original_models / "samples.npz"), "--expected", str(expected)]
        words += ["--runtime", "tflite", "--runtime", "tflm", *more]
        # The rest of the suites is about other things.
        suites = ("suites/test_parity.py",)
        report = tmp_path_factory.mktemp("report")
        return run_suites(*words, report=report, cache=cache, suites=suites)

    return run


def _parities(found: Run) -> dict[str, dict[str, Any]]:
    """By file and runtime; but for TFLite Micro on hybrid LSTMs, of which it reads NaN."""
    return {
        f"{case['subject']} {case['runtime']}": case
        for case in found.cases.values()
        if case["limitation"] != "tflm-hybrid-lstm-nan"
    }


@pytest.mark.parametrize("name", ["sequence", "scores", "two"])
def test_a_right_conversion_agrees_in_every_precision(
    gate: Gate, original_models: Path, name: str
) -> None:
    files = [original_models / f"{name} {kind}.tflite" for kind in KINDS]
    cases = _parities(gate(files, original_models / f"{name} 1.npz"))
    assert len(cases) >= 5
    for label, case in cases.items():
        assert case["verdict"] == "agreed", (label, case["message"])
        assert 0 < case["budget_used"] < 0.5, label
        assert "the original model's answers (float32)" in case["budget_rule"]
        # Budgets that decide: a hundredth of the answers' size in int8, nothing in float32.
        assert case["budget"] < (1e-5 if "float32" in label else 0.08), label
        assert case["decisions"]["of"] >= 24


@pytest.mark.parametrize(
    ("name", "expected", "told"),
    [
        ("sequence", "sequence 2.npz", "not the original model's answer"),
        ("scores", "scores 2.npz", "not the original model's answer"),
        ("sequence", "backwards.npz", "the steps are in reverse"),
        ("two", "swapped.npz", "the outputs are swapped: 'output_"),
    ],
)
def test_other_answers_fail_and_are_recognised(
    gate: Gate, original_models: Path, name: str, expected: str, told: str
) -> None:
    files = [original_models / f"{name} {kind}.tflite" for kind in KINDS]
    found = gate(files, original_models / expected)
    assert found.status == 1
    for label, case in _parities(found).items():
        assert (case["verdict"], case["outcome"]) == ("failed", "diverged"), label
        assert told in case["message"], label


def test_a_scale_that_was_edited_fails(gate: Gate, original_models: Path, tmp_path: Path) -> None:
    """That of the LSTM's cell kernel: a scale of an output would be used consistently."""
    model = unpack((original_models / "sequence int8.tflite").read_bytes())
    graph = model.subgraphs[0]
    (lstm,) = [op for op in graph.operators if len(op.inputs) == 24]
    quantization = graph.tensors[lstm.inputs[3]].quantization
    quantization.scale = [1.5 * float(quantization.scale[0])]
    (tmp_path / "edited.tflite").write_bytes(pack(model))
    found = gate([tmp_path / "edited.tflite"], original_models / "sequence 1.npz")
    assert found.status == 1
    for case in _parities(found).values():
        assert case["outcome"] == "diverged"


def test_wrong_files_are_refused_and_the_report_is_written(
    gate: Gate, original_models: Path, tmp_path: Path
) -> None:
    answers = np.load(original_models / "sequence 1.npz")["arr_0"]
    np.savez(tmp_path / "short.npz", answers[:5])
    found = gate([original_models / "sequence float32.tflite"], tmp_path / "short.npz")
    assert found.status == 1
    for case in found.cases.values():
        assert "expected 24 answers, one for each sample of --inputs; found 5" in case["message"]
    np.savez(tmp_path / "nan.npz", answers * np.nan)
    found = gate([original_models / "sequence float32.tflite"], tmp_path / "nan.npz")
    assert found.status == 4
    assert "are NaN or infinite" in found.text


def test_the_option_needs_what_it_is_about(
    original_models: Path, tmp_path: Path, cache: Path
) -> None:
    flatbuffer = f"--tflite={original_models / 'sequence float32.tflite'}"
    expected = f"--expected={original_models / 'sequence 1.npz'}"
    samples = f"--inputs={original_models / 'samples.npz'}"
    for words, told in (
        ([flatbuffer, expected], "add --tflite and --inputs"),
        ([expected], "add --model or --tflite"),
        ([flatbuffer, samples, f"--model={flatbuffer[9:]}", expected], "--model"),
    ):
        found = run_suites(*words, report=tmp_path / "report", cache=cache)
        assert found.status == 4, words
        assert told in found.text


def test_a_state_dict_is_compared_and_a_dropped_bias_is_named(
    original_models: Path, tmp_path: Path, cache: Path
) -> None:
    words = [
        f"--tflite={original_models / f'sequence {kind}.tflite'}" for kind in ("float32", "int8")
    ]
    samples = f"--inputs={original_models / 'samples.npz'}"
    for name, told in (("state.npz", ""), ("more bias.npz", "bias lacks bias_hh")):
        found = run_suites(
            *(*words, samples, f"--state-dict={original_models / name}"),
            report=tmp_path / name,
            cache=cache,
            suites=("suites/test_structure.py",),
        )
        for case in found.cases.values():
            assert ("is the layer's bias_ih alone" in case["message"]) is bool(told), case
            assert told in case["message"]
            if told:
                assert case["verdict"] == "failed"
            else:
                assert case["verdict"] == "agreed", case["message"]
    found = run_suites(
        samples,
        f"--state-dict={original_models / 'state.npz'}",
        report=tmp_path / "report",
        cache=cache,
    )
    assert found.status == 4
