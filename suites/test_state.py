"""Do the laws of state hold: streaming, carrying, resetting, allocating, resizing?

As test_sequences.py; the laws are in harness/laws/state.py.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.laws.cases import LawCase

Holds = Callable[[LawCase], None]


def test_streaming(law_case: LawCase, holds: Holds) -> None:
    """One invoke equals any partition into chunks with carried state."""
    holds(law_case)


def test_carrying(law_case: LawCase, holds: Holds) -> None:
    """Without a reset the second answer differs as the oracle predicts."""
    holds(law_case)


def test_resetting(law_case: LawCase, holds: Holds) -> None:
    """After a reset the first answer returns bit for bit."""
    holds(law_case)


def test_allocating(law_case: LawCase, holds: Holds) -> None:
    """allocate_tensors and a resize to the same shape change no answer."""
    holds(law_case)


def test_resizing(law_case: LawCase, holds: Holds) -> None:
    """A resize to another length keeps the state."""
    holds(law_case)


def test_published_loop(law_case: LawCase, holds: Holds) -> None:
    """The published resize-allocate-invoke loop gives each sample's own answer."""
    holds(law_case)


def test_unset_inputs(law_case: LawCase, holds: Holds) -> None:
    """Inputs survive an invoke and a reset."""
    holds(law_case)


def test_poisoning(law_case: LawCase, holds: Holds) -> None:
    """A NaN poisons what comes after it until a reset, and nothing before."""
    holds(law_case)
