"""Carry out scripts on a model that is kept warm in every shape it was asked for.

A model is loaded once for each shape of the inputs and taken back to its initial state for the
next script, so that a length seen before is not allocated again.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Tuple

from numpy.typing import NDArray

from harness.workers.remote import scripts
from harness.workers.remote.abilities.invoke import Arrays, Operation, Request
from harness.workers.remote.abilities.streaming import MOST_WARM, bare, clock, published, stream


class Driver:
    """One model. Of the request: `states`, the tensors that `read` and `write` move; `pool`: False
    for a model whose state the package's own reset does not restore; `resizes`: False where a
    shape that is not the file's is refused when the input is set."""

    def __init__(self, model: Any, content: bytes, request: Request) -> None:
        self.open = partial(model, content)
        self.request = request
        self.warm: Dict[Any, Any] = {}
        self.views: Dict[Any, Any] = {}
        self.current: Any = None
        self.held: List[NDArray[Any]] = []
        first = self.make([])
        if not request["resizes"]:
            self.warm[()] = first

    def make(self, shapes: Any) -> Any:
        return self.open({**self.request, "shapes": shapes, "strict": False})

    def fresh(self, shapes: Any) -> None:
        key = scripts.pooled_key(shapes) if self.request["resizes"] else ()
        if not self.request["pool"] or key not in self.warm:
            _make_room(self.warm)
            self.warm[key] = self.make(shapes)
        else:
            self.warm[key].reset()
        self.current = self.warm[key]

    def direct(self, shapes: Any) -> Tuple[Any, ...]:
        """Native calls and memory, as `Model.direct` gives them, of a model of its own."""
        key = scripts.pooled_key(shapes)
        if key not in self.views:
            _make_room(self.views)
            model = self.make(shapes)
            self.views[key] = (model, model.direct())
        return self.views[key][1]  # type: ignore[no-any-return]

    def reset(self) -> None:
        self.current.reset()

    def resize(self, shapes: Any, strict: bool) -> None:
        self._no_longer_pooled()
        self.current.resize(shapes, strict)

    def allocate(self) -> None:
        self.current.allocate()

    def set(self, inputs: List[NDArray[Any]]) -> None:
        self.current.set(inputs)

    def invoke(self) -> None:
        self.current.invoke()

    def get(self) -> List[NDArray[Any]]:
        return self.current.get()  # type: ignore[no-any-return]

    def read(self) -> None:
        self.held = self.current.read(self.request["states"])

    def write(self) -> None:
        self.current.write(self.request["states"], self.held)

    def broken(self) -> None:
        self._no_longer_pooled()
        self.current = None

    def _no_longer_pooled(self) -> None:
        for key, model in list(self.warm.items()):
            if model is self.current:
                del self.warm[key]


def _make_room(pool: Dict[Any, Any]) -> None:
    if len(pool) >= MOST_WARM:
        pool.pop(next(iter(pool)))


def load(
    model: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """Load array `tflite` under `key`; the rest of the request as `Driver` and `Model` take it."""
    state[request["key"]] = Driver(model, arrays["tflite"].tobytes(), request)
    return {}, {}


def run_script(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    return scripts.run_script(state[request["key"]], request, arrays)


def operations(model: Any) -> Dict[str, Operation]:
    return {
        "load": partial(load, model),
        "run_script": run_script,
        "stream": stream,
        "clock": clock,
        "bare": bare,
        "published": published,
    }
