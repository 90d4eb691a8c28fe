"""Name the kinds of workers: what one can do with a runtime's package, or a module of its own.

`tflm-tensors` is the ability `tensors` of the adapter `tflm` (fixtures/runtimes), `tflm` its first
one. A kind with dots is a module with OPERATIONS by name and a function versions().
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from typing import Any

from fixtures.runtimes import RUNTIMES, Adapter, Runtime
from fixtures.runtimes.device import DEVICE

_ALONE = {"inspect": "harness.workers.remote.inspect"}
#: What brings a package that need not be there, by its extra.
EXTRAS = {"keras": "pip install 'lstm-conformance[keras]' (TensorFlow 2.15.1, Python 3.10 or 3.11)"}


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
    """The kinds that one server forks: packages whose import takes seconds, or all others that are
    installed. What may need all of a package is in both."""
    found = [
        kind
        for adapter in adapters()
        if (adapter.slow or adapter.whole if slow else not adapter.slow and installed(adapter))
        for kind in kinds_of(adapter)
    ]
    return tuple(found if slow else [*found, *_ALONE])


def installed(adapter: Adapter) -> bool:
    """Whether a package is there. One that is always to be there is taken to be: its worker says
    what it lacks."""
    return not adapter.extra or _found(adapter.module)


@cache
def _found(module: str) -> bool:
    return find_spec(module) is not None


def absent() -> list[Runtime]:
    """The runtimes whose package is not installed."""
    return [runtime for runtime in RUNTIMES.values() if not installed(runtime.adapter)]


def usable(name: str) -> Runtime:
    """The runtime of a name or, where its package is not installed, the one that stands for it:
    its kernels are copies of the same source."""
    runtime = RUNTIMES[name]
    if installed(runtime.adapter) or not runtime.adapter.same_kernels:
        return runtime
    return RUNTIMES[runtime.adapter.same_kernels]


def needs_all(adapter: Adapter, content: bytes) -> bool:
    """Whether a flatbuffer has custom operators for which all of a package has to be imported.
    (A file that only mentions the word is run there too, which costs seconds.)"""
    return adapter.whole and b"Flex" in content


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
