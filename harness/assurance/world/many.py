"""Examine many plans in several processes, and keep what is found whatever ends early.

Each process takes one plan at a time. An exception of the world's own is that plan's finding; a
process that dies takes the plans with it that were under way, and another takes its place; an
interrupt ends the run with what there is.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from types import FrameType

from harness.assurance.world.making import Unmakeable
from harness.assurance.world.plan import Plan
from harness.assurance.world.run import World
from harness.assurance.world.verdict import Held

#: A plan held to its truth, or with why Keras refuses it.
Found = Held | tuple[Plan, str]
#: After so many plans the results so far are handed on.
EVERY = 25


@dataclass(frozen=True)
class Result:
    """A run's outcome. unmakeable: plans that Keras refuses. asked: plans there were to examine."""

    seed: int
    held: tuple[Held, ...]
    unmakeable: tuple[tuple[Plan, str], ...]
    seconds: float
    asked: int = 0


def examine(world: World, plan: Plan) -> Found:
    """One plan held to its truth. What the world itself fails on is a finding too."""
    try:
        return world.held(plan)
    except Unmakeable as refused:
        return plan, str(refused)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        return _failed(plan, f"world: {type(error).__name__}: {error} ({where})")


def _failed(plan: Plan, why: str) -> Held:
    return Held(plan, "undecided", red=True, raised=(why,))


def examined(
    plans: Sequence[Plan],
    seed: int = 2015,
    jobs: int = 1,
    console: bool = False,
    minutes: float = math.inf,
    progress: Callable[[Result], None] | None = None,
) -> Result:
    """Every plan held to its truth, in `jobs` processes; in so many minutes as many as there is
    time for. progress: is given the result so far, every now and then."""
    began = time.monotonic()
    found: list[Found] = []

    def so_far() -> Result:
        return Result(
            seed,
            tuple(one for one in found if isinstance(one, Held)),
            tuple(one for one in found if not isinstance(one, Held)),
            time.monotonic() - began,
            len(plans),
        )

    with _stoppable():
        try:
            for one, seconds in _each(plans, seed, jobs, began + 60 * minutes):
                found.append(one)
                if console:
                    _tell(len(found), len(plans), one, seconds)
                if progress is not None and len(found) % EVERY == 0:
                    progress(so_far())
        except KeyboardInterrupt:
            print(f"interrupted after {len(found)} of {len(plans)}", file=sys.stderr, flush=True)
    return so_far()


def _each(
    plans: Sequence[Plan], seed: int, jobs: int, until: float
) -> Iterator[tuple[Found, float]]:
    """Each plan's finding and its seconds, as they come."""
    left = list(reversed(plans))
    while left and time.monotonic() < until:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(seed,))
        under_way: dict[Future[tuple[Found, float]], Plan] = {}
        try:
            while under_way or (left and time.monotonic() < until):
                while left and len(under_way) < jobs and time.monotonic() < until:
                    plan = left.pop()
                    under_way[pool.submit(_timed, plan)] = plan
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    yield future.result()
                    del under_way[future]
        except BrokenProcessPool:
            for plan in under_way.values():
                yield _failed(plan, "world: a process that examined plans died"), 0.0
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_world: list[World] = []


def _begin(seed: int) -> None:
    """A process begins: an interrupt is its parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _world.append(World(seed))
    Finalize(None, _world[0].close, exitpriority=10)


def _timed(plan: Plan) -> tuple[Found, float]:
    began = time.monotonic()
    return examine(_world[0], plan), time.monotonic() - began


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends a run as an interrupt does: with what was found."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends it twice
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(number: int, count: int, one: Found, seconds: float) -> None:
    if not isinstance(one, Held):
        print(f"{number}/{count} {seconds:.1f} s: Keras refuses {one[0]}: {one[1]}", flush=True)
        return
    colour = "red" if one.red else "green"
    print(f"{number}/{count} {seconds:.1f} s {one.kind}, {colour}: {one.plan}", flush=True)
    for problem in one.problems:
        print(f"    {problem[:600]}", flush=True)
