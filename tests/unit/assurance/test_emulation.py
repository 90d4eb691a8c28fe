"""Hold what an emulated Python is made of, without downloading or emulating anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.runtimes import RUNTIMES
from harness.assurance.emulation import command, debian, python
from harness.assurance.emulation.architectures import (
    ARCHITECTURES,
    ARM64,
    ARMHF,
    Architecture,
)
from harness.support.project import ROOT
from harness.workers import environments, limits
from harness.workers.remote import wire

LOCK = (ROOT / "requirements" / "run.txt").read_text()


# Boards -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_a_board_tells_its_cores_and_its_part(architecture: Architecture) -> None:
    for board in architecture.boards:
        files = board.files()
        text = files["proc/cpuinfo"]
        assert text.count("processor\t:") == board.cores
        assert text.count(f"CPU part\t: {board.part:#x}\n") == board.cores
        assert files["sys/devices/system/cpu/possible"] == f"0-{board.cores - 1}\n"
        assert f"sys/devices/system/cpu/cpu{board.cores - 1}/topology/core_id" in files
        assert all(not name.startswith("/") for name in files)


def test_boards_are_known_apart_by_their_part() -> None:
    assert len({board.part for board in ARM64.boards}) == len(ARM64.boards)


def test_an_unknown_board_is_an_error_that_names_those_that_are_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--board", "pi9"]) == 2
    assert "known for arm64 are pi4, pi3, pi5" in capsys.readouterr().err


# Packages ---------------------------------------------------------------------------------------


def test_packages_are_those_of_the_lock_with_their_hashes() -> None:
    names = python.with_dependencies("ai-edge-litert")
    assert {"ai-edge-litert", "numpy", "flatbuffers"} <= set(names)
    chosen = python.locked(LOCK, names)
    lines = [line for line in chosen.splitlines() if "==" in line]
    assert len(lines) == len(names)
    assert all(f"{line.split()[0]}" in LOCK for line in lines)
    assert chosen.count("--hash=sha256:") >= len(names)
    assert "tensorflow==" not in chosen


def test_a_package_without_a_pin_is_refused() -> None:
    with pytest.raises(debian.NotAvailable, match="no-such-thing: not among the pinned"):
        python.locked(LOCK, ["numpy", "no-such-thing"])


def test_the_version_of_a_package_that_is_not_installed_is_refused() -> None:
    with pytest.raises(debian.NotAvailable, match="is not installed here"):
        python.installed_version("no-such-thing")
    assert python.installed_version("tflite-runtime==2.14.0") == "2.14.0"


# The program ------------------------------------------------------------------------------------


def written(tmp_path: Path, architecture: Architecture) -> tuple[Path, str]:
    root, home = tmp_path / "a root", tmp_path / "home"
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / debian.PYTHON).write_bytes(b"\x7fELF")
    board = architecture.board("")
    program = python.write(architecture, board, home, Path("/usr/bin/qemu"), root)
    return program, program.read_text()


def test_the_program_runs_a_board_s_core_with_the_board_s_files(tmp_path: Path) -> None:
    program, text = written(tmp_path, ARM64)
    assert "-cpu cortex-a72" in text
    assert f"-L '{tmp_path / 'a root'}'" in text
    assert wire.EMULATED in text
    assert program.stat().st_mode & 0o111
    assert (tmp_path / "a root" / "proc" / "cpuinfo").read_text().count("0xd08") == 4
    assert (program.parent.parent / "pyvenv.cfg").is_file()
    assert "LD_LIBRARY_PATH" not in text


def test_a_32_bit_python_finds_debian_s_numpy_and_its_libraries(tmp_path: Path) -> None:
    program, text = written(tmp_path, ARMHF)
    assert "LD_LIBRARY_PATH" in text
    path = program.parent.parent / python.SITE / "debian.pth"
    assert path.read_text().strip().endswith("dist-packages")


def test_apt_keeps_to_a_state_of_its_own(tmp_path: Path) -> None:
    variables = debian._private_state("arm64", tmp_path)
    text = Path(variables["APT_CONFIG"]).read_text()
    assert 'APT::Architecture "arm64";' in text
    assert all(str(tmp_path) in line for line in text.splitlines() if "Dir::" in line)
    assert (
        "Architecture"
        not in Path(debian._private_state("", tmp_path / "host")["APT_CONFIG"]).read_text()
    )


def test_without_debian_s_tools_the_message_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert command.main(["--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "apt-get and dpkg-deb not found" in told
    assert list(tmp_path.iterdir()) == []


# Its use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("emulated", "title"), [("", "(pi)"), ("arm64, pi4", "(pi, emulated)")])
def test_a_runtime_is_labelled_as_emulated(
    emulated: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_probe", lambda *told: emulated)
    (runtime,) = environments.runtimes(["litert@pi=/a/python"])
    assert runtime.title.endswith(title)
    assert runtime.emulated == emulated


def test_tflite_runtime_stands_in_for_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(what: str, path: str, distribution: str, module: str) -> str:
        if module != "tflite_runtime":
            raise environments._NoPackage(f"no {distribution}")
        return ""

    monkeypatch.setattr(environments, "_probe", probe)
    (runtime,) = environments.runtimes(["tflite@pi=/a/python"])
    assert runtime.adapter.distribution == "tflite-runtime"
    assert runtime.base == "tflite"
    with pytest.raises(ValueError, match="no tflite-micro"):
        environments.runtimes(["tflm@pi=/a/python"])


def test_an_emulated_invoke_has_its_time_and_a_real_one_does_not() -> None:
    real = limits.for_runtime(limits.INVOKE, "")
    emulated = limits.for_runtime(limits.INVOKE, "arm64, pi4")
    assert real == limits.INVOKE
    assert emulated.cpu_seconds is not None
    assert limits.INVOKE.cpu_seconds is not None
    assert emulated.cpu_seconds > 155 * limits.INVOKE.cpu_seconds
    assert emulated.seconds > emulated.cpu_seconds
    assert emulated == replace(
        limits.INVOKE, seconds=emulated.seconds, cpu_seconds=emulated.cpu_seconds
    )


def test_a_stand_in_is_no_runtime_of_the_installation() -> None:
    assert "tflite-runtime" not in {runtime.adapter.name for runtime in RUNTIMES.values()}
