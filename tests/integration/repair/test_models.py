"""Repair Keras models that do not fuse, as the command does, and see wrong repairs refused."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.golden.keras3_files import KERAS3
from fixtures.runtimes import RUNTIMES
from harness.assurance.certificate.faults import repair_faults
from harness.assurance.certificate.faults.repair_documents import (
    document,
    functional,
    layer,
    lstm,
    stimulus,
    weights_of_lstm,
)
from harness.assurance.certificate.faults.repair_faults import TWINS, Twin
from harness.conversion.rewriting import keras_file
from harness.repair import command, models
from harness.repair.rules.document import Document
from harness.repair.rules.table import rewritten
from harness.session.session import Session
from harness.workers.answers import Failure

NUMBERS = itertools.count()
ON = [RUNTIMES["tflite"], RUNTIMES["tflm"]]


@pytest.fixture
def written(session: Session, tmp_path: Path) -> Callable[[Document], Path]:
    """Keras's own .keras file of a document."""

    def write(made: Document) -> Path:
        content = keras_file(session.keras, made.config, made.weights)
        assert isinstance(content, bytes), content
        # Workers keep models by name: each file of a session has its own.
        path = tmp_path / f"model-{next(NUMBERS)}.keras"
        path.write_bytes(content)
        return path

    return write


def inside() -> Document:
    """A model inside of the model, called twice."""
    inner = functional(lstm(use_bias=False, unroll=True))
    inner["name"] = "inner"
    config = functional(
        {"class_name": "Functional", "name": "inner", "config": inner, "reads": None},
        layer("Add", "sum", [["inner", 1, 0, {}], ["inner", 2, 0, {}]]),
    )
    config["layers"][1]["inbound_nodes"] = [[["x", 0, 0, {}]], [["x", 0, 0, {}]]]
    return document(config, weights_of_lstm("inner/lstm", bias=False))


@pytest.mark.parametrize(
    "made",
    [
        repair_faults.without_bias,
        repair_faults.unrolled,
        repair_faults.of_stack,
        repair_faults.reading_hidden_state,
        inside,
    ],
)
def test_a_model_that_does_not_fuse_is_repaired_and_fuses(
    made: Callable[[], Document],
    session: Session,
    written: Callable[[Document], Path],
    tmp_path: Path,
) -> None:
    out = tmp_path / "fused.keras"
    told = models.repair(session, written(made()), out, ON)
    assert told.proven, "\n".join(told.lines)
    assert told.before is not None
    assert told.after is not None
    assert told.before.fused == 0
    assert told.after.fused == told.after.layers > 0
    assert all(measured.result.agreed for measured in told.after.outcomes.values())
    assert told.after.arena is not None
    assert all(0 < (told.after.seconds[runtime.name] or 0) < 0.1 for runtime in ON)
    assert told.before.seconds.keys() == told.after.seconds.keys()
    again = models.repair(session, out, tmp_path / "again.keras", ON)
    assert again.before is None
    assert (tmp_path / "again.keras").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("twin", TWINS[:2], ids=lambda twin: twin.name)
def test_a_wrong_repair_writes_nothing(
    twin: Twin, session: Session, written: Callable[[Document], Path], tmp_path: Path
) -> None:
    def spoilt(before: Document, unmasked: bool) -> Document:
        after = rewritten(before, unmasked)
        twin.spoil(after)
        return after

    out = tmp_path / "fused.keras"
    told = models.repair(session, written(twin.made()), out, ON, rewrite=spoilt)
    assert not told.proven
    assert "rounding allows" in told.lines[-1]
    assert not out.exists()


def test_a_repair_that_leaves_the_bias_out_writes_nothing(
    session: Session, written: Callable[[Document], Path], tmp_path: Path
) -> None:
    """The same function it is; a fused operator it does not become."""

    def idle(before: Document, unmasked: bool) -> Document:
        return Document.of(before.config, before.weights)

    out = tmp_path / "fused.keras"
    path = written(repair_faults.without_bias())
    told = models.repair(session, path, out, ON, rewrite=idle)
    assert not told.proven
    assert "use_bias=False" in told.lines[-1]
    assert not out.exists()


def test_a_loop_that_no_rule_knows_is_not_called_fused(
    session: Session, written: Callable[[Document], Path], tmp_path: Path
) -> None:
    """In a wrapper that nothing looks into."""
    inner = {"class_name": "LSTM", "config": lstm(use_bias=False)["config"]}
    config = functional(layer("TimeDistributed", "each", layer=inner))
    config["layers"][0]["config"]["batch_input_shape"] = [1, 2, 6, 3]
    made = document(config, weights_of_lstm("each", bias=False))
    out = tmp_path / "fused.keras"
    told = models.repair(session, written(made), out, ON)
    assert not told.proven
    assert "1 WHILE loops" in told.lines[-1]
    assert not out.exists()


