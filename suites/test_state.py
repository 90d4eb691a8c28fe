"""Do the laws of state hold: streaming, carrying, resetting, allocating, resizing?

As test_sequences.py; the laws are in harness/laws/state.py.
"""

from __future__ import annotations

from harness.laws.cases import LawCase, law_cases
from harness.pipeline.suite import Suite
from harness.plugins.laws import Holds

SUITE = Suite(law_cases)


def test_streaming(case: LawCase, holds: Holds) -> None:
    """One invoke equals any partition into chunks with carried state."""
    holds(case)


def test_carrying(case: LawCase, holds: Holds) -> None:
    """Without a reset the second answer differs as the oracle predicts."""
    holds(case)


def test_resetting(case: LawCase, holds: Holds) -> None:
    """After a reset the first answer returns bit for bit."""
    holds(case)


def test_allocating(case: LawCase, holds: Holds) -> None:
    """allocate_tensors and a resize to the same shape change no answer."""
    holds(case)


def test_resizing(case: LawCase, holds: Holds) -> None:
    """A resize to another length keeps the state."""
    holds(case)


def test_published_loop(case: LawCase, holds: Holds) -> None:
    """The published resize-allocate-invoke loop gives each sample's own answer."""
    holds(case)


def test_unset_inputs(case: LawCase, holds: Holds) -> None:
    """Inputs survive an invoke and a reset."""
    holds(case)


def test_poisoning(case: LawCase, holds: Holds) -> None:
    """A NaN poisons what comes after it until a reset, and nothing before."""
    holds(case)
