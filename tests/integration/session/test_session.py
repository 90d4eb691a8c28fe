"""A runtime that dies ends its case in an outcome, and the others go on."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.outcomes import Outcome, Phase
from fixtures.recipes import AS_CONVERTED, RECIPES
from fixtures.runtimes import RUNTIMES, Runtime
from fixtures.subjects import Subject
from harness.checks.conversion import measure_conversion
from harness.checks.parity import measure_parity
from harness.conversion.converter import Converter
from harness.execution import interpreters
from harness.execution.interpreters import Workers
from harness.pipeline.cases import Case
from harness.pipeline.settings import Settings
from harness.session import session as session_module
from harness.session.session import Session
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.server_handle import Server
from tests.support.drill_worker import DRILL


class _Drilled(Workers):
    """The usual workers, but for TFLite Micro's, which dies of every model."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.server = Server((DRILL,))
        self._drill = Worker(self.server, DRILL)

    def of(self, runtime: Runtime, content: bytes = b"") -> Worker:
        return self._drill if runtime.name == "tflm" else super().of(runtime)

    def close(self) -> None:
        super().close()
        self._drill.close()
        self.server.close()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    found = Session(Settings(seed=1, cache=tmp_path))
    yield found
    found.close()


def test_a_runtime_that_dies_costs_its_own_case_only(
    session: Session, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "Workers", _Drilled)
    subject = Subject("small.h5", "keras", path=models / "small.h5")
    recipe = RECIPES["float32"]
    outcomes = {
        name: measure_parity(Case("test_parity", subject, recipe, runtime), session).result
        for name, runtime in RUNTIMES.items()
    }
    dead = outcomes.pop("tflm")
    assert (dead.phase, dead.outcome) == (Phase.LOAD, Outcome.CRASHED)
    assert (dead.message, dead.native) == ("SIGSEGV", "loading")
    assert all(outcome.agreed for outcome in outcomes.values()), outcomes


def test_a_pipeline_that_cannot_be_made_fails_its_cases_and_hangs_none(
    session: Session, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise OSError("no pipeline today")

    monkeypatch.setattr(session_module, "Pipeline", broken)
    for name in ("small.h5", "gru.keras"):
        subject = Subject(name, "keras", path=models / name)
        with pytest.raises(OSError, match="no pipeline today"):
            measure_conversion(Case("test_conversion", subject, RECIPES["float32"]), session)


def test_a_missing_python_refuses_and_says_so(session: Session, models: Path) -> None:
    session.light.python = "/nowhere/python"
    subject = Subject("fused.tflite", "tflite", path=models / "fused.tflite")
    outcome = measure_conversion(Case("test_conversion", subject, AS_CONVERTED), session).result
    assert outcome.outcome is Outcome.REFUSED
    assert "/nowhere/python" in outcome.message


def test_the_time_is_accounted_for(session: Session, models: Path) -> None:
    subject = Subject("small.h5", "keras", path=models / "small.h5")
    measure_conversion(Case("test_conversion", subject, RECIPES["float32"]), session)
    kinds = {"import", "build", "convert", "invoke", "structure", "oracle", "idle", "threads"}
    assert kinds <= set(session.seconds)
    assert (
        session.seconds["idle"] >= session.seconds["convert"]
    )  # the test waited for its conversion
    assert 0 < session.seconds["processor convert"] <= 2 * session.seconds["convert"]


def test_files_of_one_name_in_two_folders_are_two_models(
    session: Session, models: Path, tmp_path: Path
) -> None:
    """Whoever asks for them one after the other by that name gets each one's own answers."""
    converter = Converter(session.keras, session.light, session.store, session.account)
    subjects = []
    for folder, name in (("a", "small.h5"), ("b", "unknown.keras")):
        path = tmp_path / folder / "model.keras"
        path.parent.mkdir()
        shutil.copyfile(models / name, path.with_suffix(Path(name).suffix))
        found = Subject("model.keras", "keras", path=path.with_suffix(Path(name).suffix))
        subjects.append(found)
    try:
        answers = []
        for subject in (*subjects, *subjects):
            built = converter.build(subject)
            assert built.result.agreed, built.result
            stimulus = {e["name"]: np.ones((1, 1, *e["shape"][1:]), "f4") for e in built.inputs}
            run = converter.answers(subject, stimulus, layers=False)
            assert not isinstance(run, Failure), run
            answers.append(run.arrays["output/0"].tobytes())
    finally:
        converter.close()
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0] != answers[1]


def test_a_file_of_tf_keras_is_read_as_the_keras_that_it_is(
    session: Session, models: Path, tmp_path: Path
) -> None:
    """It has the same classes in a package of another name."""
    theirs = tmp_path / "theirs.keras"
    with zipfile.ZipFile(models / "small model.keras") as old, zipfile.ZipFile(theirs, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = content.replace(b'"keras.', b'"tf_keras.')
                assert b"tf_keras.src" in content
            new.writestr(name, content)
    converter = Converter(session.keras, session.light, session.store, session.account)
    try:
        ours = converter.build(Subject("a", "keras", path=models / "small model.keras"))
        found = converter.build(Subject("b", "keras", path=theirs))
    finally:
        converter.close()
    assert found.result.agreed, found.result
    assert found.weights.keys() == ours.weights.keys()
    assert all(np.array_equal(found.weights[name], ours.weights[name]) for name in ours.weights)
