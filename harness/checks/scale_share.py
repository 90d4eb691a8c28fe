"""Measure what a file's contradicting scales cost the model, beside what its recipe costs.

The same file with its scales repaired (harness/flatbuffer/scale_repair.py) runs on the same
samples: what the file is off beyond that is the contradiction's share of the error. Where it is
larger than the repaired file's own error, most of what is wrong comes from the scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.flatbuffer.scale_repair import repaired
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.quantization.calibration_share import Share
from harness.session.session import Session
from harness.structure.findings import Finding

#: Rules whose cure is the repair.
RULES = ("hidden-scale", "cell-scale", "same-scale")


def measured_scale_share(
    case: Case, session: Session, artifacts: CaseArtifacts, findings: Sequence[Finding]
) -> Share | None:
    """What the scales of a user's file do to the error on these samples, on the runtime where it
    is most; None where no finding asks for it, or nothing says what the model must answer."""
    structure, data = artifacts.conversion.structure, artifacts.conversion.data
    expected = artifacts.expected
    asked = any(finding.rule in RULES and finding.level == "error" for finding in findings)
    if case.subject.registered or not asked or structure is None or data is None:
        return None
    if expected is None or not expected.outputs:
        return None
    content, changes = repaired(data.tobytes())
    if not changes:
        return None
    names = artifacts.conversion.output_names
    stimulus = artifacts.stimulus
    samples = to_runtime(structure, list(stimulus), stimulus, by_shape=True)
    opened = any(size < 0 for tensor in structure.inputs for size in tensor.signature)
    shares = []
    for runtime in case.confirm_on:
        before = artifacts.runs.get(runtime.name)
        if before is None or before.result is not None:
            continue
        after = session.operators.run(
            runtime,
            content,
            samples,
            outputs=len(structure.outputs),
            bounds=session.settings.bounds(case.subject),
            resize=opened,
        )
        if after.result is None:
            was, now = (from_runtime(structure, names, run.outputs) for run in (before, after))
            shares += shares_of(was, now, expected.outputs)
    return max(shares, key=lambda share: share.ratio, default=None)


def shares_of(
    before: Sequence[NDArray[Any]],
    after: Sequence[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
) -> list[Share]:
    """Of each output, the repaired file's error and what the contradiction adds to it."""
    found = []
    for k, (was, now, wanted) in enumerate(zip(before, after, expected, strict=False)):
        if was.shape != wanted.shape or now.shape != wanted.shape:
            continue
        squares = [float(np.mean(np.square(one - wanted))) for one in (now, was)]
        if all(math.isfinite(square) for square in squares):
            added = math.sqrt(max(0.0, squares[1] - squares[0]))
            found.append(Share(math.sqrt(squares[0]), added, k))
    return found
