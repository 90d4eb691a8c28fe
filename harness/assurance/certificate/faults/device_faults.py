"""List faults in a device on a wire: its firmware, its memory, its cable.

The device is a process with TensorFlow Lite Micro behind the agent in Python
(harness/assurance/boards/program.py), faulty in one way each. It is judged by the suites of parity
and of devices.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from fixtures.outcomes import Phase
from fixtures.recipes import RECIPES
from fixtures.runtimes import Runtime
from fixtures.subjects import Subject
from harness.assurance.boards.command import MOST_SECONDS, judged
from harness.assurance.boards.noise import campaign
from harness.assurance.certificate.fault import Fault
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import SQUARE, STEP_BY_STEP, subject
from harness.device.board import StreamRunner, measure_board
from harness.pipeline.cases import Case
from harness.workers.devices import devices

_SQUARE, _STEPS = subject(SQUARE), subject(STEP_BY_STEP)
#: Conversations over a noisy wire; `python -m harness wire` is for more.
WIRE = 1000


def _device(more: str) -> Runtime:
    program = f"{sys.executable} -m harness.assurance.boards.program {{model}} {more}"
    (found,) = devices([f"exec:{program.strip()}"])
    return found


def device_readings(
    bench: InjectionBench, chosen: Subject, recipe: str, more: str
) -> list[Reading]:
    """What the suites of parity and of devices say of a device. more: words for its program."""
    runtime = _device(more)
    bench.pipeline.forget()  # the devices before had the same name
    artifacts = bench.pipeline.make(chosen, RECIPES[recipe], [runtime])
    case = Case("test_device", chosen, RECIPES[recipe], runtime)
    bench.session.admit(case, artifacts)
    try:
        found = bench.of_parity(replace(case, suite="test_parity"))
        measured = measure_board(case, bench.session)
    finally:
        for runner in (bench.pipeline.interpreters, bench.session.keep(StreamRunner).interpreters):
            runner.drop(runtime)
    result = measured.result
    if result.phase is not Phase.COMPARE and found:
        return found  # both suites say the same of a device that does not come to an answer
    if not result.agreed:
        where = f"{result.phase.value} on" if result.phase is not Phase.COMPARE else "kernels of"
        return [*found, Reading(f"{where} device", None, str(result))]
    return [*found, Reading("kernels of device", 0.0)]


#: name, words of the program, model, recipe
_ROWS: tuple[tuple[str, str, Subject, str], ...] = (
    ("bytes swapped, unsaid", "--fault swaps-bytes", _SQUARE, "int8"),
    ("floats swapped, unsaid", "--fault swaps-bytes", _SQUARE, "float32"),
    ("big-endian, said", "--fault big-endian", _SQUARE, "int8"),
    ("a bit stuck in the outputs", "--fault flips-a-bit", _SQUARE, "int8"),
    ("another model kept", "--fault another-model", _SQUARE, "int8"),
    ("answers too short", "--fault short-answers", _SQUARE, "int8"),
    ("invoked twice, unsaid", "--fault invokes-twice", _SQUARE, "int8"),
    ("ten warm-ups", "--fault warms-up", _SQUARE, "int8"),
    ("reset in the middle", "--fault resets", _SQUARE, "int8"),
    ("hung in an invoke", "--fault hangs", _SQUARE, "int8"),
    ("mute", "--fault mute", _SQUARE, "int8"),
    ("nearly every line damaged", "--fault loses-most-bytes", _SQUARE, "int8"),
    ("setup failed", "--fault setup-fails", _SQUARE, "int8"),
    ("no extension of the protocol", "--fault plain", _SQUARE, "int8"),
    ("state cleared at each invoke", "--state cleared", _STEPS, "int8"),
    ("state cleared at each invoke", "--state cleared", _STEPS, "float32"),
)
#: Healthy neighbours: name, words, model, recipe.
HEALTHY: tuple[tuple[str, str, Subject, str], ...] = (
    ("a device", "", _SQUARE, "int8"),
    ("a device", "", _SQUARE, "float32"),
    ("a device that goes step by step", "", _STEPS, "int8"),
    ("a device that drops some bytes", "--fault drops-bytes", _SQUARE, "int8"),
    ("a device that logs between its lines", "--fault logs-between", _SQUARE, "int8"),
    ("a device that clears its state, whole sequences", "--state cleared", _SQUARE, "int8"),
)


def device_faults() -> list[Fault]:
    return [_fault(*row) for row in _ROWS]


def _fault(name: str, more: str, chosen: Subject, recipe: str) -> Fault:
    def examine(bench: InjectionBench) -> list[Reading]:
        return device_readings(bench, chosen, recipe, more)

    return Fault(name, name, "device", f"{recipe} · device", examine)


def wire_under_faults(bench: InjectionBench) -> list[Reading]:
    """Random faults in the bytes on the wire: nothing wrong may be believed, nothing may hang."""
    found = campaign(WIRE, bench.settings.seed)
    wrong, _ = judged(found)
    slowest = max(each.seconds for each in found) / MOST_SECONDS
    alarms = [Reading("wire", None, f"{each.faults}: {each.message}") for each in wrong]
    return [Reading("wire", slowest), *alarms]
