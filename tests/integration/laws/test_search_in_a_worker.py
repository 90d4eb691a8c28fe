"""A real crash and a real hang shrink to a minimal example as any other break does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.laws.cases import LAWS
from harness.laws.scripted_models import Feed
from harness.laws.search import search
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.limits import Limits
from harness.workers.server_handle import Server
from tests.support.drill_worker import DRILL
from tests.support.faulty_models import Lstm
from tests.unit.laws.test_laws import specimen


class InAWorker(Lstm):
    """A healthy LSTM in front of a worker that really dies or hangs from three steps on."""

    worker: Worker
    op: str

    def feed(self, action: Feed) -> Any:
        if action.x.shape[1] > 2:
            answer = self.worker.call(
                self.op, limits=Limits(seconds=0.2), signal="SIGSEGV", say="broken here"
            )
            assert isinstance(answer, Failure)
            return StepResult(Phase.INVOKE, answer.outcome, answer.message, answer.native)
        return super().feed(action)


@pytest.fixture(scope="module")
def drill() -> Iterator[Worker]:
    server = Server((DRILL,))
    worker = Worker(server, DRILL)
    yield worker
    worker.close()
    server.stop()


@pytest.mark.parametrize(("op", "kind"), [("die", Outcome.CRASHED), ("hang", Outcome.HUNG)])
def test_a_real_crash_or_hang_shrinks_too(drill: Worker, op: str, kind: Outcome) -> None:
    found = specimen("carried")
    scripted = InAWorker(found.scripted.traits)
    scripted.worker, scripted.op = drill, op
    examined = search(LAWS["lengths"], replace(found, scripted=scripted), most=30)
    assert examined.result.outcome is kind
    assert examined.example == {"visits": [[3, "zeros", False]]}
