"""All threads read flatbuffers with one schema."""

from __future__ import annotations

import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

from harness.flatbuffer import schema

THREADS = 4


def _unused() -> ModuleType:
    """The module as a process finds it that has not read a flatbuffer yet."""
    assert schema.__file__ is not None
    spec = importlib.util.spec_from_file_location("unused_schema", schema.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_threads_that_ask_first_and_together_share_one_schema() -> None:
    module, together = _unused(), threading.Barrier(THREADS)

    def asked(_: int) -> Any:
        together.wait()
        return module.schema()

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(asked, range(THREADS)))
    assert len({id(one) for one in found}) == 1
    assert found[0] is module.schema()
