"""Keras files that carry code are refused before any of it runs, unless they are trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fixtures.outcomes import Outcome
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server

PATIENT = Limits(seconds=120, memory_bytes=4 << 30)


@pytest.fixture(scope="module")
def hostile(hostile_models: Path) -> tuple[Path, Path, dict[str, str]]:
    """Folder of the files, the file that their code would create, and the loader's verdicts."""
    judged = json.loads((hostile_models.parent / "judged.json").read_text())
    return hostile_models, hostile_models.parent / "executed", judged


def test_every_form_of_code_is_named(hostile: tuple[Path, Path, dict[str, str]]) -> None:
    judged = hostile[2]
    expected = {"escaped.h5": "Lambda layer", "module.keras": "'hostile_module'"}
    expected |= {"function.keras": "module 'os'", "inside.keras": "'os.system'"}
    expected |= {"operation.keras": "tf.io.write_file", "writing-saved": "WriteFile"}
    for name in ("direct", "wrapped", "nested"):
        expected |= {f"{name}{form}": "Lambda layer" for form in (".keras", ".h5", "-saved")}
    plain = {f"plain{form}" for form in (".keras", ".h5", "-saved")}
    assert set(judged) == plain | set(expected)
    for name, reason in expected.items():
        assert reason in judged[name], name
    for name in plain:
        assert judged[name] == "", "a model without code"


def test_no_code_runs_in_a_worker_unless_the_file_is_trusted(
    hostile: tuple[Path, Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, marker, judged = hostile
    # The module that a file names can be found: a loader that imported it would run it.
    monkeypatch.setenv("PYTHONPATH", str(folder))
    server = Server(("keras",))
    worker = Worker(server, "keras", PATIENT)

    def build(name: str, trusted: bool) -> Answer | Failure:
        return worker.call(
            "build",
            key=f"{name} {trusted}",
            folder=str(tmp_path),
            trusted=trusted,
            path=str(folder / name),
        )

    try:
        for name, reason in judged.items():
            answer = build(name, trusted=False)
            if reason:
                assert isinstance(answer, Failure), name
                assert answer.outcome is Outcome.REFUSED
                assert "--trusted" in answer.message
            else:
                assert isinstance(answer, Answer), name
            assert not marker.exists(), f"{name} was executed"
        # The payloads are no duds: each of these runs where the user trusts the file.
        for name in ("escaped.h5", "nested.h5"):
            build(name, trusted=True)
            assert marker.exists(), f"{name} should have run"
            os.unlink(marker)
    finally:
        worker.close()
        server.close()