def test_a_stateful_model_hands_its_state_to_the_operator(
    session: Session, written: Callable[[Document], Path], tmp_path: Path
) -> None:
    made = document(functional(lstm(stateful=True)), weights_of_lstm("lstm"))
    out = tmp_path / "fused.keras"
    told = models.repair(session, written(made), out, ON)
    assert told.proven, "\n".join(told.lines)
    assert "reset_all_variables" in told.lines[1]
    only = [RUNTIMES["litert"]]
    told = models.repair(session, written(made), tmp_path / "other.keras", only)
    assert not told.proven
    assert "a carried state is proven on" in told.lines[-1]


def test_states_of_zeros_are_repaired_in_a_file_that_keras_cannot_load(
    session: Session, written: Callable[[Document], Path], tmp_path: Path
) -> None:
    made = repair_faults.starting_from_zeros()
    path, out = written(rewritten(made)), tmp_path / "fused.keras"
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    model = json.loads(contents["config.json"])
    states: dict[str, Any] = {"initial_state": [[[0.0] * 4], [[0.0] * 4]]}
    model["config"]["layers"][1]["inbound_nodes"][0][0][3] = states
    contents["config.json"] = json.dumps(model).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    path = tmp_path / f"unloadable-{next(NUMBERS)}.keras"
    path.write_bytes(packed.getvalue())
    told = models.repair(session, path, out, ON)
    assert told.proven, "\n".join(told.lines)
    assert told.before is not None
    assert told.before.layers == 0
    states["initial_state"][0][0][0] = 0.5
    contents["config.json"] = json.dumps(model).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    other = tmp_path / f"unloadable-{next(NUMBERS)}.keras"
    other.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="no attribute 'shape'"):
        models.repair(session, other, out, ON)


# The command ------------------------------------------------------------------------------------


def test_the_command_takes_masks_out_where_no_sample_has_one(
    written: Callable[[Document], Path],
    tmp_path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, out = written(repair_faults.with_mask()), tmp_path / "fused.keras"
    usual = [str(path), "-o", str(out), "--runtime", "tflite", "--cache", str(cache)]
    assert command.main(usual) == 1
    assert "--no-masked-steps" in capsys.readouterr().out
    assert command.main([*usual, "--no-masked-steps"]) == 1
    assert "give --inputs" in capsys.readouterr().out
    samples = tmp_path / "masked.npz"
    np.savez(samples, **stimulus(masked=True))
    assert command.main([*usual, "--no-masked-steps", "--inputs", str(samples)]) == 1
    assert "'mask' masks 8 of 48 steps" in capsys.readouterr().out
    assert not out.exists()
    np.savez(samples, **stimulus())
    assert command.main([*usual, "--no-masked-steps", "--inputs", str(samples)]) == 0
    assert "1 of 1" in capsys.readouterr().out
    assert out.exists()


def test_a_keras_3_model_that_fuses_comes_back_byte_for_byte(
    tmp_path: Path, session: Session
) -> None:
    path = tmp_path / "keras3-stacked.keras"
    path.write_bytes(KERAS3["keras3-3.15.1"].read("stacked.keras"))
    out = tmp_path / "out.keras"
    told = models.repair(session, path, out, ON)
    assert told.proven
    assert out.read_bytes() == path.read_bytes()


def test_bad_input_names_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["m.onnx", "-o", "out.keras"], "expected a file that ends in"),
        (["m.keras", "-o", "out.tflite"], "a repaired Keras model is a .keras file"),
        (["m.keras", "-o", "out.keras", "--int16x8"], "for a .tflite file"),
        (["m.tflite", "-o", "out.tflite", "--no-masked-steps"], "for a Keras model"),
        (["m.keras", "-o", "out.keras", "--runtime", "abacus"], "--runtime abacus"),
        ([str(tmp_path / "m.keras"), "-o", "out.keras"], "no such file"),
    ):
        assert command.main([*arguments, "--cache", str(tmp_path / "cache")]) == 2
        assert message in capsys.readouterr().err


def test_no_configuration_with_code_is_written(session: Session) -> None:
    config = functional(layer("Lambda", "code", function="…"))
    written = keras_file(session.keras, config, {})
    assert isinstance(written, Failure)
    assert "Lambda" in written.message
