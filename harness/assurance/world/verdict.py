"""Hold what the gate says of a specimen to what is true of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fixtures.runtimes import RUNTIMES
from harness.assurance.world.defects import (
    CLIPPED,
    CONTRADICTION,
    HYBRID_MICRO,
    LOOP_MICRO,
    NARROW,
    SKIPPED_TANH,
    UNKNOWN,
    Defect,
    cause,
    of_runtime,
)
from harness.assurance.world.faults import BY_NAME
from harness.assurance.world.gate import RAISED, Said
from harness.assurance.world.plan import Plan
from harness.assurance.world.truth import Seen

#: What a specimen is in truth. unfit: ideal rounding itself leaves nothing. stopped: refused,
#: crashed or hung, by the converter or by a runtime, and right wherever it answers. harmless: a
#: fault that changes no answer.
Kind = Literal["healthy", "defective", "faulty", "harmless", "unfit", "stopped", "undecided"]
#: Defects that show in a flatbuffer without its Keras model.
_VISIBLE = (SKIPPED_TANH, CONTRADICTION, HYBRID_MICRO, LOOP_MICRO)
_STOPPED = ("refused", "crashed", "hung")


@dataclass(frozen=True)
class Truth:
    """All that is known of a specimen apart from the gate.

    seen: by runtime; empty where nothing was converted. defects: that its file has. constant,
    unfit: see `truth.Expected`. problem: why nothing could be measured.
    """

    seen: Mapping[str, Seen]
    defects: tuple[Defect, ...] = ()
    constant: bool = False
    unfit: bool = False
    problem: str = ""
    #: Whether the file has a fused integer LSTM.
    integer_lstm: bool = False


@dataclass(frozen=True)
class Held:
    """One specimen's verdict held to its truth.

    alarms: what is red although it is right. misses: what is wrong and green. unnamed: what is
    red for another reason than the true one. raised: exceptions. causes: of wrong answers, by
    runtime.
    """

    plan: Plan
    kind: Kind
    red: bool
    alarms: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    causes: tuple[tuple[str, str], ...] = ()
    states: tuple[tuple[str, str], ...] = ()
    note: str = ""
    defects: tuple[str, ...] = ()
    integer_lstm: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        return (
            *(f"raised: {text}" for text in self.raised),
            *(f"false alarm: {text}" for text in self.alarms),
            *(f"miss: {text}" for text in self.misses),
            *(f"not named: {text}" for text in self.unnamed),
        )


def held(plan: Plan, said: Sequence[Said], truth: Truth) -> Held:
    """Where the gate and the truth part."""
    lone = plan.entry == "--tflite"
    kind = kind_of(plan, truth)
    causes = {
        runtime: cause(list(truth.defects), runtime)
        for runtime, seen in truth.seen.items()
        if seen.state == "wrong"
    }
    reds = [one for one in said if one.red]
    plain = [one for one in reds if one.verdict != RAISED]
    alarms = []
    if kind not in ("unfit", "faulty"):
        alarms = [text for one in plain if (text := _alarm(one, kind, truth))]
    # A defect that the file has and that is told may show in a tighter budget than the truth's.
    small = [d.named for d in truth.defects if d in (CLIPPED, NARROW) and _names(plain, d.named)]
    if small:
        alarms = [text for text in alarms if not text.startswith("test_")]
    if lone:  # without Keras a runtime is held to TFLite: a defect of that is told of the other
        alarms = [
            text for text in alarms if not any(re.search(d.named, text) for d in causes.values())
        ]
    misses, unnamed = [], []
    if kind == "faulty":
        fault = BY_NAME[plan.fault]
        if not reds:
            misses.append(f"{plan.fault}: {_worst(truth)}")
        elif not _names(plain, fault.named):
            unnamed.append(f"{plan.fault}: said is {_heads(plain)}")
    elif kind == "unfit":
        if not reds and not lone:
            misses.append(f"unfit: {_worst(truth)}")
    elif plan.fault:
        # Wrong without its fault, too: which of the two a runtime shows cannot be told apart.
        if not reds and _wrong(truth) and not lone:
            misses.append(f"{plan.fault} and {', '.join(d.name for d in truth.defects)}")
    else:
        for runtime, defect in causes.items():
            if not _counts(runtime) or (lone and defect not in _VISIBLE):
                continue
            # A known limitation of a runtime that was not named is told and fails nothing.
            told = [*plain, *(one for one in said if one.verdict == "limitation")]
            about = [one for one in told if one.runtime in ("", runtime)]
            if not about:
                misses.append(f"{runtime} is wrong ({defect.name}, {_of(truth.seen[runtime])})")
            elif not any(_names(about, name) for name in _namings(truth, runtime)):
                unnamed.append(f"{defect.name} on {runtime}: said is {_heads(about)}")
    return Held(
        plan,
        kind,
        bool(reds),
        tuple(alarms),
        tuple(misses),
        tuple(unnamed),
        tuple(f"{one.suite}: {one.message}" for one in reds if one.verdict == RAISED),
        tuple((runtime, defect.name) for runtime, defect in causes.items()),
        tuple((runtime, seen.state) for runtime, seen in truth.seen.items()),
        truth.problem,
        tuple(defect.name for defect in truth.defects),
        truth.integer_lstm,
    )


def _namings(truth: Truth, runtime: str) -> list[str]:
    """What a wrong answer of a runtime may be called by: each defect that it suffers from."""
    found = of_runtime(truth.defects, runtime) or [UNKNOWN]
    return [defect.named for defect in found]


def kind_of(plan: Plan, truth: Truth) -> Kind:
    """What a specimen is in truth."""
    counted = [seen for runtime, seen in truth.seen.items() if _counts(runtime)]
    states = [seen.state for seen in counted]
    if truth.problem or truth.constant:
        return "undecided"
    if truth.unfit:
        return "unfit"
    if plan.fault:
        if "wrong" in states and not set(_explained(truth, plan.fault)) >= _wrong(truth):
            return "faulty"
        return "harmless" if states and set(states) <= {"right", *_STOPPED} else "undecided"
    if "wrong" in states:
        return "defective"
    if "undecided" in states:
        return "undecided"
    return "healthy" if states and set(states) == {"right"} else "stopped"


def _wrong(truth: Truth) -> set[str]:
    return {r for r, seen in truth.seen.items() if seen.state == "wrong" and _counts(r)}


def _explained(truth: Truth, fault: str) -> list[str]:
    """Runtimes whose wrong answer a defect of the file accounts for without the fault. (A narrow
    calibration may be both.)"""
    others = [defect for defect in truth.defects if defect.name != fault]
    return [r for r in _wrong(truth) if cause(others, r) is not UNKNOWN]


def _counts(runtime: str) -> bool:
    """No device runs TensorFlow Lite's reference kernels: they fail no user's gate."""
    return RUNTIMES[runtime].resolver != "reference"


def _alarm(one: Said, kind: Kind, truth: Truth) -> str:
    """Why a red case is a false alarm; empty where it is none."""
    text = f"{one.suite} {one.runtime}: {_head(one)}".replace(" :", ":")
    states = {runtime: seen.state for runtime, seen in truth.seen.items()}
    if truth.problem or truth.constant:
        return ""
    if one.runtime == "keras":
        return text
    if one.runtime:
        if states.get(one.runtime) == "right":
            return text
        if states.get(one.runtime) in _STOPPED and not _counts(one.runtime):
            return text
        return ""
    if kind == "harmless" or not states:
        return ""
    counted = {state for runtime, state in states.items() if _counts(runtime)}
    # What a runtime that nobody named refuses is no fault of the file's.
    return text if "right" in counted and counted <= {"right", "refused"} else ""


def _names(said: Sequence[Said], pattern: str) -> bool:
    return any(re.search(pattern, one.tells, re.IGNORECASE) for one in said)


def _head(one: Said) -> str:
    line = next((line for line in one.message.splitlines() if line.strip()), "")
    rules = sorted(set(re.findall(r"error: .*\[([a-z-]+)\]", one.message)))
    return f"{line[:150]}" + (f" {rules}" if rules else "")


def _heads(said: Sequence[Said]) -> str:
    return "; ".join(dict.fromkeys(f"{one.suite} {one.runtime}: {_head(one)}" for one in said))[
        :400
    ]


def _of(seen: Seen) -> str:
    return f"error {seen.error:.2g} of the spread, ideal {seen.noise:.2g}" + (
        f", {seen.detail}" if seen.detail else ""
    )


def _worst(truth: Truth) -> str:
    seen = max(truth.seen.items(), key=lambda item: item[1].error, default=None)
    return "" if seen is None else f"{seen[0]}: {_of(seen[1])}"
