"""Read answers from a captured serial log, for boards that are somewhere else.

The log is what the agent sent while the harness's commands were played to it
(`agent/commands.txt` in the report). An answer counts for the inputs that came before it in its
session, by their checksums; damaged lines are no lines.

Runs in a worker: the standard library only.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from harness.workers.remote.board import protocol
from harness.workers.remote.board.conversation import assembled
from harness.workers.remote.board.protocol import Hello, Line, Result
from harness.workers.remote.board.transport import DeviceError

#: Checksums of the inputs since the beginning of a session.
History = Tuple[str, ...]


class Log:
    """A captured log, asked as a `Conversation` is."""

    def __init__(self, path: str) -> None:
        try:
            with open(path, "rb") as stream:
                text = stream.read().decode("ascii", "replace")
        except OSError as error:
            raise DeviceError("log:%s cannot be read: %s" % (path, error)) from error
        self.path = path
        self.name = ""
        self.hello: Optional[Hello] = None
        self.answers: Dict[History, Tuple[Result, bytes]] = {}
        self._read(text.replace("\r", "\n").split("\n"))
        self._history: History = ()

    def greet(self) -> Hello:
        if self.hello is None:
            raise DeviceError(
                "log:%s has no line m-lstm-hello of the agent (docs/device.md)" % self.path
            )
        return self.hello

    def begin(self, size: int, model_crc: str) -> None:
        self._history = ()

    def infer(self, data: bytes) -> Tuple[bytes, int]:
        self._history += (protocol.crc(data),)
        found = self.answers.get(self._history)
        if found is None:
            raise DeviceError(
                "log:%s has no whole answer to the input with CRC-32 %s as number %d of a "
                "session; play the commands.txt that this run wrote, with the same --seed and "
                "--inputs" % (self.path, self._history[-1], len(self._history))
            )
        head, content = found
        if head.status:
            raise DeviceError("the device's Invoke gave status %d" % head.status)
        return content, head.micros

    def _read(self, texts: List[str]) -> None:
        """Fill `answers`: sessions are told apart by their nonces."""
        heard: Dict[str, Dict[int, Tuple[Result, bytes]]] = {}
        answer: List[Line] = []
        for text in texts:
            if "m-name-" in text:
                self.name = text.partition("m-name-")[2].strip()[:80]
            start = text.find("m-lstm-")  # a terminal may have put the time before it
            found = None if start < 0 else protocol.parsed(text[start:].strip())
            if found is None:
                continue
            if found.kind == "hello":
                self.hello = _hello(found) or self.hello
            if found.kind == "result":
                answer = []
            answer.append(found)
            if found.kind != "done":
                continue
            whole = assembled(tuple(each for each in answer if each.tag == found.tag))
            if not isinstance(whole, str):
                heard.setdefault(whole[0].nonce, {})[whole[0].invokes] = whole
        for session in heard.values():
            history: History = ()
            for number in range(1, len(session) + 1):
                if number not in session:
                    break
                history += (session[number][0].input_crc,)
                self.answers.setdefault(history, session[number])


def _hello(found: Line) -> Optional[Hello]:
    try:
        return Hello.of(found)
    except (ValueError, TypeError):
        return None
