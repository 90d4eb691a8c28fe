"""The store of results: what comes back is what was written, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fixtures.cache import Store

KEY = {"subject": "sequences", "recipe": {"shapes": [[1, None, 28]]}}
ARRAYS = {"tflite": np.arange(1000, dtype=np.uint8), "empty": np.empty((0, 3), np.float32)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "cache")
    found.write(KEY, {"kind": "agreed"}, ARRAYS)
    return found


def _entry(store: Store) -> Path:
    assert store.folder is not None
    (path,) = store.folder.rglob("*.npz")
    return path


def test_what_was_written_is_read(store: Store) -> None:
    found = store.read(KEY)
    assert found is not None
    document, arrays = found
    assert document == {"kind": "agreed"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_another_key_finds_nothing(store: Store) -> None:
    assert store.read({**KEY, "subject": "last"}) is None
    assert store.misses == 1


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.9])
def test_a_damaged_entry_is_never_trusted(store: Store, place: float) -> None:
    path = _entry(store)
    data = bytearray(path.read_bytes())
    for offset in range(8):
        data[int(len(data) * place) + offset] ^= 0xFF
    path.write_bytes(data)
    found = store.read(KEY)
    if found is not None:  # the damage may have hit padding that carries nothing
        np.testing.assert_array_equal(found[1]["tflite"], ARRAYS["tflite"])
        assert found[0] == {"kind": "agreed"}


def test_a_truncated_entry_counts_as_missing_and_is_made_again(store: Store) -> None:
    path = _entry(store)
    path.write_bytes(path.read_bytes()[:300])
    assert store.read(KEY) is None
    store.write(KEY, {"kind": "agreed"}, ARRAYS)
    assert store.read(KEY) is not None


def test_an_entry_under_a_wrong_name_is_not_trusted(store: Store) -> None:
    other = {**KEY, "subject": "last"}
    target = store._path(other)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(_entry(store), target)
    assert store.read(other) is None


def test_pickles_are_not_opened(store: Store) -> None:
    path = _entry(store)
    with path.open("wb") as file:
        np.savez(file, __document__=np.array([{"key": KEY}], dtype=object))
    assert store.read(KEY) is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_speed(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = Store(blocked)
    store.write(KEY, {}, ARRAYS)
    assert store.read(KEY) is None


def test_no_temporary_files_stay(store: Store) -> None:
    assert store.folder is not None
    assert [path.suffix for path in store.folder.rglob("*") if path.is_file()] == [".npz"]
