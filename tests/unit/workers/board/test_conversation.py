"""Every answer of a device is proved, and what cannot be healed ends in an error that says so."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.assurance.boards import faults, noise
from harness.assurance.boards.agent import Agent
from harness.assurance.boards.command import MOST_SECONDS, judged, main
from harness.assurance.boards.noise import Mixer, NoisyWire, answer, converse
from harness.workers.remote.board import conversation, protocol
from harness.workers.remote.board.conversation import Conversation
from harness.workers.remote.board.protocol import Lines, crc, line, parsed
from harness.workers.remote.board.transport import DeviceError, DeviceReset, DeviceSilent

TALK = 0x5EED


def _talk(make: type[Agent] = Agent, hooks: Mixer | None = None) -> tuple[Conversation, Mixer]:
    behind = hooks or Mixer()
    wire = NoisyWire(lambda send: make(behind, send))
    return Conversation(wire, clock=wire.clock, seed=TALK), behind


def _answers(talk: Conversation, hooks: Mixer, invokes: int = 3) -> None:
    """A session whose every answer must be right."""
    talk.greet()
    talk.begin(len(hooks.model), crc(hooks.model))
    history = b""
    for number in range(invokes):
        data = random.Random(number).randbytes(hooks.inputs)
        history += data
        assert talk.infer(data) == (answer(history, hooks.outputs), 777)


# A healthy device -----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 1), (40, 100), (125, 32), (126, 33), (4000, 1)])
def test_a_device_answers_for_its_inputs_and_its_state(sizes: tuple[int, int]) -> None:
    talk, hooks = _talk(hooks=Mixer(*sizes))
    _answers(talk, hooks)
    assert talk.name == "dut-[python]"


def test_a_session_begins_in_the_initial_state() -> None:
    talk, hooks = _talk()
    _answers(talk, hooks)
    _answers(talk, hooks)


@pytest.mark.parametrize("make", [faults.DropsBytes, faults.LogsBetween])
def test_what_a_cable_or_a_log_does_is_healed(make: type[Agent]) -> None:
    _answers(*_talk(make))


# Faulty ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (faults.Mute, DeviceSilent, "nothing answers within 8 s"),
        (faults.LosesMostBytes, DeviceError, "no proper answer to lstm hello comes through"),
        (faults.Resets, DeviceReset, "reset in the middle"),
        (faults.WarmsUp, DeviceError, "told to invoke once and did so 11 times"),
        (faults.Plain, DeviceError, "without the extension"),
        (faults.ShortAnswers, DeviceError, ""),
    ],
)
def test_a_fault_is_an_error_that_names_it(
    make: type[Agent], error: type[DeviceError], text: str
) -> None:
    talk, hooks = _talk(make)
    if make is faults.ShortAnswers:  # whole, and shorter than the model's: the driver's business
        talk.greet()
        talk.begin(len(hooks.model), crc(hooks.model))
        assert len(talk.infer(bytes(hooks.inputs))[0]) == hooks.outputs - 1
        return
    with pytest.raises(DeviceError, match=text) as found:
        _answers(talk, hooks)
    assert isinstance(found.value, error)


def test_the_answers_of_another_model_are_refused_by_both_sides() -> None:
    talk, hooks = _talk()
    talk.greet()
    with pytest.raises(DeviceError, match="another model: the device holds one of 17 bytes"):
        talk.begin(len(hooks.model), crc(b"another"))
    assert "Another model was asked for" in " ".join(talk.say("infer 1 0").errors)


@pytest.mark.parametrize("size", [0, 39, 41])
def test_an_input_of_another_length_does_not_reach_the_device(size: int) -> None:
    talk, hooks = _talk()
    talk.greet()
    talk.begin(len(hooks.model), crc(hooks.model))
    with pytest.raises(DeviceError, match=r"inputs have 40 bytes|not reach|No input is loaded"):
        talk.infer(bytes(size))


def test_a_device_that_fails_to_invoke_says_its_status() -> None:
    class Fails(Mixer):
        def invoke(self, data: bytes) -> int:
            return 3

    talk, hooks = _talk(hooks=Fails())
    talk.greet()
    talk.begin(len(hooks.model), crc(hooks.model))
    with pytest.raises(DeviceError, match="Invoke gave status 3"):
        talk.infer(bytes(hooks.inputs))


# The wire under faults ------------------------------------------------------------------------


def test_random_faults_give_no_wrong_answer_and_no_hang() -> None:
    found = noise.campaign(200, seed=7)
    assert judged(found) == ([], [])
    assert {each.outcome for each in found} >= {"right", "DeviceReset", "DeviceSilent"}
    assert sum(each.happened for each in found) > 200
    healed = [each for each in found if each.happened and each.outcome == "right"]
    assert len(healed) > 100


@pytest.mark.parametrize("name", sorted(noise.FAULTS))
@given(at=st.integers(0, 5700), seed=st.integers(0, 2**20))
def test_one_fault_ends_right_or_in_its_own_error(name: str, at: int, seed: int) -> None:
    ended = converse(((name, at),), seed, invokes=2)
    allowed = {"reset the device": "DeviceReset", "hang the device": "DeviceSilent"}
    assert ended.outcome in ("right", allowed.get(name, "right")), ended
    assert ended.seconds < MOST_SECONDS


def test_a_clean_wire_is_right_at_once() -> None:
    ended = converse((), 1)
    assert (ended.outcome, ended.happened) == ("right", 0)
    assert ended.seconds <= 1.0


def test_the_campaign_sees_what_a_wire_without_checksums_would_believe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "crc", lambda data: "00000000")
    monkeypatch.setattr(noise, "zlib_crc", lambda data: "00000000")
    monkeypatch.setattr("harness.assurance.boards.agent.crc", lambda data: "00000000")
    wrong, _ = judged(noise.campaign(60, seed=3))
    assert wrong


def test_a_command_that_was_lost_is_seen_a_second_time_in_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blindly(self: Conversation, data: bytes) -> None:
        self.say("infer 1 0")
        self.invokes = self._status().invokes  # whatever it did

    monkeypatch.setattr(Conversation, "_invoke", blindly)
    ended = [converse((("lose the answer", at),), 3) for at in range(700, 2600, 5)]
    assert {each.outcome for each in ended} == {"right", "DeviceError"}
    assert any("another input or another invoke" in each.message for each in ended)


def test_a_device_that_counts_falsely_gives_other_numbers() -> None:
    with pytest.raises(AssertionError):
        _answers(*_talk(faults.InvokesTwice))


def test_a_hang_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "TRIES", 100)
    ended = converse((("hang the device", 900),), 1)
    assert judged([ended])[1]


def test_the_command_counts_and_judges(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "20"]) == 0
    printed = capsys.readouterr().out
    assert "20 conversations" in printed
    assert "0 hangs, 0 wrong verdicts" in printed


# Lines ----------------------------------------------------------------------------------------


@given(st.text("0123456789abcdefXYZ", min_size=1, max_size=10), st.integers(0, 2**32 - 1))
def test_a_line_is_read_as_it_was_written(tag: str, value: int) -> None:
    found = parsed(line("status", tag, value, "ffff"))
    assert found is not None
    assert (found.kind, found.tag, found.fields) == ("status", tag, (str(value), "ffff"))


@given(st.data())
def test_a_line_with_one_character_changed_is_none(data: st.DataObject) -> None:
    text = line("out", "t0001", 32, "00ff10")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = text[:at] + other + text[at + 1 :]
    assert parsed(changed) is None or changed == text


@given(st.lists(st.sampled_from(["m-ready", "e-[x]", line("out", "t1", 0, "00")])), st.randoms())
def test_lines_do_not_depend_on_how_the_bytes_come(texts: list[str], drawn: random.Random) -> None:
    data = "".join(text + "\r\n" for text in texts).encode()
    lines, found = Lines(), []
    while data:
        cut = drawn.randint(1, len(data))
        found += lines.feed(data[:cut])
        data = data[cut:]
    assert found == texts


def test_noise_without_a_line_feed_is_thrown_away() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"\xfe" * 1000) == []
    assert lines.feed(b"\nm-ready\n") == ["m-ready"]


@pytest.mark.parametrize("text", ["", "-1", "1.0", "٣", "12345678901", "0x10"])
def test_only_decimal_digits_are_a_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        protocol.number(text)
