"""Time one invoke before and after a repair, in turns on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import ARENA_BYTES, Runtime
from harness.execution.interpreters import Workers
from harness.flatbuffer.tensor_codec import to_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.session.session import Session
from harness.workers.answers import Failure
from harness.workers.limits import Limits

#: Slices of both models are taken for at most so long.
MOST_SECONDS = 1.5
_LIMITS = Limits(cpu_seconds=30)
_ABILITY = "benchmark"


class Timers:
    """Workers that time invokes, warm. Not thread-safe."""

    def __init__(self, session: Session) -> None:
        self._workers = Workers(
            session.heavy, session.light, _ABILITY, session.elsewhere, bounds=_LIMITS
        )

    def close(self) -> None:
        self._workers.close()

    def seconds(
        self, runtime: Runtime, models: Sequence[CaseArtifacts | None]
    ) -> list[float | None]:
        """Of one invoke of each model on its first sample: the least of slices in turns. None for
        a model that does not run, and for all where the worker ends."""
        ran = [found is not None and _ran(runtime, found) for found in models]
        chosen = [found for found in models if found is not None and _ran(runtime, found)]
        found: list[float] = []
        if chosen and _ABILITY in runtime.adapter.abilities:
            found = self._measured(runtime, chosen)
        left = iter(found)
        return [next(left, None) if each else None for each in ran]

    def _measured(self, runtime: Runtime, models: Sequence[CaseArtifacts]) -> list[float]:
        arrays: dict[str, NDArray[Any]] = {}
        told = []
        for index, artifacts in enumerate(models):
            data, structure = artifacts.conversion.data, artifacts.conversion.structure
            assert data is not None
            assert structure is not None
            names = list(artifacts.stimulus)
            samples = to_runtime(structure, names, artifacts.stimulus, False)
            arrays[f"tflite/{index}"] = np.asarray(data)
            arrays |= {f"{index}/input/{k}": array[0] for k, array in enumerate(samples)}
            told.append(
                {
                    "resolver": runtime.resolver,
                    "threads": 1,
                    "shapes": [list(array.shape[1:]) for array in samples],
                    "arena_bytes": ARENA_BYTES,
                    "outputs": len(structure.outputs),
                }
            )
        answer = self._workers.of(runtime).call(
            "compare", arrays, _LIMITS, models=told, most_seconds=MOST_SECONDS
        )
        if isinstance(answer, Failure):
            return []
        return list(answer.document["seconds"])


def _ran(runtime: Runtime, artifacts: CaseArtifacts) -> bool:
    run = artifacts.runs.get(runtime.name)
    conversion = artifacts.conversion
    return run is not None and run.result is None and conversion.structure is not None


def shown(seconds: float | None) -> str:
    """A time with a unit that fits; a dash for none."""
    if seconds is None:
        return "–"
    scale, unit = (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
    return f"{seconds * scale:.3g} {unit}"
