"""Record what the runtimes answered for operators with arithmetic, in small models.

`python -m tests.support.arithmetic_records [FAMILY …]` runs them. Kept are, of each family and
type, a few examples on which runtimes part in ways that no kept one shows, and a few where they
agree.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_description import build
from harness.operators.activation_fuzz import Drawn
from harness.operators.fuzz_table import REFUSED
from harness.operators.operator_fuzz import FAMILIES, KINDS
from harness.workers import kinds
from harness.workers.server_handle import Server
from tests.support.operator_records import ON, Record, read, write

FILE = Path(__file__).parent / "golden" / "arithmetic.npz"
#: Examples of each family and type, the numbers that one may hold, and how many are kept.
DRAWN, NUMBERS, SAMPLES = 250, 500, 4
KEPT, KEPT_DIFFERENT = 2, 4


def examples(strategy: st.SearchStrategy[Drawn]) -> list[Drawn]:
    """Small models, the same in every run."""
    found: list[Drawn] = []

    @settings(
        max_examples=DRAWN,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(one: Drawn) -> None:
        tensors = one.graph.tensors
        if sum(int(np.prod(tensor.shape)) for tensor in tensors) <= NUMBERS // SAMPLES:
            found.append(one)

    draw()
    return found


def record(wanted: Sequence[str] = ()) -> list[Record]:
    """Run the examples of the named families, or of all."""
    runtimes = OperatorRuntimes(Server(kinds.shared(slow=True)), Server(kinds.shared(slow=False)))
    found = []
    for family, strategy in FAMILIES.items():
        for kind in KINDS[family] if not wanted or family in wanted else ():
            found += _kept(family, kind, examples(strategy(kind)), runtimes)
    runtimes.close()
    return found


def _kept(family: str, kind: str, drawn: list[Drawn], runtimes: OperatorRuntimes) -> list[Record]:
    kept: dict[str, Record] = {}
    seen: set[tuple[bytes, ...]] = set()
    alike = 0
    for one in drawn:
        samples = tuple(sample[:SAMPLES] for sample in one.samples)
        outputs = {}
        for runtime in ON:
            if (family, kind, runtime) in REFUSED:
                continue
            run = runtimes.run(RUNTIMES[runtime], build(one.graph), samples)
            if run.result is None:
                outputs[runtime] = run.outputs
        first = [value[0].tobytes() for value in outputs.values()]
        groups = tuple(bytes([first.index(value)]) for value in first)
        different = len(set(groups)) > 1
        if different and (groups in seen or len(seen) >= KEPT_DIFFERENT):
            continue
        if not different and alike >= KEPT:
            continue
        seen |= {groups} if different else set()
        alike += not different
        name = f"{family} {kind} {len(kept)}"
        kept[name] = Record(name, one.graph, samples, outputs)
    return list(kept.values())


def main(wanted: Sequence[str]) -> None:
    """Record the named families anew, or all of them."""
    kept = [one for one in read(FILE) if _family(one) not in wanted] if wanted else []
    write(kept + record(wanted), FILE)


def _family(one: Record) -> str:
    return one.name.rsplit(" ", 2)[0]


if __name__ == "__main__":
    main(sys.argv[1:])
