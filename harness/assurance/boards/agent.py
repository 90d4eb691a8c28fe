"""Answer the line protocol as a board does, around any model, for tests of the wire.

The firmware's agent is C (harness/device/agent/); this one is its twin in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from harness.workers.remote.board import protocol
from harness.workers.remote.board.protocol import crc, line

#: Bytes of the output in one line, as the C agent sends them.
_CHUNK = 32


class Hooks(Protocol):
    """What is behind an agent: a model in bytes. Statuses are 0 where all is well."""

    #: The flatbuffer; sizes of all inputs and of all outputs together, in bytes.
    model: bytes
    inputs: int
    outputs: int
    arena_used: int
    arena: int

    def setup(self) -> int: ...
    def reset(self) -> int: ...
    def invoke(self, data: bytes) -> int: ...
    def output(self) -> bytes: ...
    def micros(self) -> int: ...


@dataclass
class Agent:
    """The device's side of the protocol: bytes in, bytes out."""

    hooks: Hooks
    send: Callable[[bytes], None]
    command_bytes: int = 256
    name: str = "python"
    nonce: str = "0"
    invokes: int = 0
    expected: int = 0
    loaded: bytes = b""
    #: The input of the last invoke, which `loaded` may no longer be.
    invoked: bytes = b""
    micros: int = 0
    status: int = 0
    fault_of_setup: int = 0
    refusing: bool = False
    _command: bytearray = field(default_factory=bytearray)

    def start(self) -> None:
        """What a board does when it gets power: nothing is left of what was before."""
        self.nonce, self.invokes, self.expected, self.loaded = "0", 0, 0, b""
        self.micros = self.status = 0
        self.refusing = False
        self._command.clear()
        self.fault_of_setup = self.hooks.setup()
        self.say("m-init-done")
        self.say(protocol.READY)

    def take(self, data: bytes) -> None:
        """Bytes from the wire, in any pieces."""
        for byte in data:
            if byte == ord(protocol.END):
                text = (
                    bytes(self._command)
                    .decode("ascii", "replace")
                    .replace("\0", "")
                    .lstrip("\r\n ")
                )
                self._command.clear()
                self.obey(text)
            elif len(self._command) <= self.command_bytes:
                self._command.append(byte)

    def say(self, text: str) -> None:
        self.send(text.encode("ascii", "replace") + b"\r\n")

    def obey(self, text: str) -> None:
        words = text.split(" ")
        if len(text) > self.command_bytes:
            self.say("e-[Command too long]")
        elif text and not self._known(words):
            self.say(f"e-[Unknown command: {words[0][:16]}]")
        self.say(protocol.READY)

    def _known(self, words: list[str]) -> bool:
        match words:
            case ["name"]:
                self.say(f"m-name-dut-[{self.name}]")
            case ["timestamp"]:
                self.say(f"m-lap-us-{self.hooks.micros()}")
            case ["profile"]:
                self.say("m-profile-[LSTM conformance agent 1]")
                self.say(f"m-model-[{crc(self.hooks.model)}]")
            case ["db", "load", size]:
                self._load(size)
            case ["db", digits]:
                self._digits(digits)
            case ["infer", *counts]:
                self._infer(counts)
            case ["lstm", what, *rest] if rest and all(map(_plain, rest)):
                return self._extension(what, rest[0], rest[1:])
            case _:
                return False
        return True

    def _load(self, size: str) -> None:
        self.loaded, self.expected = b"", 0
        if not size.isdigit() or int(size) != self.hooks.inputs:
            self.say(f"e-[The inputs have {self.hooks.inputs} bytes]")
            return
        self.expected = int(size)
        self.say(f"m-[Expecting {size} bytes]")

    def _digits(self, digits: str) -> None:
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            self.say("e-[Invalid hex digits]")
            return
        if len(self.loaded) + len(data) > self.expected:
            self.say("e-[More bytes than expected]")
            return
        self.loaded += data
        if len(self.loaded) == self.expected:
            self.say("m-load-done")

    def _infer(self, counts: list[str]) -> None:
        """Unlike MLPerf Tiny's the warm-up is none unless it is asked for."""
        numbers = [int(text) for text in counts if text.isdigit()]
        if len(numbers) != len(counts) or not 1 <= len(counts) <= 2 or numbers[0] < 1:
            self.say("e-[infer N [W], N > 0]")
            return
        if self.fault_of_setup:
            self.say("e-[Setup failed]")
            return
        if self.refusing:
            self.say("e-[Another model was asked for]")
            return
        if len(self.loaded) != self.hooks.inputs:
            self.say("e-[No input is loaded]")
            return
        warm = numbers[1] if len(numbers) > 1 else 0
        self.say(f"m-warmup-start-{warm}")
        self._invoke(warm)
        self.say("m-warmup-done")
        self.say(f"m-infer-start-{numbers[0]}")
        began = self.hooks.micros()
        self.say(f"m-lap-us-{began}")
        self._invoke(numbers[0])
        ended = self.hooks.micros()
        self.micros = max(0, ended - began) // numbers[0]
        self.say(f"m-lap-us-{ended}")
        self.say("m-infer-done")

    def _invoke(self, times: int) -> None:
        for _ in range(times):
            self.status = self.hooks.invoke(self.loaded)
            self.invokes += 1
            self.invoked = self.loaded

    def _extension(self, what: str, tag: str, rest: list[str]) -> bool:
        hooks, model = self.hooks, self.hooks.model
        told: tuple[object, ...]
        match what, rest:
            case "hello", []:
                sizes = (self.command_bytes, hooks.inputs, hooks.outputs)
                arena = (hooks.arena_used, hooks.arena)
                told = (protocol.VERSION, *sizes, *arena, len(model), crc(model))
                self.say(line("hello", tag, *told, protocol.LITTLE, self.fault_of_setup))
            case "begin", [nonce, size, checksum]:
                same = (size, checksum) == (str(len(model)), crc(model))
                self.nonce, self.invokes, self.loaded, self.expected = "0", 0, b"", 0
                self.refusing = not same
                status = hooks.reset() if same else 0
                if same and status == 0:
                    self.nonce = nonce
                told = (nonce, int(same), len(model), crc(model), status)
                self.say(line("begin", tag, *told))
            case "status", []:
                told = (self.nonce, self.invokes, len(self.loaded), crc(self.loaded))
                self.say(line("status", tag, *told))
            case "results", []:
                self._results(tag)
            case _:
                return False
        return True

    def _results(self, tag: str) -> None:
        if self.invokes == 0:
            self.say("e-[Nothing was invoked]")
            return
        content = self.hooks.output()
        head = (self.nonce, self.invokes, crc(self.invoked), len(content), self.micros, self.status)
        self.say(line("result", tag, *head))
        for start in range(0, len(content), _CHUNK):
            self.say(line("out", tag, start, content[start : start + _CHUNK].hex()))
        self.say(line("done", tag, len(content), crc(content)))


def _plain(word: str) -> bool:
    """Whether a word may be repeated in an answer."""
    return 0 < len(word) <= 10 and word.isascii() and word.isalnum()
