"""Drive a device on a wire as `harness.workers.remote.abilities.invoke` wants a model driven.

A device holds one model, which somebody has put there; the class checks that it is the one that was
asked for. A command with the place `{model}` is started anew for each model, with the path of a
file that has it.

Runs in a worker: NumPy, and pyserial where a port is opened.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any, Dict, List, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from harness.workers.remote.board import protocol, transport
from harness.workers.remote.board.conversation import Conversation
from harness.workers.remote.board.log import Log
from harness.workers.remote.board.transport import DeviceError, DeviceReset, DeviceSilent

#: What is open in this process, by transport: a port is opened once.
_OPEN: Dict[str, Any] = {}


class Model:
    """One flatbuffer on one device. Of the request: `transport`, and `answers`, the type and shape
    of each output."""

    def __init__(self, content: bytes, request: Dict[str, Any]) -> None:
        self.size, self.crc = len(content), protocol.crc(content)
        self.transport = request["transport"]
        self.answers = [(np.dtype(kind), tuple(shape)) for kind, shape in request["answers"]]
        self.talk = _talk(self.transport, content)
        self.content = b""
        self.data = b""
        self.micros = 0
        self._said(self._greeted)

    def reset(self) -> None:
        self._said(lambda: self.talk.begin(self.size, self.crc))

    def set(self, inputs: Sequence[NDArray[Any]]) -> None:
        arrays = [np.asarray(value) for value in inputs]
        self.data = b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)

    def invoke(self) -> None:
        self.content, self.micros = self._said(lambda: self.talk.infer(self.data))
        if len(self.content) != self._bytes:
            raise DeviceError(
                "the device's outputs have %d bytes, the model's %d"
                % (len(self.content), self._bytes)
            )

    def get(self) -> List[NDArray[Any]]:
        found, at = [], 0
        for dtype, shape in self.answers:
            size = dtype.itemsize * int(np.prod(shape))
            cut = np.frombuffer(self.content[at : at + size], dtype.newbyteorder("<"))
            found.append(cut.astype(dtype).reshape(shape))
            at += size
        return found

    def read(self, indices: Sequence[int]) -> List[NDArray[Any]]:
        if indices:
            raise DeviceError("state tensors do not go over the wire")
        return []

    def took(self) -> float:
        """Seconds of the last invoke by the device's own clock, 0 where it has none."""
        return self.micros / 1e6

    def told(self) -> Dict[str, Any]:
        """What the device says of itself."""
        hello = self.talk.greet() if self.talk.hello is None else self.talk.hello
        return {
            "name": self.talk.name,
            "model_bytes": hello.model,
            "model_crc": hello.model_crc,
            "arena_used_bytes": hello.arena_used,
            "arena_bytes": hello.arena,
        }

    @property
    def _bytes(self) -> int:
        return sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in self.answers)

    def _greeted(self) -> None:
        hello = self.talk.greet()
        if hello.version != protocol.VERSION:
            raise DeviceError(
                "its agent speaks version %d of the extension, expected %d"
                % (hello.version, protocol.VERSION)
            )
        if (hello.model, hello.model_crc) != (self.size, self.crc):
            raise DeviceError(
                "another model: the device holds one of %d bytes with CRC-32 %s, and this one has "
                "%d bytes and %s. Flash this one, or choose the other by --recipe or --tflite"
                % (hello.model, hello.model_crc, self.size, self.crc)
            )
        if hello.order != protocol.LITTLE:
            raise DeviceError(
                "the device's byte order is %s, expected little-endian: %s"
                % (hello.order, protocol.LITTLE)
            )
        if hello.setup:
            raise DeviceError(
                "the device's Setup gave status %d: an arena too small (it has %d bytes), or an "
                "operator that is not registered" % (hello.setup, hello.arena)
            )
        if hello.outputs != self._bytes:
            raise DeviceError(
                "wrong length: the device's outputs have %d bytes, the model's %d"
                % (hello.outputs, self._bytes)
            )
        self.talk.begin(self.size, self.crc)

    def _said(self, what: Any) -> Any:
        """Say something; what a device broke off is closed, and opened again by the next model."""
        try:
            return what()
        except (DeviceReset, DeviceSilent):
            _close(self.transport)
            raise


def _talk(name: str, content: bytes) -> "Union[Conversation, Log]":
    """A conversation over what the transport names, opened unless it is open."""
    scheme, rest = transport.split(name)
    if scheme == "log":
        return Log(rest)
    anew = scheme == "exec" and transport.PLACE in rest
    wire = _OPEN.get(name)
    if wire is not None and (anew or not wire.usable):
        _close(name)
        wire = None
    if wire is None:
        if scheme == "exec":
            wire = transport.Program(_placed(rest, content) if anew else rest)
        else:
            wire = transport.Port(*transport.port_of(rest))
        _OPEN[name] = wire
    return Conversation(wire)


def _placed(command: str, content: bytes) -> str:
    """The command with the path of a file that has the flatbuffer."""
    fd, path = tempfile.mkstemp(suffix=".tflite")
    with os.fdopen(fd, "wb") as stream:
        stream.write(content)
    return command.replace(transport.PLACE, path)


def _close(name: str) -> None:
    wire = _OPEN.pop(name, None)
    if wire is not None:
        wire.close()
