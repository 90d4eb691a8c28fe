"""Put random faults into the bytes between the harness and a device, and count how it ends.

    python -m harness wire --count 1000

Each conversation has one to three faults, in memory, on a clock that is counted and not spent. It
ends with the right answers, or with an error that says what happened; a wrong answer, and one that
never comes, fail the command.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from harness.assurance.boards.noise import Ended, campaign

#: Longer than this, on the wire's clock, is a hang: what a silent device costs in one request is
#: less than half of it.
MOST_SECONDS = 120.0


def judged(found: Sequence[Ended]) -> tuple[list[Ended], list[Ended]]:
    """The conversations that gave a wrong answer, and those that took too long."""
    wrong = [each for each in found if each.outcome == "WRONG"]
    return wrong, [each for each in found if each.seconds > MOST_SECONDS]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m harness wire", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--count", type=int, default=1000, help="conversations (1000)")
    parser.add_argument("--seed", type=int, default=2015)
    option = parser.parse_args(arguments)
    began = time.monotonic()
    found = campaign(option.count, option.seed)
    wrong, hung = judged(found)
    console = Console()
    ends = Counter(each.outcome for each in found)
    faults = sum(each.happened for each in found)
    console.print(
        f"{len(found):,} conversations, {faults:,} faults, {time.monotonic() - began:.1f} s: "
        + ", ".join(f"{count:,} {name}" for name, count in ends.most_common()),
        highlight=False,
    )
    console.print(f"{len(hung)} hangs, {len(wrong)} wrong verdicts", highlight=False)
    for each in (*wrong, *hung)[:10]:
        console.print(f"{each.faults}: {each.message}", highlight=False, markup=False)
    return 1 if wrong or hung or not found else 0
