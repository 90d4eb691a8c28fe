"""A streaming model that passes every check of the host fails where a device clears its state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.report import exhibits
from reference.lstm.device_profiles import CMSIS_NN
from reference.lstm.integer import lstm_integer
from reference.lstm.invokes import lstm_invokes
from reference.lstm.profiles import TFLM
from tests.support.lcg_lstms import recorded
from tests.support.runs import Run, run_suites

SUITE = ("suites/test_kernels.py",)
FRAMES = 40


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """frames: one step an invoke; window: eight; beyond: with a recurrent share beyond ±8;
    samples: one stream of frames."""
    folder = tmp_path_factory.mktemp("files")
    model, _ = recorded("A", cell_scale=2.0**-12)
    beyond, _ = recorded("B", time_major=False)
    made = {
        "frames": OperatorLstm(model, 1),
        "window": OperatorLstm(model, 8),
        "beyond": OperatorLstm(beyond, 8),
        "wide": OperatorLstm(replace(recorded("C")[0], cell_scale=2.0**-13), 8),
    }
    for name, operator in made.items():
        (folder / f"{name}.tflite").write_bytes(build(operator).content)
    codes = np.random.default_rng(3).integers(-128, 128, (FRAMES, 1, 1, 3))
    real = ((codes - model.input_zero_point) * np.float32(model.input_scale)).astype(np.float32)
    np.savez(folder / "samples.npz", input=real[:, 0])
    np.save(folder / "codes.npy", codes.astype(np.int8))
    return folder


def run(files: Path, tmp_path: Path, *arguments: str, suites: tuple[str, ...] = SUITE) -> Run:
    words = [word.replace("FILES", str(files)) for word in arguments]
    return run_suites(*words, report=tmp_path / "report", cache=None, suites=suites)


def test_the_host_passes_it_and_says_that_no_device_was_tested(files: Path, tmp_path: Path) -> None:
    found = run(
        files, tmp_path, "--tflite=FILES/frames.tflite", "--runtime=tflm", suites=("suites/",)
    )
    assert found.status == 0, found.text
    assert "device kernels: none was tested; --kernels NAME" in found.text
    assert not [case for case in found.cases.values() if case["suite"] == "test_kernels"]


def test_a_stream_fails_on_cleared_state_with_the_share_that_is_wrong(
    files: Path, tmp_path: Path
) -> None:
    """The share is that of these very samples, computed here from the profiles alone."""
    found = run(
        files,
        tmp_path,
        *("--tflite=FILES/frames.tflite", "--inputs=FILES/samples.npz"),
        *("--kernels=cmsis-nn", "--kernels=tflm-reference", "--kernels=cmsis-nn-carried"),
    )
    assert found.status == 1, found.text
    name = "test_kernels[frames.tflite/as-converted/tflm/{}]"
    cleared, carried, kept = (
        found.cases[name.format(kernels)]
        for kernels in ("cmsis-nn", "tflm-reference", "cmsis-nn-carried")
    )
    assert (cleared["phase"], cleared["outcome"]) == ("compare", "diverged")
    assert carried["verdict"] == kept["verdict"] == "agreed"
    model, _ = recorded("A", cell_scale=2.0**-12)
    x = np.load(files / "codes.npy").reshape(1, FRAMES, 3)
    want = lstm_integer(model, x, TFLM).outputs
    got = lstm_invokes(model, x, CMSIS_NN, [1] * FRAMES).outputs
    different = int((want != got).sum())
    streamed = cleared["kernels"]["streamed"]
    assert (streamed["different"], streamed["values"]) == (different, want.size)
    assert f"{different / want.size:.1%} of its outputs are wrong" in cleared["message"]
    assert "whole sequences" in cleared["message"]
    assert cleared["kernels"]["different"] == 0
    assert cleared["kernels"]["contract"] == "cleared"
    assert cleared["kernels"]["laws"][0]["streaming"]
    assert carried["kernels"]["laws"][0]["streaming"] == ""
    assert "--kernels cmsis-nn --inputs" in cleared["rerun"]
    assert "it takes one time step an invoke" in found.text
    (shown,) = exhibits.read(tmp_path / "report")
    kernels = {row[2] for row in shown.tables[0].rows}
    assert kernels == {"cmsis-nn", "cmsis-nn-carried", "tflm-reference"}


def test_windows_pass_with_a_note_unless_they_are_said_to_be_streamed(
    files: Path, tmp_path: Path
) -> None:
    window = ("--tflite=FILES/window.tflite", "--kernels=cmsis-nn")
    found = run(files, tmp_path, *window)
    assert found.status == 0, found.text
    (case,) = found.cases.values()
    told = {finding["rule"]: finding for finding in case["kernels"]["findings"]}
    assert told["kernel-state"]["level"] == "note"
    assert "must be one whole sequence of 8 steps" in told["kernel-state"]["message"]
    streamed = run(files, tmp_path, *window, "-o", "lstm_streaming=true")
    assert streamed.status == 1
    assert "it is said to be streamed (--streaming)" in streamed.text
    assert "--streaming" in next(iter(streamed.cases.values()))["rerun"]


def test_other_bits_are_counted_by_factor_and_int16_needs_no_tflite(
    files: Path, tmp_path: Path
) -> None:
    found = run(
        files,
        tmp_path,
        *("--tflite=FILES/beyond.tflite", "--tflite=FILES/wide.tflite"),
        *("-o", "lstm_kernels=cmsis-nn"),
    )
    assert found.status == 0, found.text
    beyond, wide = (
        found.cases[f"test_kernels[{name}.tflite/as-converted/tflm/cmsis-nn]"]["kernels"]
        for name in ("beyond", "wide")
    )
    (operator,) = beyond["operators"]
    assert list(operator["by_factor"]) == ["recurrent_product"]
    assert beyond["different"] > 0
    assert {finding["rule"] for finding in beyond["findings"]} >= {"kernel-recurrent-product"}
    assert wide["different"] == 0
    assert wide["values"] > 0


def test_a_destroyed_cell_state_is_beyond_the_budget_of_its_model(tmp_path: Path) -> None:
    """A model of the catalogue, converted: its cell scale is finer than the legacy kernel bears."""
    found = run_suites(
        *("--recipe=int8", "--kernels=cmsis-nn-2023", "--kernels=cmsis-nn", "-k", "timesteps-100"),
        report=tmp_path / "report",
        cache=None,
        suites=SUITE,
    )
    assert found.status == 1, found.text
    name = "test_kernels[timesteps-100/int8/tflm/{}]"
    legacy, now = (found.cases[name.format(k)] for k in ("cmsis-nn-2023", "cmsis-nn"))
    assert (legacy["verdict"], now["verdict"]) == ("failed", "agreed")
    levels = {finding["rule"]: finding["level"] for finding in legacy["kernels"]["findings"]}
    assert levels["kernel-cell-destroyed"] == levels["kernel-bits"] == "error"
    assert "beyond the budget" in legacy["message"] or "beyond the budget" in found.text
    assert legacy["kernels"]["contract"] == "destroyed"


def test_a_model_that_is_wrong_on_the_host_is_held_to_its_bits_only(
    models: Path, tmp_path: Path
) -> None:
    """That it is wrong is said once, by the suite of parity, and not of each device again."""
    found = run_suites(
        *("--model", models / "words.keras", "--recipe=int8", "--runtime=tflm"),
        *("--kernels=cmsis-nn", "--kernels=cmsis-nn-2023"),
        report=tmp_path / "report",
        cache=None,
        suites=("suites/test_parity.py", *SUITE),
    )
    assert found.status == 1, found.text
    name = "test_kernels[words.keras/int8/tflm/{}]"
    legacy, now = (found.cases[name.format(k)] for k in ("cmsis-nn-2023", "cmsis-nn"))
    assert found.cases["test_parity[words.keras/int8/tflm]"]["outcome"] == "diverged"
    assert now["verdict"] == "agreed"
    assert {f["rule"] for f in now["kernels"]["findings"]} >= {"kernel-host", "kernel-bits"}
    assert "the device is held to its bits" in " ".join(found.text.split())
    levels = {f["rule"]: f["level"] for f in legacy["kernels"]["findings"]}
    assert (levels["kernel-cell-destroyed"], levels["kernel-bits"]) == ("error", "warning")
    assert legacy["verdict"] == "failed"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stm32cube", "stm32cube: unknown; known are tflm-reference"),
        ("hifi", "Cadence HiFi 3, 4 and 5"),
        ("ethos-u", "an LSTM that Vela leaves to the CPU runs on CMSIS-NN"),
    ],
)
def test_what_is_not_known_is_refused(files: Path, tmp_path: Path, name: str, message: str) -> None:
    found = run(files, tmp_path, "--tflite=FILES/window.tflite", f"--kernels={name}")
    assert found.status == 4
    assert message in " ".join(found.text.split())
    assert "Traceback" not in found.text
