"""Hold a conversation with a device: every answer is proved to be the one that was asked for.

Nothing is believed because it came next. The device says how often it was invoked in this session
and the checksum of the input that it holds; whatever is lost or damaged on the way is asked for
again, and what cannot be healed ends in an error:

- `DeviceSilent`: no answer, or noise without end;
- `DeviceReset`: the device forgot the session in the middle;
- `DeviceError`: it refused, holds another model, or did something else than it was told.

Runs in a worker: the standard library only.
"""

from __future__ import annotations

import random
import time
from typing import Callable, List, NamedTuple, Optional, Tuple, Type, TypeVar, Union

from harness.workers.remote.board import protocol
from harness.workers.remote.board.protocol import Hello, Line, Result, Status
from harness.workers.remote.board.transport import DeviceError, DeviceReset, DeviceSilent

Parsed = TypeVar("Parsed", Hello, Status, Result)
#: How often something is said before it counts as not understood.
TRIES = 5
#: Bytes without a complete answer after which they are noise.
_MOST_NOISE = 1 << 20


class _Moved(DeviceError):
    """The device did something else than it was told; its state can only be made anew."""


class Patience(NamedTuple):
    """Seconds: for the first byte of an answer, of an invoke, and of a board that may be
    starting; between two bytes of an answer."""

    answer: float = 2.0
    invoke: float = 25.0
    start: float = 8.0
    between: float = 0.5


class Answer(NamedTuple):
    """The lines of the extension and the errors of one answer, and whether it came to its end."""

    lines: Tuple[Line, ...]
    errors: Tuple[str, ...]
    ready: bool


