"""Write the commands of the line protocol, and read the lines that answer them.

The protocol is that of MLPerf Tiny with the extension of docs/device.md. A command ends with `%`,
a line of the answer with a line feed, an answer with the line `m-ready`. Every line of the
extension carries the tag of its command and a CRC-32 of its own text: what is damaged on the way is
no line at all, and an answer to an earlier command is not taken for one to this.

Runs in a worker: the standard library only.
"""

from __future__ import annotations

import re
import zlib
from typing import List, NamedTuple, Optional, Tuple

#: Raised by one when a line of the extension changes meaning.
VERSION = 1
END = "%"
READY = "m-ready"
#: What every implementation of MLPerf Tiny takes as one command, its end not counted.
SMALLEST_COMMAND = 80
#: A line that grows beyond this is noise.
LONGEST_LINE = 4096
#: How the four bytes of 0x01020304 lie in the memory of a little-endian processor.
LITTLE = "04030201"
_EXTENSION = re.compile(r"m-lstm-([a-z]+)-\[([0-9A-Za-z_.,:+ -]*)\]-([0-9a-f]{8})\Z")
_ERROR = re.compile(r"e-\[(.*)\]\Z")


class Line(NamedTuple):
    """A line of the extension whose checksum is right."""

    kind: str
    tag: str
    fields: Tuple[str, ...]


def crc(data: bytes) -> str:
    """CRC-32 (IEEE 802.3, as zlib computes it) in eight hexadecimal digits."""
    return "%08x" % (zlib.crc32(data) & 0xFFFFFFFF)


def command(text: str) -> bytes:
    return (text + END).encode("ascii")


def line(kind: str, tag: str, *fields: object) -> str:
    """A line of the extension, as the device writes it (without its end)."""
    text = "m-lstm-%s-[%s]" % (kind, ",".join([tag, *[str(field) for field in fields]]))
    return "%s-%s" % (text, crc(text.encode("ascii")))


def parsed(text: str) -> Optional[Line]:
    """A line of the extension, None for any other and for one that was damaged."""
    found = _EXTENSION.match(text)
    if found is None or crc(text[:-9].encode("ascii", "replace")) != found.group(3):
        return None
    tag, *fields = found.group(2).split(",")
    return Line(found.group(1), tag, tuple(fields))


def error(text: str) -> Optional[str]:
    """What a line `e-[…]` says, None for any other line."""
    found = _ERROR.match(text)
    return None if found is None else found.group(1)


class Lines:
    """Cuts what comes over the wire into lines, whatever it is cut into on the way."""

    def __init__(self) -> None:
        self._rest = b""
        self._noise = False

    def clear(self) -> None:
        self._rest, self._noise = b"", False

    def feed(self, data: bytes) -> List[str]:
        """The lines that these bytes complete. Bytes that are no ASCII spoil only their line."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._noise = b"", True
        found = []
        for each in whole:
            text = each.decode("ascii", "replace").strip("\r\0 ")
            if text and not self._noise:
                found.append(text)
            self._noise = False
        return found


def number(text: str) -> int:
    """A decimal number of at most ten digits. Raises ValueError for anything else."""
    if not re.match(r"[0-9]{1,10}\Z", text):
        raise ValueError("%r is no number" % text)
    return int(text)


class Hello(NamedTuple):
    """What a device says of itself: sizes in bytes; setup: 0, or the status that its hook gave."""

    version: int
    command: int
    inputs: int
    outputs: int
    arena_used: int
    arena: int
    model: int
    model_crc: str
    order: str
    setup: int

    @classmethod
    def of(cls, found: Line) -> "Hello":
        version, size, inputs, outputs, used, arena, model, model_crc, order, setup = found.fields
        return cls(
            *(number(version), number(size), number(inputs), number(outputs)),
            *(number(used), number(arena), number(model)),
            *(model_crc, order, number(setup)),
        )


class Status(NamedTuple):
    """Where a device stands: the session, invokes since its beginning, the input it holds."""

    nonce: str
    invokes: int
    loaded: int
    input_crc: str

    @classmethod
    def of(cls, found: Line) -> "Status":
        nonce, invokes, loaded, input_crc = found.fields
        return cls(nonce, number(invokes), number(loaded), input_crc)


class Result(NamedTuple):
    """The head of an answer: whose it is, its size, microseconds of the invoke by the device's
    clock (0 without one), and the status that Invoke gave."""

    nonce: str
    invokes: int
    input_crc: str
    size: int
    micros: int
    status: int

    @classmethod
    def of(cls, found: Line) -> "Result":
        nonce, invokes, input_crc, size, micros, status = found.fields
        plain = [number(text) for text in (invokes, size, micros, status)]
        return cls(nonce, plain[0], input_crc, *plain[1:])
