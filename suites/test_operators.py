"""Does each form of the LSTM operator do what it says, on every runtime?

Models of one operator, built from the schema: what Keras cannot express. Each is held to its
specification within derived rounding, and to its runtime's own arithmetic, outputs and states.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import one_of

from fixtures.runtimes import RUNTIMES
from harness.checks.operators import measure_operator
from harness.operators.activation_fuzz import Drawn as DrawnOperator
from harness.operators.exactness import Exactness
from harness.operators.fuzz import Arithmetic, Drawn, drawn, examine
from harness.operators.fuzz_table import STRATEGIES, families
from harness.operators.single_operator import hold
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session
from harness.support.hypothesis_profiles import searching

SUITE = Suite(Selection.operators, judges="installation")


def test_operator(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_operator(case, session))


@pytest.mark.parametrize(
    ("runtime", "kind", "share"),
    [
        ("tflite", "int8", 3),
        ("tflite-reference", "int8", 3),  # the same kernel behind another resolver
        ("litert", "int8", 3),
        ("tflm", "int8", 4),
        ("tflm", "int16x8", 4),
    ],
)
def test_fuzz(
    runtime: str,
    kind: Arithmetic,
    share: int,
    session: Session,
    count: Callable[[str, str, list[Exactness]], None],
) -> None:
    """Any integer LSTM operator at all gives what its runtime's arithmetic says, to the bit.

    share: of the profile's examples; an example compares some ten thousand values. The profile
    ci does not shrink: a mismatch is reported at once, with all that decides it, and --hypothesis-
    profile dev makes it small."""
    compared: list[Exactness] = []
    phases = [phase for phase in Phase if searching() or phase is not Phase.shrink]
    most = share * settings.default.max_examples  # type: ignore[union-attr]

    @settings(max_examples=most, phases=phases)
    @given(drawn(kind, plain=runtime == "tflm"))
    def check(example: Drawn) -> None:
        found = examine(example, RUNTIMES[runtime], session.operators)
        compared.append(found)
        assert found.proven, f"{found.message or found.problem}\n{example}"

    try:
        check()
    finally:
        count(runtime, kind, compared)


@pytest.mark.parametrize(
    ("kind", "share"), [("int8", 2.0), ("int16", 1.0), ("float32", 1.0), ("int32", 0.5)]
)
@pytest.mark.parametrize(
    "runtime", ["tflite", "tflite-no-xnnpack", "tflite-reference", "litert", "tflm"]
)
def test_fuzz_of_operators(
    runtime: str,
    kind: str,
    share: float,
    session: Session,
    count: Callable[[str, str, list[Exactness]], None],
) -> None:
    """Any operator that has an oracle gives what its runtime's arithmetic says: to the bit, and
    floats within a derived budget.

    share: of the profile's examples; an example compares some thousand values of one operator, so
    that --hypothesis-profile long compares about a million of each."""
    compared: list[Exactness] = []
    phases = [phase for phase in Phase if searching() or phase is not Phase.shrink]
    most = max(1, int(share * settings.default.max_examples))  # type: ignore[union-attr]
    strategies = [STRATEGIES[family, kind] for family in families(runtime, kind)]

    @settings(max_examples=most, phases=phases)
    @given(one_of(strategies))
    def check(example: DrawnOperator) -> None:
        found = hold(example.graph, example.samples, runtime, session.operators)
        name = example.graph.operators[0].name
        counts = found.values, found.mismatches
        compared.append(Exactness(0, name, "", *counts, problem=found.problem))
        assert found.proven, f"{found.message or found.problem}\n{example}"

    try:
        check()
    finally:
        count(runtime, f"{kind} operators", compared)
