"""Judge the golden files of one Keras 3 version: each is read, rebuilt, and held to its record.

Both readings are held to the record, each by itself: the oracle's value of the file and the
rebuilt model in Keras may differ from what the Keras that wrote the file answered by no more
than float32 rounds, in either of the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.golden.keras3_files import KERAS3, REFUSED, Keras3Golden
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.stimuli import Arrays
from harness.comparison.budgets import Expectation, expectation
from harness.comparison.compare import Allowed, Comparison, compare
from harness.conversion.keras3 import description, stored_weights
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session
from harness.support import scratch
from harness.support.cache import digests
from harness.workers import limits
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker
from reference.network import UnsupportedLayer

Array = NDArray[Any]
Contents = Mapping[str, Any]
#: Changes what a file holds before it is rebuilt: its document and arrays by path.
Edit = Callable[[dict[str, Any], dict[str, Array]], None]


def measure_keras3(case: Case, session: Session) -> Measured:
    """The phases build and compare of all files of one version."""
    golden = KERAS3[case.subject.name]
    reader = session.keep(GoldenReader)
    with session.account.time("invoke"):
        return judged(golden, reader)


class GoldenReader:
    """Reads golden files in one Keras worker. Not thread-safe."""

    def __init__(self, session: Session) -> None:
        self.worker = Worker(session.heavy, "keras", limits.CONVERT)
        self.store = session.store
        self._expected: dict[str, Expectation] = {}

    def close(self) -> None:
        self.worker.close()

    def contents(self, golden: Keras3Golden, file: str) -> Answer | Failure:
        """What a file holds: the document and the arrays of the worker's `contents`."""
        folder = scratch.folder("keras3")
        try:
            path = folder / file
            path.write_bytes(golden.read(file))
            return self.worker.call("contents", limits=limits.BUILD, path=str(path))
        finally:
            scratch.remove(folder)

    def expected(self, held: Contents, arrays: Mapping[str, Array], given: Arrays) -> Expectation:
        """The oracle's answer to a file's contents, once for all files that say the same.

        Raises UnsupportedLayer and ValueError as the oracle does.
        """
        reading = description.read(held["model"])
        weights = stored_weights.by_node(
            held["model"], reading.owners, arrays, held["names"], held["order"]
        )
        said = (reading.description, digests(weights), digests(given))
        key = json.dumps(said, sort_keys=True)
        if key not in self._expected:
            self._expected[key] = expectation(
                reading.description, weights, given, {}, "float32", self.store
            )
        return self._expected[key]

    def rebuilt(
        self, held: Contents, weights: Mapping[str, Array], inputs: Mapping[str, Array]
    ) -> Answer | Failure:
        """What the rebuilt model of contents answers to inputs [samples, …]."""
        arrays = {f"weights/{path}": value for path, value in weights.items()}
        arrays |= {f"input/{name}": value for name, value in inputs.items()}
        fields = {key: held[key] for key in ("keras", "model", "names", "order")}
        return self.worker.call("answers-of-contents", arrays, limits.BUILD, **fields)


def judged(golden: Keras3Golden, reader: GoldenReader) -> Measured:
    """All files of a version; the first that differs, else the one closest to its budget."""
    worst: Comparison | None = None
    values = 0
    for file in golden.files:
        found = held_to_record(golden, file, reader)
        if isinstance(found, StepResult):
            return Measured(found, values=values)
        if found is None:
            continue
        values += found.values
        if worst is None or (found.budget_used or 0.0) > (worst.budget_used or 0.0):
            worst = found
    assert worst is not None
    rule = "float64 oracle, float32 rounding by Monte Carlo, in the model and in the record"
    return Measured(
        worst.result, worst.error, worst.budget, worst.budget_used, values, budget_rule=rule
    )


def held_to_record(
    golden: Keras3Golden, file: str, reader: GoldenReader, edit: Edit | None = None
) -> Comparison | StepResult | None:
    """One file against its record: a comparison that agreed, how it ended otherwise, or None for
    a file that was rightly refused. edit: of the contents, before they are rebuilt."""
    what = f"{file} of Keras {golden.version}"
    must_refuse = REFUSED.get((golden.version, file))
    held = reader.contents(golden, file)
    if isinstance(held, Failure):
        return StepResult(Phase.BUILD, held.outcome, f"{what}: {held.message}", held.native)
    inputs, record = golden.recorded(file)
    document, arrays = dict(held.document), dict(held.arrays)
    if edit is not None:
        edit(document, arrays)
    answer = reader.rebuilt(document, arrays, inputs)
    if must_refuse is not None:
        if isinstance(answer, Failure) and must_refuse in answer.message:
            return None
        message = f"{what}: should be refused: {must_refuse}"
        return StepResult(Phase.BUILD, Outcome.DIVERGED, message)
    if isinstance(answer, Failure):
        return StepResult(Phase.BUILD, answer.outcome, f"{what}: {answer.message}", answer.native)
    rebuilt = [answer.arrays[f"output/{index}"] for index in range(len(answer.arrays))]
    try:
        given = {name: value[:, np.newaxis] for name, value in inputs.items()}
        want = reader.expected(held.document, held.arrays, given)
        found = _compared(want, record, rebuilt)
    except (UnsupportedLayer, ValueError) as error:
        return StepResult(Phase.BUILD, Outcome.REFUSED, f"{what}: the oracle: {error}")
    if not found.result.agreed:
        return StepResult(Phase.COMPARE, Outcome.DIVERGED, f"{what}: {found.result.message}")
    return found


def _compared(want: Expectation, record: Sequence[Array], rebuilt: Sequence[Array]) -> Comparison:
    """The record against the oracle and against the rebuilt model, whichever is worse."""
    recorded = [value[:, np.newaxis] for value in record]
    twice = [Allowed(2 * one.largest, 2 * one.rms) for one in want.budgets]
    found = [
        compare(want.outputs, recorded, want.budgets),
        compare(recorded, [value[:, np.newaxis] for value in rebuilt], twice),
    ]
    return max(found, key=lambda one: (not one.result.agreed, one.budget_used or 0.0))
