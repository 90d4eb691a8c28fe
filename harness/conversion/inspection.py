"""Read the structure of a flatbuffer in a worker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.conversion.results import Conversion, failed
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.wellformed import damage
from harness.workers.answers import Failure
from harness.workers.client import Worker


def inspect(inspector: Worker, data: NDArray[np.uint8]) -> Conversion:
    """Read a flatbuffer's structure: a conversion that agreed, or refused as damaged."""
    answer = inspector.call("inspect", {"tflite": data})
    if isinstance(answer, Failure):
        return Conversion(failed(Phase.STRUCTURE, answer), data)
    damaged = damage(answer.document, len(data))
    if damaged:
        message = f"a damaged TFLite flatbuffer of {len(data)} bytes ({damaged})"
        return Conversion(StepResult(Phase.STRUCTURE, Outcome.REFUSED, message), data)
    return Conversion(StepResult(Phase.CONVERT, Outcome.AGREED), data, Structure(answer.document))
