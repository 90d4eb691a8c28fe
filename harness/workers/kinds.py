"""Name the kinds of workers: what one can do with a runtime's package, or a module of its own.

`tflm-tensors` is the ability `tensors` of the adapter `tflm` (fixtures/runtimes), `tflm` its first
one. A kind with dots is a module with OPERATIONS by name and a function versions().
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fixtures.runtimes import RUNTIMES, Adapter
from fixtures.runtimes.device import DEVICE

_ALONE = {"inspect": "harness.workers.remote.inspect"}


def adapters() -> Iterable[Adapter]:
    """The adapter of every runtime, each once."""
    return {runtime.adapter.name: runtime.adapter for runtime in RUNTIMES.values()}.values()


def distributions() -> list[str]:
    """The packages that must be installed for all runtimes."""
    return list(dict.fromkeys(adapter.distribution for adapter in adapters()))


def kind_of(adapter: Adapter, ability: str) -> str:
    return adapter.name if ability == adapter.abilities[0] else f"{adapter.name}-{ability}"


def kinds_of(adapter: Adapter) -> tuple[str, ...]:
    return tuple(kind_of(adapter, ability) for ability in adapter.abilities)


def shared(slow: bool) -> tuple[str, ...]:
    """The kinds that one server forks: packages whose import takes seconds, or all others."""
    found = [kind for adapter in adapters() if adapter.slow == slow for kind in kinds_of(adapter)]
    return tuple(found if slow else [*found, *_ALONE])


def told(kind: str) -> dict[str, Any]:
    """What the server process is told of a kind: see `harness.workers.remote.serve`."""
    if kind in _ALONE or "." in kind:
        return {"module": _ALONE.get(kind, kind)}
    every = (*adapters(), DEVICE)
    known = [one for each in every for one in (each, each.stand_in) if one is not None]
    table = {kind_of(each, can): (each, can) for each in known for can in each.abilities}
    adapter, ability = table[kind]
    module = {"module": f"{adapter.workers}.{ability}"}
    if not adapter.driver:
        return module
    package = {"package": adapter.module, "distribution": adapter.distribution}
    return {**module, **package, "driver": adapter.driver, "api": adapter.api}
