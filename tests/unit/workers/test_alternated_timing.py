"""Two works are timed in turns, each prepared before every slice."""

from __future__ import annotations

import pytest

from harness.workers.remote import paired_timing


class _Work:
    """Counts what is done with it; `slow` times it does nothing of use."""

    def __init__(self, slow: int) -> None:
        self.slow, self.prepared, self.runs, self.unprepared = slow, 0, 0, 0
        self._ready = False

    def prepare(self) -> None:
        self.prepared += 1
        self._ready = True

    def run(self) -> None:
        self.unprepared += not self._ready
        self._ready = False
        self.runs += 1
        for _ in range(self.slow):
            pass


@pytest.mark.parametrize("once", [False, True])
def test_the_slower_work_takes_longer_and_both_see_as_many_slices(once: bool) -> None:
    quick, slow = _Work(2_000), _Work(40_000)
    works = [(work.run, work.prepare) for work in (quick, slow)]
    _, (first, second) = paired_timing.alternated(works, 0.2, once)
    assert 0 < 4 * first < second
    assert quick.prepared == slow.prepared
    if once:
        assert quick.unprepared == slow.unprepared == 0
        assert quick.runs == quick.prepared
