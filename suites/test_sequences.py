"""Do the laws of sequences hold: lengths, causality, padding, direction, batch?

Hypothesis draws the examples; a broken law is shrunk to a minimal one, printed with the command
that runs it again. The laws are in harness/laws/sequences.py; what is known not to hold is in
fixtures/limitations/laws.toml.
"""

from __future__ import annotations

from harness.laws.cases import LawCase, law_cases
from harness.pipeline.suite import Suite
from harness.plugins.laws import Holds

SUITE = Suite(law_cases)


def test_lengths(case: LawCase, holds: Holds) -> None:
    """One interpreter, resized in any order, gives the oracle's value at every length."""
    holds(case)


def test_empty(case: LawCase, holds: Holds) -> None:
    """A sequence of no steps is refused or gives nothing, and harms nothing."""
    holds(case)


def test_fixed_length(case: LawCase, holds: Holds) -> None:
    """A model of one length refuses every other."""
    holds(case)


def test_fixed_batch(case: LawCase, holds: Holds) -> None:
    """A model of one batch size refuses another."""
    holds(case)


def test_causality(case: LawCase, holds: Holds) -> None:
    """Outputs up to step k depend only on inputs up to step k."""
    holds(case)


def test_padding(case: LawCase, holds: Holds) -> None:
    """Padded and masked equals trimmed."""
    holds(case)


def test_transposed(case: LawCase, holds: Holds) -> None:
    """Time-major equals batch-major, transposed."""
    holds(case)


def test_backwards(case: LawCase, holds: Holds) -> None:
    """go_backwards equals the reversed sequence."""
    holds(case)


def test_bidirectional(case: LawCase, holds: Holds) -> None:
    """Bidirectional equals two unidirectional runs, merged."""
    holds(case)


def test_unrolled(case: LawCase, holds: Holds) -> None:
    """Unrolled equals rolled."""
    holds(case)


def test_rows(case: LawCase, holds: Holds) -> None:
    """Rows of a batch are independent and move with their inputs."""
    holds(case)


def test_batch(case: LawCase, holds: Holds) -> None:
    """A batch of four equals four batches of one."""
    holds(case)


def test_unclipped(case: LawCase, holds: Holds) -> None:
    """A converted model answers as Keras does, however large its cell state grows."""
    holds(case)


def test_long_sequences(case: LawCase, errors_by_step: Holds) -> None:
    """Over a thousand steps no error passes its budget; each step's goes into the report."""
    errors_by_step(case)


def test_throughput(case: LawCase, throughput: Holds) -> None:
    """Isolation costs at most 15 % of the bare invoke time; the published loop stands beside."""
    throughput(case)
