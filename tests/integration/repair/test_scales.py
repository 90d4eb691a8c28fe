"""Repair what the converter really writes, and see wrong repairs refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import catalogue
from fixtures.variants import VARIANTS
from harness.assurance.certificate.editing import Editable, edited, set_quantisation
from harness.flatbuffer import scale_repair
from harness.pipeline.cases import Case
from harness.repair import command, scales
from harness.repair.scale_proof import File
from harness.session.session import Session
from reference.operators.sequence_lstm import CELL_STATE, OUTPUT_STATE

ON = [RUNTIMES["tflite"], RUNTIMES["tflm"]]


@pytest.fixture(scope="module")
def files(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """int8 conversions of catalogue variants."""
    folder = tmp_path_factory.mktemp("files")

    def of(name: str) -> Path:
        path = folder / f"{name}.tflite"
        if not path.exists():
            (subject,) = catalogue([VARIANTS[name]])
            data = session.artifacts(Case("repair", subject, RECIPES["int8"])).conversion.data
            assert data is not None
            path.write_bytes(data.tobytes())
        return path

    return of


def errors(file: File | None) -> dict[tuple[int, str], float]:
    assert file is not None
    assert all(one.error is not None for one in file.operators)
    return {(one.number, one.runtime): one.error or 0.0 for one in file.operators}


def shares(file: File | None) -> list[float]:
    """Errors in standard deviations of what the LSTMs should answer."""
    assert file is not None
    return [(one.error or 0.0) / one.spread for one in file.operators]


@pytest.mark.parametrize("name", ["two-inputs", "bidirectional-concat"])
def test_contradicting_scales_of_the_converter_are_repaired(
    name: str, session: Session, files: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "fixed.tflite"
    told = scales.repair(session, files(name), None, out, ON)
    assert told.proven, told.lines
    assert max(shares(told.before)) > 0.2, "the converter mended its scales?"
    assert max(shares(told.after)) < 0.02
    assert out.read_bytes() != files(name).read_bytes()
    again = scales.repair(session, out, None, tmp_path / "twice.tflite", ON)
    assert again.changes == ()
    assert (tmp_path / "twice.tflite").read_bytes() == out.read_bytes()


def test_a_cell_scale_under_the_kernel_s_range_is_repaired_for_tflite_alone(
    session: Session, files: Callable[[str], Path], tmp_path: Path
) -> None:
    def small(lstm: Editable) -> None:
        # As if the cell had been calibrated within ±0.25, and kernels to match it.
        set_quantisation(lstm.tensor(CELL_STATE), scale=2.0**-16)

    path = tmp_path / "small.tflite"
    path.write_bytes(edited(files("sequences").read_bytes(), small))
    told = scales.repair(session, path, None, tmp_path / "fixed.tflite", ON)
    assert told.proven, told.lines
    before, after = errors(told.before), errors(told.after)
    assert before[0, "tflite"] > 10 * after[0, "tflite"]


def test_a_healthy_file_comes_back_byte_for_byte(
    session: Session, files: Callable[[str], Path], tmp_path: Path
) -> None:
    path, out = files("sequences"), tmp_path / "same.tflite"
    told = scales.repair(session, path, None, out, ON)
    assert told.proven
    assert out.read_bytes() == path.read_bytes()
    assert "no scale needs a repair" in told.lines[0]


def test_the_int16x8_form_is_of_the_repaired_file(
    session: Session, files: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "wide.tflite"
    told = scales.repair(session, files("two-inputs"), None, out, ON, int16x8=True)
    assert told.proven
    assert "int16x8" in told.lines[-1]
    narrow = scales.repair(session, files("two-inputs"), None, tmp_path / "narrow.tflite", ON)
    assert narrow.proven
    assert len(out.read_bytes()) > len((tmp_path / "narrow.tflite").read_bytes())


# Wrong repairs ----------------------------------------------------------------------------------


def _twice_the_output(lstm: Editable) -> None:
    """All three scales of the hidden state agree, and are not those of the numbers."""
    for tensor in (lstm.output, lstm.tensor(OUTPUT_STATE), lstm.intermediate(4)):
        set_quantisation(tensor, 2.0)


def _half_a_repair(lstm: Editable) -> None:
    """The hidden state is mended and intermediate 4, which TFLite writes with, is forgotten."""
    set_quantisation(lstm.intermediate(4), 0.7)


def _another_kernel(lstm: Editable) -> None:
    lstm.write(2, np.flip(lstm.values(2), 0))


@pytest.mark.parametrize("fault", [_twice_the_output, _half_a_repair, _another_kernel])
def test_a_wrong_repair_is_not_written(
    fault: Callable[[Editable], None],
    session: Session,
    files: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(content: bytes, *more: Any) -> tuple[bytes, tuple[scale_repair.Change, ...]]:
        fixed, changes = scale_repair.repaired(content, *more)
        return edited(fixed, fault), changes

    monkeypatch.setattr(scales, "repaired", wrong)
    out = tmp_path / "fixed.tflite"
    told = scales.repair(session, files("two-inputs"), None, out, ON)
    assert not told.proven
    assert not out.exists()
    assert any("not proven" in line for line in told.lines)


# The command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.txt", b"", "expected a file that ends in .keras, .h5, .hdf5 or .tflite"),
        ("missing.tflite", None, "no such file"),
        ("broken.tflite", b"\0" * 64, "not a TFLite flatbuffer"),
    ],
)
def test_bad_input_is_an_error_with_what_was_expected(
    name: str,
    content: bytes | None,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    words = [str(path), "-o", str(tmp_path / "out.tflite"), "--cache", str(tmp_path / "cache")]
    assert command.main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.tflite").exists()


def test_an_unknown_runtime_is_refused_with_those_that_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "a.tflite"), "-o", str(tmp_path / "b.tflite"), "--runtime", "keras"]
    assert command.main(words) == 2
    assert "expected one of tflite" in capsys.readouterr().err
