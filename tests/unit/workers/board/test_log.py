"""A captured log answers what was asked then, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.assurance.boards.agent import Agent
from harness.assurance.boards.noise import Mixer, answer
from harness.device import agent_files
from harness.device.stream_order import STREAM, stream_order
from harness.workers.remote.board.log import Log
from harness.workers.remote.board.protocol import crc
from harness.workers.remote.board.transport import DeviceError

MIXER = Mixer()
SAMPLES = np.random.default_rng(0).integers(-128, 128, (3, 1, 10, 4), np.int8)


def _captured() -> bytes:
    """What the agent sends while the commands are played to it."""
    found = bytearray()
    agent = Agent(Mixer(), found.extend)
    agent.start()
    agent.take(agent_files.commands(MIXER.model, [SAMPLES]).encode())
    return bytes(found)


def _log(tmp_path: Path, content: bytes) -> Log:
    path = tmp_path / "capture.txt"
    path.write_bytes(content)
    return Log(str(path))


def _held(log: Log) -> None:
    """Every sample from the initial state, and the stream."""
    for sample in SAMPLES:
        log.begin(len(MIXER.model), crc(MIXER.model))
        assert log.infer(sample.tobytes()) == (answer(sample.tobytes(), MIXER.outputs), 777)
    log.begin(len(MIXER.model), crc(MIXER.model))
    history = b""
    for k in stream_order(len(SAMPLES)):
        history += SAMPLES[k].tobytes()
        assert log.infer(SAMPLES[k].tobytes())[0] == answer(history, MIXER.outputs)


def test_a_log_has_every_sample_and_the_stream(tmp_path: Path) -> None:
    log = _log(tmp_path, _captured())
    assert len(log.answers) == len(SAMPLES) + STREAM - 1  # the stream begins with a sample
    assert log.greet().model_crc == crc(MIXER.model)
    assert log.name == "dut-[python]"
    _held(log)


def test_a_terminals_times_and_other_lines_do_no_harm(tmp_path: Path) -> None:
    lines = _captured().replace(b"\r\n", b"\n").split(b"\n")
    stamped = [b"12:00:01.123 -> " + text for text in lines]
    between = b"\nI (5) app: m-lstm-out-[r0x0,0,00]-00000000 is no line\n"
    _held(_log(tmp_path, between.join(stamped)))


@pytest.mark.parametrize("what", ["another input", "a damaged line", "a lost line", "no lines"])
def test_what_is_not_there_is_not_made_up(tmp_path: Path, what: str) -> None:
    captured = _captured()
    if what == "a damaged line":
        at = captured.index(b"m-lstm-out-[r1x0,32")
        captured = captured[: at + 30] + b"?" + captured[at + 31 :]
    if what == "a lost line":
        at = captured.index(b"m-lstm-done-[r1x0")
        captured = captured[:at] + captured[captured.index(b"\n", at) :]
    if what == "no lines":
        captured = b"boot\r\n"
    log = _log(tmp_path, captured)
    x = SAMPLES[1] if what != "another input" else SAMPLES[1] ^ 1
    log.begin(len(MIXER.model), crc(MIXER.model))
    with pytest.raises(DeviceError, match="no whole answer to the input"):
        log.infer(x.tobytes())
    if what == "no lines":
        with pytest.raises(DeviceError, match="no line m-lstm-hello"):
            log.greet()


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be read"):
        Log(str(tmp_path))
