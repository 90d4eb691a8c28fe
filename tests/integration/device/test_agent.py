"""The agent for firmware does what its twin in Python does: on the host, and on ARM code.

Behind its hooks is a table of recorded answers, so that the protocol, sizes, byte order and
alignment are proven without foreign sources. Cortex-M3 and M4 are emulated.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.assurance.boards.agent import Agent
from harness.assurance.boards.noise import Mixer
from harness.device import agent_files, c_array
from harness.device.stream_order import stream_order
from harness.support.project import ROOT
from harness.workers.remote.board.conversation import Conversation
from harness.workers.remote.board.log import Log
from harness.workers.remote.board.protocol import crc
from harness.workers.remote.board.transport import DeviceError, Program
from tests.support import agent_table
from tests.support.device_models import lstm_model
from tests.support.small_models import structure

TARGETS = ("host", *agent_table.CORES)
MIXER = Mixer()
SAMPLES = np.random.default_rng(0).integers(-128, 128, (3, 1, 10, 4), np.int8)
STUBS = ROOT / "tests" / "support" / "arduino"


@dataclass(frozen=True)
class Built:
    command: str
    log: Log


@pytest.fixture(scope="module", params=TARGETS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The agent for a target, with what its twin answered to the commands of a log."""
    if without := agent_table.missing(request.param):
        pytest.skip(f"the agent on {request.param} is untested: {without}")
    folder: Path = tmp_path_factory.mktemp(request.param)
    captured = bytearray()
    agent = Agent(Mixer(), captured.extend)
    agent.start()
    agent.take(agent_files.commands(MIXER.model, [SAMPLES]).encode())
    (folder / "log").write_bytes(captured)
    log = Log(str(folder / "log"))
    table = agent_table.table_text(log, MIXER.model, MIXER.outputs)
    command = agent_table.build(folder, table, MIXER.inputs, MIXER.outputs, request.param)
    return Built(command, log)


@pytest.fixture
def talk(built: Built) -> Iterator[Conversation]:
    wire = Program(built.command)
    yield Conversation(wire)
    wire.close()


def test_every_answer_is_that_of_its_twin(built: Built, talk: Conversation) -> None:
    hello = talk.greet()
    assert hello == (1, 256, 40, 100, 1111, 2222, 17, crc(MIXER.model), "04030201", 0)
    sessions = [*([k] for k in range(len(SAMPLES))), list(stream_order(len(SAMPLES)))]
    for session in sessions:
        talk.begin(len(MIXER.model), crc(MIXER.model))
        history: tuple[str, ...] = ()
        for k in session:
            data = SAMPLES[k].tobytes()
            history += (crc(data),)
            assert talk.infer(data)[0] == built.log.answers[history][1]


def test_what_it_cannot_do_it_says(talk: Conversation) -> None:
    talk.greet()
    talk.begin(len(MIXER.model), crc(MIXER.model))
    with pytest.raises(DeviceError, match="Invoke gave status 7"):
        talk.infer(bytes(MIXER.inputs))  # an input that the table does not have
    with pytest.raises(DeviceError, match="another model: the device holds one of 17 bytes"):
        talk.begin(len(MIXER.model), crc(b"another"))
    assert talk.say("infer 1 0").errors == ("Another model was asked for",)


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("name%", "m-name-dut-[table_on_"),
        ("\r\n name%", "m-name-dut-[table_on_"),
        ("results%", "m-results-[-1.250,0.062]"),
        ("profile%", "m-model-[" + crc(MIXER.model) + "]"),
        ("timestamp%", "m-lap-us-"),
        ("db load 41%", "e-[The inputs have 40 bytes]"),
        ("db load 9999999999999%", "e-[The inputs have 40 bytes]"),
        ("db load 40%db 0%", "e-[Invalid hex digits]"),
        ("db load 40%db 0g%", "e-[Invalid hex digits]"),
        ("db load 40%" + "db 00112233445566778899%" * 5, "e-[More bytes than expected]"),
        ("infer 1 0%", "e-[No input is loaded]"),
        ("infer 0%", "e-[infer N [W], N > 0]"),
        ("infer -1%", "e-[infer N [W], N > 0]"),
        ("lstm results t1%", "e-[Nothing was invoked]"),
        ("lstm status t,1%", "e-[Unknown command: lstm]"),
        ("lstm status t12345678901234567890%", "e-[Unknown command: lstm]"),
        ("lstm begin t n 1 2 3 4 5 6%", "e-[Unknown command: lstm]"),
        ("\xff\xfe%", "e-[Unknown command]"),
        ("x" * 300 + "%", "e-[Command too long]"),
        ("%", "m-ready"),
    ],
)
def test_a_line_of_mlperf_tiny_is_answered(talk: Conversation, said: str, answered: str) -> None:
    talk.greet()
    talk._wire.write(said.encode("latin-1"))  # type: ignore[attr-defined]
    heard, until = "", time.monotonic() + 5
    while not (answered in heard and heard.endswith("m-ready\r\n")):
        assert time.monotonic() < until, heard
        heard += talk._wire.read(0.1).decode()  # type: ignore[attr-defined]


