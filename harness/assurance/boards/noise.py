"""Put faults into the bytes between the harness and a device, in memory and without waiting.

Time is counted, not spent: a read that finds nothing moves the clock by what it would have waited.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.assurance.boards.agent import Agent
from harness.workers.remote.board.conversation import Conversation
from harness.workers.remote.board.transport import DeviceError

#: What may happen to a stretch of bytes on the wire, or to the device behind it.
FAULTS = (
    "drop a byte",
    "drop a stretch",
    "flip a bit",
    "insert noise",
    "repeat a stretch",
    "swap two bytes",
    "drop all but the end",
    "reset the device",
    "hang the device",
    "lose the answer",
    "delay the answer",
)
_NOISE = b"%\r\n\x00\xffm-ready\r\ne-[x]0123abcdef"


@dataclass
class Mixer:
    """A model with state whose answer depends on every input since the reset, in every byte."""

    inputs: int = 40
    outputs: int = 100
    model: bytes = b"TFL3 in name only"
    arena_used: int = 1234
    arena: int = 2048
    history: bytes = b""
    clock: int = 0

    def setup(self) -> int:
        self.history = b""
        return 0

    def reset(self) -> int:
        self.history = b""
        return 0

    def invoke(self, data: bytes) -> int:
        self.history += data
        self.clock += 777
        return 0

    def output(self) -> bytes:
        return answer(self.history, self.outputs)

    def micros(self) -> int:
        return self.clock


def answer(history: bytes, size: int) -> bytes:
    """What a `Mixer` answers after these inputs."""
    words = (zlib.crc32(history, k) for k in range(-(-size // 4)))
    return b"".join(word.to_bytes(4, "little") for word in words)[:size]


@dataclass
class NoisyWire:
    """A wire in memory to an agent. fault: its name and the number of the byte, of both directions
    together, at which it happens; None for a clean wire."""

    agent_of: Callable[[Callable[[bytes], None]], Agent]
    faults: tuple[tuple[str, int], ...] = ()
    seed: int = 0
    now: float = 0.0
    reads: int = 0
    passed: int = 0
    hung: bool = False
    done: list[str] = field(default_factory=list)
    _out: bytearray = field(default_factory=bytearray)
    _held: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.agent = self.agent_of(self._answer)
        self.agent.start()

    def clock(self) -> float:
        return self.now

    def write(self, data: bytes) -> None:
        data = self._faulty(data)
        if not self.hung:
            self.agent.take(data)

    def read(self, seconds: float) -> bytes:
        self.reads += 1
        if self.now < self._held:  # nothing comes before
            waited = min(max(0.0, seconds), self._held - self.now)
            self.now += waited
            if self.now < self._held or not self._out:
                return b""
        if not self._out:
            self.now += max(0.0, seconds)
            return b""
        cut = self.random.randint(1, len(self._out))
        found = bytes(self._out[:cut])
        del self._out[:cut]
        return found

    def _answer(self, data: bytes) -> None:
        if not self.hung:
            self._out += self._faulty(data)

    def _faulty(self, data: bytes) -> bytes:
        """The bytes as they come through, where a fault falls into them."""
        start, self.passed = self.passed, self.passed + len(data)
        for name, at in self.faults:
            if start <= at < start + len(data):
                data = self._spoilt(name, data, min(at - start, max(0, len(data) - 1)))
                self.done.append(name)
        return data

    def _spoilt(self, name: str, data: bytes, at: int) -> bytes:
        if not data:
            return data
        much = self.random.randint(1, 60)
        if name == "drop a byte":
            return data[:at] + data[at + 1 :]
        if name == "drop a stretch":
            return data[:at] + data[at + much :]
        if name == "flip a bit":
            return data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1 :]
        if name == "insert noise":
            noise = bytes(self.random.choice(_NOISE) for _ in range(much))
            return data[:at] + noise + data[at:]
        if name == "repeat a stretch":
            return data[: at + much] + data[at:]
        if name == "swap two bytes":
            return data[:at] + data[at : at + 2][::-1] + data[at + 2 :]
        if name == "drop all but the end":
            return data[max(0, len(data) - 2) :]
        if name == "lose the answer":
            return b""
        if name == "delay the answer":
            self._held = self.now + self.random.choice((0.1, 1.0, 2.2, 3.0, 7.0))
            return data
        if name == "reset the device":
            self._out.clear()
            self.agent.start()
            return b""
        assert name == "hang the device"
        self.hung = True
        return b""


@dataclass(frozen=True)
class Ended:
    """How a conversation ended. outcome: "right", the name of an error, or "WRONG"; seconds: that
    it would have taken."""

    faults: tuple[tuple[str, int], ...]
    outcome: str
    message: str
    seconds: float
    happened: int


def converse(faults: tuple[tuple[str, int], ...], seed: int, invokes: int = 3) -> Ended:
    """A whole conversation over a faulty wire: two sessions of some invokes, each answer held to
    what the device must give."""
    hooks = Mixer()
    wire = NoisyWire(lambda send: Agent(hooks, send), faults, seed)
    talk = Conversation(wire, clock=wire.clock, seed=seed)
    drawn = random.Random(seed + 1)
    outcome, message = "right", ""
    try:
        talk.greet()
        for _ in range(2):
            talk.begin(len(hooks.model), zlib_crc(hooks.model))
            history = b""
            for _ in range(invokes):
                data = drawn.randbytes(hooks.inputs)
                history += data
                content, micros = talk.infer(data)
                if content != answer(history, hooks.outputs) or micros != 777:
                    outcome, message = "WRONG", f"after {len(history)} bytes"
    except DeviceError as error:
        if outcome == "right":
            outcome, message = type(error).__name__, str(error)
    return Ended(faults, outcome, message, wire.now, len(wire.done))


def zlib_crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def clean_length(seed: int = 0) -> int:
    """How many bytes pass in a conversation without a fault."""
    hooks = Mixer()
    wire = NoisyWire(lambda send: Agent(hooks, send), (), seed)
    talk = Conversation(wire, clock=wire.clock, seed=seed)
    talk.greet()
    for _ in range(2):
        talk.begin(len(hooks.model), zlib_crc(hooks.model))
        for _ in range(3):
            talk.infer(bytes(hooks.inputs))
    return wire.passed


def campaign(count: int, seed: int = 0) -> list[Ended]:
    """Conversations with one to three random faults each."""
    length = clean_length()
    drawn = random.Random(seed)
    found = []
    for number in range(count):
        how_many = drawn.choice((1, 1, 2, 3))
        faults = tuple((drawn.choice(FAULTS), drawn.randrange(length)) for _ in range(how_many))
        found.append(converse(faults, seed * 1_000_003 + number))
    return found
