"""The store of results gives back what was written, or nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.support.cache import Entry, Store, fingerprint

KEY = {"subject": "sequences", "recipe": {"shapes": [[1, None, 28]]}}
ARRAYS: dict[str, NDArray[Any]] = {
    "tflite": np.arange(1000, dtype=np.uint8),
    "empty": np.empty((0, 3), np.float32),
}


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


def test_no_flipped_bit_anywhere_is_trusted(store: Store) -> None:
    path = _entry(store)
    healthy = path.read_bytes()
    for place in range(len(healthy)):
        data = bytearray(healthy)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        assert store.read(KEY) is None, f"byte {place} of {len(healthy)}"
    path.write_bytes(healthy)
    assert store.read(KEY) is not None


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(lambda data: data[:-1], id="a byte less"),
        pytest.param(lambda data: data + b"\0", id="a byte more"),
        pytest.param(lambda data: data[:-32], id="no digest"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data[32:] + data[:32], id="rotated"),
        pytest.param(lambda data: data * 2, id="twice"),
    ],
)
def test_a_damaged_entry_is_rebuilt_and_never_trusted(
    store: Store, damaged: Callable[[bytes], bytes]
) -> None:
    path = _entry(store)
    path.write_bytes(damaged(path.read_bytes()))
    assert store.read(KEY) is None
    store.write(KEY, {"kind": "agreed"}, ARRAYS)
    found = store.read(KEY)
    assert found is not None
    np.testing.assert_array_equal(found[1]["tflite"], ARRAYS["tflite"])


def test_an_entry_with_a_right_digest_and_another_key_is_not_trusted(store: Store) -> None:
    """The digest shows damage; the key inside shows what it is an entry of."""
    other = {**KEY, "subject": "last"}
    store.write(other, {"kind": "refused"}, {})
    store._path(other).replace(store._path(KEY))
    assert store.read(KEY) is None


def test_two_writers_of_one_entry_leave_it_whole(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "cache") for _ in range(2)]

    def work(store: Store) -> int:
        wrong = 0
        for _ in range(40):
            store.write(KEY, {"kind": "agreed"}, ARRAYS)
            found = store.read(KEY)
            wrong += found is None or found[0] != {"kind": "agreed"}
        return wrong

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, stores)) == 0
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1


def test_a_full_disk_costs_speed_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        store.write(KEY, {}, ARRAYS)
    assert store.read(KEY) is None
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


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
    assert store.unkept == ""
    store.write(KEY, {}, ARRAYS)
    assert store.read(KEY) is None
    assert str(blocked) in store.unkept


def test_no_temporary_files_stay(store: Store) -> None:
    assert store.folder is not None
    assert [path.suffix for path in store.folder.rglob("*") if path.is_file()] == [".npz"]


def test_a_result_is_made_once(tmp_path: Path) -> None:
    store, made = Store(tmp_path / "cache"), []

    def make() -> Entry:
        made.append(1)
        return {"rule": "x"}, {"value": np.arange(3.0)}

    for _ in range(3):
        document, arrays = store.once(KEY, make)
        assert document == {"rule": "x"}
        np.testing.assert_array_equal(arrays["value"], np.arange(3.0))
    assert len(made) == 1


@dataclass(frozen=True)
class _Model:
    kernel: NDArray[Any]
    pair: tuple[Any, ...] = (None, np.float32(2))
    clip: float = 0.0


def test_a_fingerprint_tells_apart_all_that_differs() -> None:
    plain = np.array([[1.0, 2.0]], np.float32)
    differing = [
        _Model(plain),
        _Model(plain.astype(np.float64)),
        _Model(plain.T),
        _Model(np.nextafter(plain, np.float32(9))),
        _Model(plain, (None, np.float64(2))),
        _Model(plain, (np.float32(2), None)),
        _Model(plain, ((None,), np.float32(2))),
        _Model(plain, clip=-0.0),
        _Model(plain, clip=1e-300),
        plain,
    ]
    assert len({fingerprint(each) for each in differing}) == len(differing)
    assert fingerprint(_Model(plain)) == fingerprint(_Model(plain.copy()))


@pytest.mark.parametrize("value", [object(), _Model, {"a": 1}, np.array([None])])
def test_what_has_no_fingerprint_is_refused(value: Any) -> None:
    """An object's memory address would be a key that never fits, or fits something else."""
    with pytest.raises(TypeError, match="no part of a key"):
        fingerprint((1, value))
