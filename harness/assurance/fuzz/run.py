"""Corrupt flatbuffers and give them to every target, in batches that lose nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console

from harness.assurance.fuzz.corruption import KINDS, Corrupted, Healthy, corrupted
from harness.assurance.fuzz.gate import Gated, through_the_gate
from harness.assurance.fuzz.models import Base, bases
from harness.assurance.fuzz.targets import NAMES, READING, Ended, Target
from harness.support.cache import Store
from harness.support.leak_check import nothing_left
from harness.support.project import ROOT
from harness.workers import kinds
from harness.workers.server_handle import Server

#: Files of one request: a request that dies loses nothing that it has said.
BATCH = 84
_REPORT_SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """What one target made of all files, in their order; see `Target` for the counts."""

    ended: tuple[Ended, ...]
    overruns: int
    disturbed: int
    deaths: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """A fuzz's outcome. targets: by name. gated: of the files that went through the whole gate.
    left: what was left behind."""

    seed: int
    files: tuple[Corrupted, ...]
    targets: dict[str, Told]
    gated: tuple[Gated, ...]
    left: tuple[str, ...]

    @property
    def overruns(self) -> int:
        return sum(told.overruns for told in self.targets.values())

    @property
    def unforeseen(self) -> list[str]:
        """Exceptions of the harness's own process, with the files that raise them."""
        found = [gated.problem for gated in self.gated if gated.problem]
        for file, ended in zip(self.files, self.targets["reader"].ended, strict=True):
            if ended.kind in ("crashed", "hung", "out of memory"):
                found.append(f"reading {file.base} {file.number}: {ended.kind}: {ended.message}")
        return found

    @property
    def passed(self) -> bool:
        return not (self.left or self.overruns or self.unforeseen)


def corruption(healthy: Sequence[Healthy], seed: int, number: int) -> Corrupted:
    """File `number` of a seed: all kinds of corruption of the first base, then of the next."""
    base = healthy[number // len(KINDS) % len(healthy)]
    return corrupted(base, seed, number)


def fuzz(
    count: int,
    seed: int,
    store: Store,
    gate: int = 0,
    names: Sequence[str] = NAMES,
    console: Console | None = None,
) -> Result:
    """Corrupt `count` files, put each through the reader and the runtimes of these names, and
    `gate` of them through the whole gate as well."""
    with nothing_left(ROOT) as left:
        heavy, light = Server(kinds.shared(slow=True)), Server(kinds.shared(slow=False))
        reading = Server((READING,))
        try:
            healthy = bases(heavy, light, store)
            heavy.stop()  # what converting has left in memory makes each fork slower

            def carried_out(name: str) -> Told:
                server = reading if name == "reader" else light
                target = Target(name, heavy, server, healthy)
                try:
                    return _told(target, healthy, count, seed, console)
                finally:
                    target.close()

            with ThreadPoolExecutor(len(names)) as pool:
                told = dict(zip(names, pool.map(carried_out, names), strict=True))
        finally:
            for server in (heavy, light, reading):
                server.close()
        plain = [base.healthy for base in healthy]
        corrupt = [corruption(plain, seed, number) for number in range(count)]
        gated = through_the_gate(_for_the_gate(corrupt, told["reader"], gate)) if gate else []
    return Result(seed, tuple(corrupt), told, tuple(gated), tuple(left))


def _for_the_gate(files: Sequence[Corrupted], read: Told, count: int) -> list[Corrupted]:
    """A quarter of files that are refused in structure; the others get further and take longer."""
    refused = [f for f, e in zip(files, read.ended, strict=True) if e.phase == "structure"]
    others = [f for f, e in zip(files, read.ended, strict=True) if e.phase != "structure"]
    wanted = ((refused, count // 4), (others, count - count // 4))
    return [
        file for group, few in wanted for file in group[:: max(1, len(group) // max(1, few))][:few]
    ]


def _told(
    target: Target, healthy: Sequence[Base], count: int, seed: int, console: Console | None
) -> Told:
    began = said = time.monotonic()
    ended: list[Ended] = []
    plain = [base.healthy for base in healthy]
    while len(ended) < count:
        numbers = range(len(ended), min(len(ended) + BATCH, count))
        by_base: dict[str, list[Corrupted]] = {}
        for file in (corruption(plain, seed, number) for number in numbers):
            by_base.setdefault(file.base, []).append(file)
        found: dict[int, Ended] = {}
        for group in by_base.values():
            found |= {f.number: e for f, e in zip(group, target.run(group), strict=True)}
        ended += [found[number] for number in numbers]
        if console is not None and time.monotonic() - said > _REPORT_SECONDS:
            said = time.monotonic()
            ends = Counter(entry.kind for entry in ended)
            console.print(f"{target.name} {len(ended)}/{count} {dict(ends)}", highlight=False)
    return Told(
        tuple(ended), target.overruns, target.disturbed, target.deaths, time.monotonic() - began
    )
