"""A model with layers of the user's own is built with the module that defines them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.outcomes import Outcome
from harness.conversion.keras_description import from_keras_config
from harness.conversion.user_modules import find
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server
from reference.network import UnsupportedLayer

PATIENT = Limits(seconds=120, memory_bytes=4 << 30)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    server = Server(("keras",))
    made = Worker(server, "keras", PATIENT)
    yield made
    made.close()
    server.close()


def _build(worker: Worker, path: Path, trusted: bool, *modules: Path) -> Answer | Failure:
    # A process of its own: what another request imported would be known.
    worker.close()
    found: dict[str, Any] = {"imports": [m.document() for m in find([str(m) for m in modules])]}
    return worker.call(
        "build", key=str(path), folder=str(path.parent), trusted=trusted, path=str(path), **found
    )


@pytest.mark.parametrize("form", ["custom.keras", "custom.h5"])
def test_the_module_makes_the_model(custom_models: Path, worker: Worker, form: str) -> None:
    answer = _build(worker, custom_models / form, True, custom_models / "users_layers.py")
    assert isinstance(answer, Answer), answer
    with pytest.raises(UnsupportedLayer) as raised:
        from_keras_config(answer.document["config"])
    # A class of the user's is not taken for Keras's of the same name.
    expected = (
        "layer 'scaled' (Scaled) is a class of your own",
        "layer 'attention' (Custom>Attention) is a class of your own",
        "layer 'answer' (Dense): activation is the function 'doubled'",
    )
    assert raised.value.problems == expected[: 2 if form == "custom.h5" else 3]


@pytest.mark.parametrize("form", ["custom.keras", "custom.h5"])
def test_without_it_all_that_is_lacking_is_named(
    custom_models: Path, worker: Worker, form: str
) -> None:
    answer = _build(worker, custom_models / form, True)
    assert isinstance(answer, Failure)
    assert answer.outcome is Outcome.REFUSED
    assert "Scaled" in answer.message
    assert form == "custom.h5" or "doubled" in answer.message
    assert "--import MODULE" in answer.message


def test_nothing_is_imported_for_a_model_that_is_not_trusted(
    custom_models: Path, worker: Worker
) -> None:
    broken = custom_models / "users_broken.py"
    answer = _build(worker, custom_models / "custom.keras", False, broken)
    assert isinstance(answer, Failure)
    assert "--trusted" in answer.message
    assert "no layers today" not in answer.message


def test_a_module_that_fails_is_named(custom_models: Path, worker: Worker) -> None:
    broken = custom_models / "users_broken.py"
    answer = _build(worker, custom_models / "custom.keras", True, broken)
    assert isinstance(answer, Failure)
    assert "--import users_broken failed: SystemExit: no layers today" in answer.message
