"""The protocol delivers what is sent, and takes nothing but a frame for one."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from harness.workers.remote import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


_DTYPES = st.sampled_from(["float32", "float64", "int8", "int16", "int32", "int64", "bool", ">f4"])


@settings(max_examples=60, deadline=None)
@given(
    array=_DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0))),
    text=st.text(),
)
def test_arrays_and_text_arrive_as_they_were(array: NDArray[Any], text: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, {"op": text}, {"a": array, "b": array[...]})
        document, arrays = wire.receive(theirs)
    assert document["op"] == text
    for received in arrays.values():
        assert received.shape == array.shape
        assert received.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(received, array)


def test_a_strided_view_arrives_in_order(pair: Pair) -> None:
    view = np.arange(24, dtype=np.int16).reshape(4, 6).T[::2]
    wire.send(pair[0], {}, {"view": view})
    np.testing.assert_array_equal(wire.receive(pair[1])[1]["view"], view)


def test_objects_are_refused_and_never_pickled(pair: Pair) -> None:
    with pytest.raises(wire.ProtocolError, match="Python objects"):
        wire.send(pair[0], {}, {"bad": np.array([{}], dtype=object)})


def test_another_version_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "VERSION", 2)
    wire.send(pair[0], {}, {})
    monkeypatch.setattr(wire, "VERSION", 1)
    with pytest.raises(wire.ProtocolError, match="version 2, expected 1"):
        wire.receive(pair[1])


def test_noise_is_no_frame(pair: Pair) -> None:
    pair[0].sendall(struct.pack("<II", 0xFFFFFFFF, 1))
    with pytest.raises(wire.ProtocolError, match="announces"):
        wire.receive(pair[1])


def _frame(document: bytes, count: int) -> bytes:
    return struct.pack("<II", len(document), count) + document


@pytest.mark.parametrize(
    ("document", "count"),
    [
        (b"", 0),
        (b"\xff\xfe", 0),
        (b"[]", 0),
        (b"{", 0),
        (b"[" * 100_000, 0),
        (b'{"v": 1}', 0),
        (b'{"v": 1, "arrays": 3}', 3),
        (b'{"v": 1, "arrays": []}', 1),
        (b'{"v": 1, "arrays": [3]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "<f4"}]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "nonsense", "shape": [1]}]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "O", "shape": [1]}]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "<f4", "shape": [-1]}]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "<f4", "shape": "x"}]}', 1),
        (b'{"v": 1, "arrays": [{"name": "a", "dtype": "<f4", "shape": [1099511627776]}]}', 1),
    ],
)
def test_a_frame_that_makes_no_sense_is_named(pair: Pair, document: bytes, count: int) -> None:
    sender = threading.Thread(target=pair[0].sendall, args=[_frame(document, count)])
    sender.start()
    with pytest.raises(wire.ProtocolError):
        wire.receive(pair[1])
    sender.join()


def test_a_closed_channel_is_the_end(pair: Pair) -> None:
    pair[0].sendall(b"\x01")
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1])