class Conversation:
    """One device on a wire: an object with `write(bytes)` and `read(seconds)`."""

    def __init__(
        self,
        wire: object,
        patience: Optional[Patience] = None,
        clock: Callable[[], float] = time.monotonic,
        seed: Optional[int] = None,
    ) -> None:
        self._wire = wire
        self.patience = patience or Patience()
        self._clock = clock
        self._lines = protocol.Lines()
        self._tag = 0
        self._random = random.Random(seed)
        #: The session: its name, invokes since its beginning, the input that the device holds.
        self.nonce = ""
        self.invokes = 0
        self._model = (0, "")
        self._past: List[bytes] = []
        self.hello: Optional[Hello] = None
        self.name = ""

    # What a model does ---------------------------------------------------------------------

    def greet(self) -> Hello:
        """Find the device, whatever it is doing, and learn what it is.

        Raises DeviceSilent where nothing answers, DeviceError where another protocol does.
        """
        self._find()
        answer = self.say("name")
        if not answer.ready:
            answer = self.say("name")
        self.hello = self._ask("lstm hello", "hello", Hello)
        return self.hello

    def begin(self, size: int, model_crc: str) -> None:
        """Start a session from the initial state, with the model of this size and checksum.

        Raises DeviceError where the device holds another.
        """
        for _ in range(TRIES):
            nonce = "%08x" % self._random.getrandbits(32)
            found = self._asked("lstm begin", "%s %d %s" % (nonce, size, model_crc), "begin")
            try:
                told, same, model, other, status = found.fields
            except ValueError:
                raise DeviceError("its line m-lstm-begin makes no sense: %s" % (found,)) from None
            if (model, other) != (str(size), model_crc):
                raise DeviceError(
                    "another model: the device holds one of %s bytes with CRC-32 %s, and not that "
                    "of %d bytes with CRC-32 %s" % (model, other, size, model_crc)
                )
            if (told, same) != (nonce, "1"):
                continue  # the command was damaged on its way there
            if status != "0":
                raise DeviceError("the device's Reset gave status %s" % status)
            self.nonce, self.invokes, self._past = nonce, 0, []
            self._model = (size, model_crc)
            return
        raise DeviceError("the device begins no session")

    def infer(self, data: bytes) -> Tuple[bytes, int]:
        """One invoke on the input's bytes: the outputs' bytes, and microseconds by the device's
        clock (0 where it has none)."""
        try:
            self._load(data)
            self._invoke(data)
        except _Moved:
            # Its state is that of other inputs. All that it was given is said once more.
            past = self._past
            self.begin(*self._model)
            for each in (*past, data):
                self._load(each)
                self._invoke(each)
            self._past = past
        self._past.append(data)
        return self._results(data)

    # How it is proved ----------------------------------------------------------------------

    def _load(self, data: bytes) -> None:
        """Bring the input over until the device's checksum is that of the input."""
        assert self.hello is not None
        room = max(protocol.SMALLEST_COMMAND, self.hello.command) - len("db ")
        step = room // 2
        errors: Tuple[str, ...] = ()
        for _ in range(TRIES):
            errors = self.say("db load %d" % len(data)).errors
            for start in range(0, len(data), step):
                answer = self.say("db " + data[start : start + step].hex())
                errors += answer.errors
                if not answer.ready or answer.errors:
                    break
            status = self._status()
            if (status.loaded, status.input_crc) == (len(data), protocol.crc(data)):
                return
        raise DeviceError(
            "the input of %d bytes does not reach the device: it holds %d bytes with another "
            "checksum%s" % (len(data), status.loaded, "; " + errors[-1] if errors else "")
        )

    def _invoke(self, data: bytes) -> None:
        """Exactly one invoke. What the device answers to the command itself proves nothing."""
        wanted = self.invokes + 1
        errors: Tuple[str, ...] = ()
        for _ in range(TRIES):
            errors = self.say("infer 1 0", self.patience.invoke).errors
            status = self._status()
            if status.invokes == wanted:
                self.invokes = wanted
                return
            if status.invokes != self.invokes:
                raise _Moved(
                    "the device was told to invoke once and did so %d times: its state is no "
                    "longer known" % (status.invokes - self.invokes)
                )
            if status.input_crc != protocol.crc(data):
                self._load(data)
        raise DeviceError("the device does not invoke%s" % (": " + errors[-1] if errors else ""))

    def _results(self, data: bytes) -> Tuple[bytes, int]:
        """The outputs of the last invoke, read until every byte is proved."""
        problem = ""
        heard: List[Line] = []
        for _ in range(2 * TRIES):
            answer = self._tagged("lstm results", "")
            # What one reading lost another may have brought: the answer is the same until the
            # next invoke, and each line is proved by itself.
            heard += [each._replace(tag="") for each in answer.lines]
            found: Union[Tuple[Result, bytes], str] = assembled(tuple(dict.fromkeys(heard)))
            if isinstance(found, str):
                problem = found + ("; " + answer.errors[-1] if answer.errors else "")
                self._settle()
                self._check_session(self._status())
                continue
            head, content = found
            if head.nonce != self.nonce:
                raise DeviceReset(_FORGOT)
            if (head.invokes, head.input_crc) != (self.invokes, protocol.crc(data)):
                raise DeviceError("the device answers for another input or another invoke")
            if head.status:
                raise DeviceError("the device's Invoke gave status %d" % head.status)
            return content, head.micros
        raise DeviceError("the outputs do not come over whole: %s" % problem)

    def _status(self) -> Status:
        status = self._ask("lstm status", "status", Status)
        self._check_session(status)
        return status

    def _check_session(self, status: Status) -> None:
        if status.nonce != self.nonce:
            raise DeviceReset(_FORGOT)

    # What is said --------------------------------------------------------------------------

    def _ask(self, text: str, kind: str, form: Type[Parsed]) -> Parsed:
        said: Line = self._asked(text, "", kind)
        try:
            return form.of(said)
        except (ValueError, TypeError) as error:
            told = "m-lstm-%s-[%s]" % (kind, ",".join((said.tag, *said.fields)))
            raise DeviceError("its line %s makes no sense: %s" % (told, error)) from error

    def _asked(self, text: str, rest: str, kind: str) -> Line:
        """The one line of a kind that answers a command, asked for until it comes whole."""
        errors: Tuple[str, ...] = ()
        heard = unknown = 0
        for _ in range(TRIES):
            answer = self._tagged(text, rest)
            for found in answer.lines:
                if found.kind == kind:
                    return found
            self._settle()
            heard += answer.ready
            errors = answer.errors or errors
            unknown += any("nknown command" in each for each in answer.errors)
        if not heard:
            raise DeviceSilent("no answer to %s" % text)
        if unknown == TRIES:
            raise DeviceError(
                "it speaks the protocol of MLPerf Tiny without the extension that exact answers "
                "need (docs/device.md): " + errors[-1]
            )
        raise DeviceError(
            "no proper answer to %s%s" % (text, ": " + errors[-1] if errors else " comes through")
        )

    def _tagged(self, text: str, rest: str) -> Answer:
        """Say a command of the extension under a tag of its own; only lines of that tag count."""
        self._tag = (self._tag + 1) % 10000
        tag = "t%04d" % self._tag
        answer = self.say("%s %s %s" % (text, tag, rest) if rest else "%s %s" % (text, tag))
        return answer._replace(lines=tuple(line for line in answer.lines if line.tag == tag))

    def say(self, text: str, seconds: Optional[float] = None) -> Answer:
        """Say a command and listen to the end of its answer, or until nothing more comes."""
        self._drain()
        self._wire.write(protocol.command(text))  # type: ignore[attr-defined]
        answer = self._listen(self.patience.answer if seconds is None else seconds)
        if not answer.ready:
            # A command may have lost its end: what is said next would only lengthen it.
            self._wire.write(protocol.command(""))  # type: ignore[attr-defined]
            late = self._listen(self.patience.between)
            answer = Answer(answer.lines + late.lines, answer.errors + late.errors, late.ready)
        return answer

    def _find(self) -> None:
        """Wait until something answers: a board may just be starting."""
        ends = self._clock() + self.patience.start
        while True:
            answer = self.say("")
            if answer.ready:
                self._settle()  # what was said while it started is answered too
                return
            if self._clock() >= ends:
                raise DeviceSilent(
                    "nothing answers within %g s: is it the right port and baud rate, and is the "
                    "agent running?" % self.patience.start
                )

    def _settle(self) -> None:
        """Wait until nothing more comes: an answer that is late would be taken for the next."""
        ends = self._clock() + 2 * self.patience.answer
        while self._clock() < ends:
            if not self._wire.read(self.patience.between):  # type: ignore[attr-defined]
                return

    def _drain(self) -> None:
        """Forget what came late."""
        self._lines.clear()
        dropped = 0
        while dropped < _MOST_NOISE:
            data = self._wire.read(0.0)  # type: ignore[attr-defined]
            if not data:
                return
            dropped += len(data)

    def _listen(self, seconds: float) -> Answer:
        found: List[Line] = []
        errors: List[str] = []
        heard = 0
        began = self._clock()
        last = began + seconds + 10 * self.patience.answer
        ends = began + seconds
        while True:
            now = self._clock()
            data = self._wire.read(min(ends, last) - now)  # type: ignore[attr-defined]
            heard += len(data)
            for text in self._lines.feed(data):
                if text == protocol.READY:
                    return Answer(tuple(found), tuple(errors), True)
                known, told = protocol.parsed(text), protocol.error(text)
                if known is not None:
                    found.append(known)
                if told is not None:
                    errors.append(told)
                    continue
                if text.startswith("m-name-"):
                    self.name = text[len("m-name-") :][:80]
            now = self._clock()
            if data:
                ends = max(ends, now + self.patience.between)
            if now >= min(ends, last) or heard > _MOST_NOISE:
                return Answer(tuple(found), tuple(errors), False)


_FORGOT = (
    "the device was reset in the middle, or something else spoke to it: it no longer knows "
    "the session"
)


def assembled(lines: Tuple[Line, ...]) -> Union[Tuple[Result, bytes], str]:
    """Head and bytes of an answer, or what it lacks."""
    heads = [each for each in lines if each.kind == "result"]
    ends = [each for each in lines if each.kind == "done"]
    if len(heads) != 1 or len(ends) != 1:
        return "its first or last line is missing"
    try:
        head = Result.of(heads[0])
        size, checksum = ends[0].fields
        parts = [each.fields for each in lines if each.kind == "out"]
        content = b""
        for offset, data in sorted(parts, key=lambda part: protocol.number(part[0])):
            if protocol.number(offset) != len(content):
                return "a line in the middle is missing"
            content += bytes.fromhex(data)
        if len(content) != head.size or protocol.number(size) != head.size:
            return "%d of %d bytes came" % (len(content), head.size)
    except (ValueError, TypeError) as error:
        return "a line makes no sense (%s)" % error
    if protocol.crc(content) != checksum:
        return "the checksum of the whole is wrong"
    return head, content
