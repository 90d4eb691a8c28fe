"""Have a rewritten model built and saved as a .keras file by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from harness.workers import limits
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.server_handle import Server


def keras_file(
    server: Server, config: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]
) -> bytes | Failure:
    """The .keras file of a Keras 2.15 configuration with these weights, `layer/index`."""
    worker = Worker(server, "keras", limits.BUILD)
    try:
        answer = worker.call("write", weights, limits.BUILD, config=dict(config))
    finally:
        worker.close()
    if isinstance(answer, Failure):
        return answer
    return bytes(answer.arrays["file"].tobytes())
