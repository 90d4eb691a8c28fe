"""A user's arrays are read without trust: nothing unpickled, nothing allocated on a claim."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.typing import NDArray

from fixtures import array_files, stimuli
from harness.comparison import accuracy

ROOT = Path(__file__).resolve().parents[1]
ONE = [{"name": "x", "shape": [None, 5, 3], "dtype": "float32"}]
GOOD = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3)).astype(np.float32)


def _write(path: Path, **members: Any) -> Path:
    np.savez(path, **members)
    return path


def _member(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _claiming(shape: tuple[int, ...], descr: str = "<f4", data: bytes = b"") -> bytes:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


class _Payload:
    """Unpickling it creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["object array", "bare pickle", "pickle as a member"])
def test_objects_are_refused_and_never_unpickled(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "executed"
    payload = _Payload(marker)
    path = tmp_path / "samples.npz"
    if form == "object array":
        _write(path, x=np.array([payload], dtype=object))
    elif form == "bare pickle":
        path.write_bytes(pickle.dumps(payload))
    else:
        _zip(path, {"x.npy": pickle.dumps(payload)})
    with pytest.raises(ValueError, match=r"not a readable \.npz of plain arrays"):
        stimuli.from_file(path, ONE, "--inputs")
    assert not marker.exists()
    np.save(tmp_path / "labels.npy", np.array([payload], dtype=object))
    with pytest.raises(ValueError, match=r"not a readable \.npy"):
        accuracy.load_labels(tmp_path / "labels.npy", 1)
    assert not marker.exists()
    if form == "object array":  # the payload works where it is trusted
        np.load(path, allow_pickle=True)["x"]
        assert marker.exists()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("fortran", [False, True])
def test_every_byte_order_gives_the_same_numbers(
    tmp_path: Path, order: str, kind: str, fortran: bool
) -> None:
    values = GOOD.astype(order + kind)
    path = _write(tmp_path / "s.npz", x=np.asfortranarray(values) if fortran else values)
    found = stimuli.from_file(path, ONE, "--inputs")["x"]
    assert found.dtype == np.float32
    assert found.dtype.isnative
    np.testing.assert_array_equal(found[:, 0], values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.where(GOOD > 0.9, np.nan, GOOD), "NaN or infinity"),
        (np.where(GOOD > 0.9, np.inf, GOOD), "NaN or infinity"),
        (GOOD.astype(np.float64) * 1e300, "values beyond float32"),
        (GOOD + 1j, "dtype complex64"),
        (GOOD.astype("M8[s]"), "dtype datetime64"),
        (GOOD.astype("S4"), "dtype |S4"),
        (np.zeros((6, 5, 3), [("a", "f4")]), "dtype [('a'"),
        (GOOD[:, :4], "expects samples of shape [N, 5, 3]"),
        (GOOD[:0], "no samples"),
        (np.float32(1), "expects samples of shape"),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    path = _write(tmp_path / "s.npz", x=values)
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is compared below
        stimuli.from_file(path, ONE, "--inputs")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        (np.array([[1, 2], [3, 4]], np.int64), True),
        (np.array([[1, 2], [3, 4]], ">i8"), True),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), True),
        (np.array([[1.5, 2.0], [3.0, 4.0]]), False),
        (np.array([[1, 2], [3, 2**40]], np.int64), False),
        (np.array([[1.0, 2.0], [3.0, 1e300]]), False),
    ],
)
def test_tokens_are_taken_whole_or_refused(tmp_path: Path, values: Any, fits: bool) -> None:
    path = _write(tmp_path / "s.npz", tokens=values)
    inputs = [{"name": "tokens", "shape": [None, 2], "dtype": "int32"}]
    if fits:
        found = stimuli.from_file(path, inputs, "--inputs")["tokens"]
        np.testing.assert_array_equal(found[:, 0], values)
        assert found.dtype == np.int32
    else:
        with pytest.raises(ValueError, match="none of its numbers"):
            stimuli.from_file(path, inputs, "--inputs")


def test_wrong_names_are_listed(tmp_path: Path) -> None:
    path = _write(tmp_path / "s.npz", a=GOOD, b=GOOD)
    with pytest.raises(ValueError, match="expected the arrays x; found a, b"):
        stimuli.from_file(path, ONE, "--inputs")


_HUGE = (1 << 40, 5, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: _zip(p, {"x.npy": _claiming(_HUGE)}), "its header claims"),
        (lambda p: _zip(p, {"x.npy": _claiming((100, 5, 3))}), "0 are there"),
        (lambda p: _zip(p, {"x.npy": _claiming((-1, 5, 3))}), "claims the shape"),
        (lambda p: _zip(p, {"x.npy": _claiming((2, 5, 3), data=bytes(500))}), "500 are there"),
        (lambda p: _zip(p, {"x.npy": b"\x93NUMPY\x09\x00"}), "version (9, 0)"),
        (lambda p: _zip(p, {"x.npy": b"\x93NUMPY\x01\x00\xff\xff{"}), "array 'x'"),
        (lambda p: _zip(p, {f"{k}.npy": b"" for k in range(300)}), "300 arrays"),
        (lambda p: _zip(p, {"x.npy": b""}), "array 'x'"),
        (lambda p: p.write_bytes(b""), "neither .npz nor .npy"),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(100)), "neither .npz nor .npy"),
        (lambda p: p.write_bytes(_claiming(_HUGE)), "its header claims"),
    ],
)
def test_a_claim_is_held_against_what_is_there(
    tmp_path: Path, make: Callable[[Path], Any], message: str
) -> None:
    path = tmp_path / "s.npz"
    make(path)
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        stimuli.from_file(path, ONE, "--inputs")
    assert message in str(refused.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Three GiB of zeros in three MiB, in a process that may not have one GiB."""
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(_claiming((3 << 30,), "|i1"))
        block = bytes(1 << 24)
        for _ in range(3 << 6):
            member.write(block)
    assert path.stat().st_size < 4 << 20
    code = (
        "import sys\nfrom pathlib import Path\nfrom fixtures import arrays\n"
        "try:\n    arrays.read(Path(sys.argv[1]))\nexcept ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
        check=True,
    )
    assert "its header claims 3221225472 bytes, more than" in done.stdout


@pytest.mark.parametrize("offset", range(0, 700, 7))
def test_no_flipped_byte_does_more_than_refuse(tmp_path: Path, offset: int) -> None:
    path = _write(tmp_path / "s.npz", x=GOOD)
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 0xFF
    path.write_bytes(data)
    try:
        found = stimuli.from_file(path, ONE, "--inputs")
    except ValueError:
        return
    np.testing.assert_array_equal(found["x"][:, 0], GOOD)


def test_the_size_that_a_zip_claims_is_not_believed(tmp_path: Path) -> None:
    """The directory of the archive claims other sizes than its members have."""
    path = _zip(tmp_path / "s.npz", {"x.npy": _member(GOOD)})
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 1 << 30)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="array 'x'"):
        array_files.read(path)
