"""Run whole models on the native runtimes: load a flatbuffer, run samples, all in a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Phase, StepResult
from fixtures.runtimes import ARENA_BYTES, Runtime
from harness.flatbuffer.structure import Structure
from harness.workers import limits
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.devices import alone
from harness.workers.kinds import kind_of, needs_all
from harness.workers.limits import Limits
from harness.workers.server_handle import Server


@dataclass(frozen=True)
class Run:
    """What a runtime gave: outputs in the flatbuffer's order, each [N, …], or how it ended."""

    result: StepResult | None
    outputs: tuple[NDArray[Any], ...] = ()
    load_seconds: float = 0.0
    #: Of a device by its own clock, 0 where it has none.
    invoke_seconds: float = 0.0
    #: What a device says of itself.
    told: Mapping[str, Any] = field(default_factory=dict)


class RuntimeServers(Protocol):
    """Where the servers of runtimes in other Pythons come from."""

    def server(self, runtime: Runtime) -> Server: ...


class Workers:
    """One warm worker with an ability for each adapter, and for each runtime in another Python.

    heavy, light: the servers of packages whose import takes seconds, and of all others. A
    flatbuffer with custom operators of TensorFlow goes to the heavy one.
    """

    def __init__(
        self,
        heavy: Server,
        light: Server,
        ability: str,
        elsewhere: RuntimeServers | None = None,
        bounds: Limits = limits.INVOKE,
    ) -> None:
        self._servers = {True: heavy, False: light}
        self._elsewhere = elsewhere
        self._ability = ability
        self._bounds = bounds
        self._workers: dict[tuple[str, str, bool], Worker] = {}

    def of(self, runtime: Runtime, content: bytes = b"") -> Worker:
        """The worker that runs a flatbuffer; content: its bytes."""
        slow = runtime.adapter.slow or needs_all(runtime.adapter, content)
        key = (runtime.adapter.name, runtime.python or runtime.transport, slow)
        if key not in self._workers:
            server = self._servers[slow]
            if runtime.python or runtime.transport:
                assert self._elsewhere is not None
                server = self._elsewhere.server(runtime)
            self._workers[key] = Worker(
                server, kind_of(runtime.adapter, self._ability), self._bounds
            )
        return self._workers[key]

    def drop(self, runtime: Runtime) -> None:
        """End the worker of a runtime; it is started again when it is wanted."""
        for slow in (False, True):
            key = (runtime.adapter.name, runtime.python or runtime.transport, slow)
            worker = self._workers.pop(key, None)
            if worker is not None:
                worker.close()

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


class Interpreters:
    """Runs flatbuffers on the native runtimes, one warm worker for each kind."""

    def __init__(
        self, heavy: Server, light: Server, elsewhere: RuntimeServers | None = None
    ) -> None:
        self._workers = Workers(heavy, light, "invoke", elsewhere)

    def close(self) -> None:
        self._workers.close()

    def drop(self, runtime: Runtime) -> None:
        """End the worker of a runtime that is not asked again, and the device that it speaks to."""
        self._workers.drop(runtime)

    def load(
        self,
        runtime: Runtime,
        data: NDArray[np.uint8],
        structure: Structure,
        bounds: Limits = limits.INVOKE,
    ) -> StepResult | None:
        """How loading a flatbuffer in its own sizes ends, None where it succeeds."""
        with alone(runtime):
            return self._load(runtime, data, structure, bounds)

    def _load(
        self,
        runtime: Runtime,
        data: NDArray[np.uint8],
        structure: Structure,
        bounds: Limits,
    ) -> StepResult | None:
        worker = self._workers.of(runtime, data.tobytes())
        loaded = worker.call(
            "load",
            {"tflite": data},
            bounds,
            resolver=runtime.resolver,
            shapes=[],
            arena_bytes=ARENA_BYTES,
            outputs=len(structure.outputs),
            **wanted_of(runtime, structure),
        )
        if isinstance(loaded, Failure):
            return StepResult(Phase.LOAD, loaded.outcome, loaded.message, loaded.native)
        worker.call("unload", handle=loaded.document["handle"])
        return None

    def run(
        self,
        runtime: Runtime,
        data: NDArray[np.uint8],
        structure: Structure,
        samples: Sequence[NDArray[Any]],
        reset: bool = True,
        bounds: Limits = limits.INVOKE,
    ) -> Run:
        """Load a flatbuffer and run every sample.

        samples: one array [N, …] for each of the flatbuffer's inputs, in its order and of its
        types. reset: whether the initial state is restored before each sample. bounds: of loading
        and of one sample; the first sample runs alone and shows what the others may take.
        """
        with alone(runtime):
            return self._run(runtime, data, structure, samples, reset, bounds)

    def _run(
        self,
        runtime: Runtime,
        data: NDArray[np.uint8],
        structure: Structure,
        samples: Sequence[NDArray[Any]],
        reset: bool,
        bounds: Limits,
    ) -> Run:
        worker = self._workers.of(runtime, data.tobytes())
        bounds = limits.for_runtime(bounds, runtime.emulated)
        loaded = worker.call(
            "load",
            {"tflite": data},
            bounds,
            resolver=runtime.resolver,
            shapes=[list(array.shape[1:]) for array in samples],
            arena_bytes=ARENA_BYTES,
            outputs=len(structure.outputs),
            **wanted_of(runtime, structure),
        )
        if isinstance(loaded, Failure):
            return Run(StepResult(Phase.LOAD, loaded.outcome, loaded.message, loaded.native))
        parts: list[list[NDArray[Any]]] = []
        seconds = spent = 0.0
        count = len(samples[0])
        for chosen in (slice(0, 1), slice(1, count)):
            if chosen.start >= count:
                break
            inputs = {f"input/{k}": array[chosen] for k, array in enumerate(samples)}
            allowed = limits.for_samples(bounds, spent, count) if parts else bounds
            invoked = worker.call(
                "invoke", inputs, allowed, handle=loaded.document["handle"], reset=reset
            )
            if isinstance(invoked, Failure):
                failure = StepResult(Phase.INVOKE, invoked.outcome, invoked.message, invoked.native)
                return Run(failure, load_seconds=loaded.seconds)
            seconds += invoked.document["seconds"]
            spent = invoked.seconds if runtime.transport else seconds
            parts.append([invoked.arrays[f"output/{k}"] for k in range(len(invoked.arrays))])
        worker.call("unload", handle=loaded.document["handle"])
        outputs = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Run(None, outputs, loaded.seconds, seconds, loaded.document["told"])


def wanted_of(runtime: Runtime, structure: Structure) -> dict[str, Any]:
    """What a device's driver is told of a model: the wire, and what comes back over it."""
    if not runtime.transport:
        return {}
    answers = [[tensor.dtype, list(tensor.shape)] for tensor in structure.outputs]
    return {"transport": runtime.transport, "answers": answers}
