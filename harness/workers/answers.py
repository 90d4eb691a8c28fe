"""Say how a request ended: with an answer, with a failure, or without a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fixtures.outcomes import Outcome


@dataclass(frozen=True)
class Failure:
    """How a request ended that has no answer.

    repeatable: another run of the same request would end alike. A hang, and a kill from outside,
    may come from the machine.
    """

    outcome: Outcome
    message: str
    native: str = ""
    repeatable: bool = True


@dataclass(frozen=True)
class Answer:
    """A worker's answer: the document, the arrays, what was printed, and the seconds it took."""

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    native: str
    seconds: float


class WorkerUnavailable(Exception):
    """A worker's Python or package is missing, or it speaks another protocol version."""
