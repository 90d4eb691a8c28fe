"""Do the laws of sequences hold: lengths, causality, padding, direction, batch?

Hypothesis draws the examples; a broken law is shrunk to a minimal one, printed with the command
that runs it again. The laws are in harness/laws/sequences.py; what is known not to hold is in
fixtures/limitations/laws.toml.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.laws.cases import LawCase

Holds = Callable[[LawCase], None]


def test_lengths(law_case: LawCase, holds: Holds) -> None:
    """One interpreter, resized in any order, gives the oracle's value at every length."""
    holds(law_case)


def test_empty(law_case: LawCase, holds: Holds) -> None:
    """A sequence of no steps is refused or gives nothing, and harms nothing."""
    holds(law_case)


def test_fixed_length(law_case: LawCase, holds: Holds) -> None:
    """A model of one length refuses every other."""
    holds(law_case)


def test_fixed_batch(law_case: LawCase, holds: Holds) -> None:
    """A model of one batch size refuses another."""
    holds(law_case)


def test_causality(law_case: LawCase, holds: Holds) -> None:
    """Outputs up to step k depend only on inputs up to step k."""
    holds(law_case)


def test_padding(law_case: LawCase, holds: Holds) -> None:
    """Padded and masked equals trimmed."""
    holds(law_case)


def test_transposed(law_case: LawCase, holds: Holds) -> None:
    """Time-major equals batch-major, transposed."""
    holds(law_case)


def test_backwards(law_case: LawCase, holds: Holds) -> None:
    """go_backwards equals the reversed sequence."""
    holds(law_case)


def test_bidirectional(law_case: LawCase, holds: Holds) -> None:
    """Bidirectional equals two unidirectional runs, merged."""
    holds(law_case)


def test_unrolled(law_case: LawCase, holds: Holds) -> None:
    """Unrolled equals rolled."""
    holds(law_case)


def test_rows(law_case: LawCase, holds: Holds) -> None:
    """Rows of a batch are independent and move with their inputs."""
    holds(law_case)


def test_batch(law_case: LawCase, holds: Holds) -> None:
    """A batch of four equals four batches of one."""
    holds(law_case)


def test_unclipped(law_case: LawCase, holds: Holds) -> None:
    """A converted model answers as Keras does, however large its cell state grows."""
    holds(law_case)


def test_long_sequences(law_case: LawCase, errors_by_step: Holds) -> None:
    """Over a thousand steps no error passes its budget; each step's goes into the report."""
    errors_by_step(law_case)


def test_throughput(law_case: LawCase, throughput: Holds) -> None:
    """Isolation costs at most 15 % of the bare invoke time; the published loop stands beside."""
    throughput(law_case)
