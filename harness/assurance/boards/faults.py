"""Make agents that are wrong in one way each, as a board, its firmware or its cable may be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.assurance.boards.agent import Agent, Hooks
from harness.workers.remote.board import protocol


@dataclass
class _Spoiling(Agent):
    """An agent whose hooks or lines go through a change."""

    answers: int = field(default=0)


class DropsBytes(_Spoiling):
    """Every 400th byte that it sends is lost: a line without flow control."""

    def say(self, text: str) -> None:
        data = text.encode() + b"\r\n"
        kept = bytearray()
        for byte in data:
            self.answers += 1
            if self.answers % 400:
                kept.append(byte)
        self.send(bytes(kept))


class LosesMostBytes(_Spoiling):
    """Every 20th byte is lost: nothing longer than a word comes through."""

    def say(self, text: str) -> None:
        kept = bytearray()
        for byte in text.encode() + b"\r\n":
            self.answers += 1
            if self.answers % 20:
                kept.append(byte)
        self.send(bytes(kept))


class Resets(_Spoiling):
    """Loses power in the third invoke."""

    def _invoke(self, times: int) -> None:
        super()._invoke(times)
        self.answers += times
        if self.answers == 3:
            self.start()


class Hangs(_Spoiling):
    """Does not come back from its third invoke."""

    def _invoke(self, times: int) -> None:
        self.answers += times
        if self.answers == 3:
            time.sleep(3600)
        super()._invoke(times)


class Babbles(_Spoiling):
    """Sends noise without end instead of its second answer."""

    def _results(self, tag: str) -> None:
        self.answers += 1
        if self.answers > 1:
            while True:
                self.send(bytes(range(128, 256)) * 32)
        super()._results(tag)


class LogsBetween(_Spoiling):
    """Healthy, and prints lines of its own between those of its answers."""

    def say(self, text: str) -> None:
        self.answers += 1
        super().say(f"I (%d) app: heap 123456 [m-ready soon] {self.answers}")
        super().say(text)


class _Behind(_Spoiling):
    """An agent with other hooks than those it was given."""

    def __init__(self, hooks: Hooks, send: Callable[[bytes], None]) -> None:
        super().__init__(_Changed(hooks, self), send)

    def content(self, output: bytes) -> bytes:
        return output


class _Changed:
    """Hooks whose output goes through an agent's change, before its checksum is computed."""

    def __init__(self, hooks: Hooks, agent: _Behind) -> None:
        self._hooks, self._agent = hooks, agent
        self.model, self.arena, self.arena_used = hooks.model, hooks.arena, hooks.arena_used
        self.inputs, self.outputs = hooks.inputs, hooks.outputs
        self.setup, self.reset = hooks.setup, hooks.reset
        self.invoke, self.micros = hooks.invoke, hooks.micros

    def output(self) -> bytes:
        return self._agent.content(self._hooks.output())


class SwapsBytes(_Behind):
    """Sends each pair of bytes the other way round, checksums and all: big-endian, unsaid."""

    def content(self, output: bytes) -> bytes:
        swapped = bytearray(output)
        swapped[0::2], swapped[1::2] = output[1::2], output[0::2]
        return bytes(swapped)


class FlipsABit(_Behind):
    """One bit of the memory behind the outputs is stuck."""

    def content(self, output: bytes) -> bytes:
        return output[:-1] + bytes([output[-1] ^ 0x10])


class ShortAnswers(_Behind):
    """Sends one byte less than the model has outputs."""

    def content(self, output: bytes) -> bytes:
        return output[:-1]


class AnotherModel(_Behind):
    """Holds another model of the same shapes: it was not flashed anew."""

    def __init__(self, hooks: Hooks, send: Callable[[bytes], None]) -> None:
        super().__init__(hooks, send)
        self.hooks.model = hooks.model[:-1] + bytes([hooks.model[-1] ^ 1])


class InvokesTwice(_Spoiling):
    """Warms up once before each invoke, without a word, as for a model that has no state."""

    def _invoke(self, times: int) -> None:
        for _ in range(2 * times):
            self.status = self.hooks.invoke(self.loaded)
        self.invokes += times
        self.invoked = self.loaded


class WarmsUp(_Spoiling):
    """Ten invokes come before the one that was asked for, MLPerf Tiny's default."""

    def _infer(self, counts: list[str]) -> None:
        super()._infer([counts[0], "10"])


class SetupFails(_Spoiling):
    """Its arena is too small."""

    def start(self) -> None:
        super().start()
        self.fault_of_setup = 1


class Plain(_Spoiling):
    """Speaks MLPerf Tiny's protocol and knows no extension."""

    def _extension(self, what: str, tag: str, rest: list[str]) -> bool:
        return False


class Mute(_Spoiling):
    """Says nothing: the wrong port, or no agent."""

    def say(self, text: str) -> None:
        return


class BigEndian(_Spoiling):
    """Says that its processor is big-endian."""

    def say(self, text: str) -> None:
        found = protocol.parsed(text)
        if found is not None and found.kind == "hello":
            fields = list(found.fields)
            fields[-2] = "01020304"
            text = protocol.line("hello", found.tag, *fields)
        super().say(text)


FAULTS: dict[str, type[Agent]] = {
    "drops-bytes": DropsBytes,
    "loses-most-bytes": LosesMostBytes,
    "resets": Resets,
    "hangs": Hangs,
    "babbles": Babbles,
    "logs-between": LogsBetween,
    "swaps-bytes": SwapsBytes,
    "flips-a-bit": FlipsABit,
    "short-answers": ShortAnswers,
    "another-model": AnotherModel,
    "invokes-twice": InvokesTwice,
    "warms-up": WarmsUp,
    "setup-fails": SetupFails,
    "plain": Plain,
    "mute": Mute,
    "big-endian": BigEndian,
}
