"""Keras 3 files are read as data: what hides in one is refused, and a wrong rebuild is named."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.golden.keras3_files import KERAS3
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server

PATIENT = Limits(seconds=120, memory_bytes=4 << 30)
GOLDEN = KERAS3["keras3-3.6.0"]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    server = Server(("keras",))
    found = Worker(server, "keras", PATIENT)
    yield found
    found.close()
    server.close()


def _build(worker: Worker, path: Path) -> Answer | Failure:
    return worker.call(
        "build", key=str(path), folder=str(path.parent), trusted=False, path=str(path)
    )


def _entries(file: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(GOLDEN.read(file))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _written(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def _reconfigured(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    entries = _entries("stacked.keras")
    document = json.loads(entries["config.json"])
    change(document["config"]["layers"])
    entries["config.json"] = json.dumps(document).encode()
    return _written(path, entries)


def test_an_untouched_file_is_rebuilt(worker: Worker, tmp_path: Path) -> None:
    answer = _build(worker, _written(tmp_path / "m.keras", _entries("stacked.keras")))
    assert isinstance(answer, Answer), answer
    assert answer.document["reading"] == {"keras": "3.6.0", "notes": []}


def _lambda(layers: list[dict[str, Any]]) -> None:
    layers[1] = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "lstm"}}


def _of_a_module(layers: list[dict[str, Any]]) -> None:
    layers[1] |= {"module": "hostile_module", "registered_name": "x>LSTM"}


def _registered(layers: list[dict[str, Any]]) -> None:
    layers[1]["registered_name"] = "mine>LSTM"


def _function(layers: list[dict[str, Any]]) -> None:
    layers[1]["config"]["activation"] = {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "system",
    }


def _quantised(layers: list[dict[str, Any]]) -> None:
    layers[-1]["config"]["dtype"] = "int8_from_float32"


def _hard(layers: list[dict[str, Any]]) -> None:
    layers[1]["config"]["recurrent_activation"] = "hard_sigmoid"


def _option(layers: list[dict[str, Any]]) -> None:
    layers[1]["config"]["peephole"] = True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_lambda, "layer 'lstm' (Lambda)"),
        (_of_a_module, "'hostile_module'"),
        (_registered, "'mine>LSTM'"),
        (_function, "layer 'lstm' (LSTM): activation"),
        (_quantised, "layer 'dense' (Dense): the dtype policy int8_from_float32"),
        (_hard, "relu6(x + 3) / 6 in Keras 3"),
        (_option, "the option peephole=True"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    worker: Worker, tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], said: str
) -> None:
    answer = _build(worker, _reconfigured(tmp_path / "m.keras", change))
    assert isinstance(answer, Failure)
    assert said in answer.message
    assert "3.6.0" in answer.message


def test_a_bomb_is_not_inflated(worker: Worker, tmp_path: Path) -> None:
    entries = _entries("stacked.keras")
    entries["model.weights.h5"] = bytes(64 << 20)
    answer = _build(worker, _written(tmp_path / "m.keras", entries))
    assert isinstance(answer, Failure)
    assert "model.weights.h5 in the model has 67108864 bytes" in answer.message


def test_sharded_or_missing_weights_are_refused(worker: Worker, tmp_path: Path) -> None:
    entries = _entries("stacked.keras")
    entries["model.weights.npz"] = entries.pop("model.weights.h5")
    answer = _build(worker, _written(tmp_path / "m.keras", entries))
    assert isinstance(answer, Failure)
    assert "model.weights.npz" in answer.message


def test_two_entries_of_one_name_are_refused(worker: Worker, tmp_path: Path) -> None:
    path = _written(tmp_path / "m.keras", _entries("stacked.keras"))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    answer = _build(worker, path)
    assert isinstance(answer, Failure)
    assert "2 entries 'config.json'" in answer.message


def test_calls_that_read_each_other_are_refused_at_once(worker: Worker, tmp_path: Path) -> None:
    entries = _entries("renamed.keras")
    document = json.loads(entries["config.json"])
    layer = document["config"]["layers"][1]
    tensor = layer["inbound_nodes"][0]["args"][0]
    tensor["config"]["keras_history"] = [layer["config"]["name"], 0, 0]
    entries["config.json"] = json.dumps(document).encode()
    answer = _build(worker, _written(tmp_path / "m.keras", entries))
    assert isinstance(answer, Failure)
    assert "read each other" in answer.message


@pytest.mark.parametrize("kind", ["external", "link", "huge"])
def test_weights_that_are_not_in_the_file_are_refused(
    worker: Worker, tmp_path: Path, kind: str
) -> None:
    h5py = pytest.importorskip("h5py")
    weights = tmp_path / "w.h5"
    entries = _entries("stacked.keras")
    weights.write_bytes(entries["model.weights.h5"])
    name = "layers/dense/vars/0"
    with h5py.File(weights, "r+") as file:
        del file[name]
        if kind == "external":
            secret = [(str(tmp_path / "m.keras"), 0, 48)]
            file.create_dataset(name, (4, 3), "f4", external=secret)
        elif kind == "link":
            file[name] = h5py.ExternalLink(str(weights), "/layers/dense/vars/1")
        else:
            file.create_dataset(name, (1 << 20, 1 << 20), "f4")
    entries["model.weights.h5"] = weights.read_bytes()
    answer = _build(worker, _written(tmp_path / "m.keras", entries))
    assert isinstance(answer, Failure)
    said = {"external": "in another file", "link": "points at", "huge": "more numbers than"}
    assert said[kind] in answer.message