def test_warm_ups_are_none_unless_they_are_asked_for(talk: Conversation) -> None:
    talk.greet()
    for command, invokes in (("infer 2", 2), ("infer 1 3", 6)):
        talk.say("db load 40")
        talk.say("db " + SAMPLES[0].tobytes().hex())
        talk.say(command)
        assert talk._tagged("lstm status", "").lines[0].fields[1] == str(invokes)


def test_noise_ends_nothing(built: Built, talk: Conversation) -> None:
    drawn = random.Random(1)
    for _ in range(200):
        length = drawn.randrange(300)
        noise = bytes(drawn.choice(b"%%lstm db infer\r\n\x00\xff0123") for _ in range(length))
        talk._wire.write(noise)  # type: ignore[attr-defined]
    talk._settle()
    talk.say("")
    test_every_answer_is_that_of_its_twin(built, talk)


# Without a target -----------------------------------------------------------------------------

COMPILER = c_array.find_compiler()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder `agent` as a run writes it."""
    content, symbol = lstm_model(), "g_my_model"
    found = agent_files.files(
        symbol, "my.tflite", structure(content), content, [SAMPLES], "my.tflite (as-converted)"
    )
    found["model.h"] = c_array.header_text(symbol, len(content), 3520, "my")
    found["model.cc"] = c_array.source_text(symbol, content, "my")
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sketch.cc").write_text('#include "Arduino.h"\n#include "agent.ino"\n')
    return tmp_path


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the agent's C++ is untested")
@pytest.mark.parametrize(
    "name", ["lstm_agent.c", "main.c", "hooks_tflm.cc", "sketch.cc", "model.cc"]
)
def test_a_cpp_compiler_takes_the_sources(folder: Path, name: str) -> None:
    """hooks_tflm.cc against headers that declare TensorFlow Lite Micro's interface."""
    assert COMPILER is not None
    command = [*COMPILER.command, *c_array.FLAGS, "-fsyntax-only", "-x", "c++", "-I", str(STUBS)]
    done = subprocess.run(
        [*command, str(folder / name)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the agent's C++ is untested")
def test_the_compiler_would_see_a_hook_that_is_another(folder: Path) -> None:
    path = folder / "hooks_tflm.cc"
    path.write_text(path.read_text().replace("interpreter->Reset()", "interpreter->Rest()"))
    with pytest.raises(AssertionError):
        test_a_cpp_compiler_takes_the_sources(folder, "hooks_tflm.cc")


def test_the_files_say_the_models_sizes_and_operators(folder: Path) -> None:
    config = (folder / "agent_config.h").read_text()
    assert "#define LSTM_AGENT_INPUT_BYTES 15\n" in config
    assert "#define LSTM_AGENT_OUTPUT_BYTES 20\n" in config
    hooks = (folder / "hooks_tflm.cc").read_text()
    assert "static tflite::MicroMutableOpResolver<1> resolver;" in hooks
    assert "resolver.AddUnidirectionalSequenceLSTM();" in hooks
    assert "GetModel(g_my_model)" in hooks
    assert "$" not in hooks
