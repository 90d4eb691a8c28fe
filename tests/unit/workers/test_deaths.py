"""A worker's death says whether the same request would end alike again."""

from __future__ import annotations

import pytest

from fixtures.outcomes import Outcome
from harness.workers.client import _death
from harness.workers.limits import Limits
from harness.workers.remote import wire


@pytest.mark.parametrize(
    ("status", "native", "outcome", "message", "repeatable"),
    [
        (11, "", Outcome.CRASHED, "SIGSEGV", True),
        (6, "std::bad_alloc", Outcome.OUT_OF_MEMORY, "allocation refused", True),
        (6, "a check failed", Outcome.CRASHED, "SIGABRT", True),
        (3 << 8, "", Outcome.CRASHED, "exit status 3", True),
        # Its own code failed, before it came to the request: a limit from outside, a full disk.
        (wire.OWN_FAULT << 8, "", Outcome.CRASHED, "exit status 70", False),
        (9, "", Outcome.CRASHED, "SIGKILL", False),
        (None, "", Outcome.CRASHED, "killed", False),
    ],
)
def test_a_death_is_named_and_kept_where_it_would_come_again(
    status: int | None, native: str, outcome: Outcome, message: str, repeatable: bool
) -> None:
    found = _death(status, native, Limits())
    assert (found.outcome, found.repeatable) == (outcome, repeatable)
    assert message in found.message
