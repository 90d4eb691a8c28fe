"""A model that was rebuilt otherwise than its Keras 3 file says is refused, and the layer named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.golden.keras3_files import KERAS3
from fixtures.outcomes import Outcome
from fixtures.subjects import Subject, users_models
from harness.comparison.keras3_proof import proven
from harness.conversion.converter import Converter
from harness.support.cache import Store
from harness.support.time_accounting import Account
from harness.workers.server_handle import Server

GOLDEN = KERAS3["keras3-3.12.4"]


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    heavy, light = Server(("keras",)), Server(("inspect",))
    found = Converter(heavy, light, Store(None), Account())
    yield found
    found.close()
    heavy.close()
    light.close()


def _subject(folder: Path, file: str) -> Subject:
    path = folder / file
    path.write_bytes(GOLDEN.read(file))
    return users_models([path], [])[0]


def test_a_model_that_is_rebuilt_rightly_is_proven(converter: Converter, tmp_path: Path) -> None:
    subject = _subject(tmp_path, "text.keras")
    built = proven(converter, subject, converter.build(subject), Store(None))
    assert built.result.agreed, built.result.message
    assert built.reading == {"keras": "3.12.4", "notes": []}


def test_other_weights_are_named(converter: Converter, tmp_path: Path) -> None:
    subject = _subject(tmp_path, "stacked.keras")
    built = converter.build(subject)
    changed = {**built.weights, "lstm_1/0": built.weights["lstm_1/0"][::-1]}
    found = proven(converter, subject, replace(built, weights=changed), Store(None))
    assert found.result.outcome is Outcome.REFUSED
    assert "layer 'lstm_1': the rebuilt model has other weights" in found.result.message


def test_another_computation_is_named(
    converter: Converter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reading takes a layer that goes backwards for one that goes forward."""
    subject = _subject(tmp_path, "gru.keras")
    real = converter.contents

    def misread(which: Subject) -> object:
        answer = real(which)
        for layer in answer.document["model"]["config"]["layers"]:  # type: ignore[union-attr]
            if layer["config"]["name"] == "gru_1":
                layer["config"]["go_backwards"] = False
        return answer

    monkeypatch.setattr(converter, "contents", misread)
    found = proven(converter, subject, converter.build(subject), Store(None))
    assert found.result.outcome is Outcome.REFUSED
    assert "layer 'gru_1' (GRU): the rebuilt model computes otherwise" in found.result.message
