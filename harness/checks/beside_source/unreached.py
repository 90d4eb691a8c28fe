"""Look for inputs that show what a file's clips do where no sample reaches them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.checks.model_values import cell_ranges
from harness.comparison import budgets
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.session.session import Session
from harness.structure.findings import Finding, Level
from harness.weights.lstm_matching import matches
from harness.weights.twin.audit import audit
from harness.weights.unreached import Limit, Reached, search
from reference.network import UnsupportedLayer, evaluate

#: What TensorFlow 2.15.1's converter writes into every fused LSTM; Keras has no clip.
CONVERTERS_CLIP = 10.0
#: For a limit that the source's own conversion has too, less is spent.
_ROUNDS, _SECONDS = 12, 0.25
#: Where a fused function ends.
_ENDS = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
_CURE = "this file was not made from this model, or was changed: convert again"
_OWN_CURE = "shorter sequences or smaller weights; or set cell_clip to 0 in the flatbuffer"


def unreached_findings(case: Case, session: Session, artifacts: CaseArtifacts) -> list[Finding]:
    """Clips of a user's flatbuffer that its source does not have and no sample reaches, each with
    an input within the samples' range that does, where one is found."""
    built, data = artifacts.built, artifacts.conversion.data
    if case.subject.kind != "tflite" or built is None or data is None or not artifacts.stimulus:
        return []
    if not built.result.agreed:
        return []
    try:
        document = budgets.description(case.subject, built.config)
        found: list[Finding] = []
        for limit in _limits(case, session, artifacts, document, data.tobytes()):
            own = limit.high == CONVERTERS_CLIP and limit.name.endswith("/cell")
            how: dict[str, Any] = {"rounds": _ROUNDS, "seconds": _SECONDS} if own else {}
            with session.account.time("oracle"):
                reached = search(document, built.weights, artifacts.stimulus, limit, **how)
            found += _told(case, session, artifacts, document, reached, own)
    except (UnsupportedLayer, ValueError):
        return []
    return found


def _limits(
    case: Case,
    session: Session,
    artifacts: CaseArtifacts,
    document: Mapping[str, Any],
    content: bytes,
) -> Iterator[Limit]:
    """Those that the samples do not reach. A cell grows by less than one a step: what is further
    than there are steps is never reached."""
    assert artifacts.built is not None
    ranges = cell_ranges(case, artifacts, session.store)
    for match in matches(content, artifacts.built.weights):
        clip = match.lstm.options.cell_clip
        steps = match.lstm.input_shape[0 if match.lstm.options.time_major else 1]
        low, high = ranges.get(match.layer, (-np.inf, np.inf))
        if match.layer and 0 < clip < steps and max(-low, high) <= clip:
            yield Limit(match.layer, f"{match.layer}/cell", -clip, clip)
    twin = artifacts.twins.content
    if twin is not None:
        layers = [str(node["name"]) for node in document["nodes"]]
        for layer, given, _ in audit(content, twin, layers).functions:
            if given in _ENDS:
                yield Limit(layer, layer, *_ENDS[given])


def _told(
    case: Case,
    session: Session,
    artifacts: CaseArtifacts,
    document: Mapping[str, Any],
    reached: Reached,
    own: bool,
) -> list[Finding]:
    limit = reached.limit
    cell = limit.name.endswith("/cell")
    ends = f"{limit.high:g}" if cell else f"{limit.low:g} to {limit.high:g}"
    what = "the cell state" if cell else "the output"
    furthest, by_samples = (abs(limit.high) * one for one in (reached.furthest, reached.by_samples))
    count = len(next(iter(artifacts.stimulus.values())))
    where = f"layer {limit.layer!r}: {what} ends at {ends} in the file, and not in the model; "
    if not reached.beyond:
        if own:
            return []
        message = (
            f"{where}none of {count} samples and none of {reached.tried - count} inputs searched "
            f"within their range gets there (the furthest to {furthest:.3g})"
        )
        return [Finding("unreached", "warning", message, _CURE, layer=limit.layer)]
    expected = artifacts.expected
    allowed = [] if expected is None else [budget.largest for budget in expected.budgets]
    moved = list(zip(reached.apart, allowed, strict=False))
    matters = any(off > budget for off, budget in moved)
    if own and not matters:
        return []
    samples = f"the samples come to {by_samples:.3g}, and an input within their range passes it"
    if reached.by_samples > 1:
        samples = f"the samples come to {by_samples:.3g}"
    shown = [f"{off:.3g} (budget {budget:.3g})" for off, budget in moved]
    told = f"{where}{samples}: it moves the outputs by {', '.join(shown) or reached.apart}"
    wrong, figures = _run(case, session, artifacts, document, reached, allowed)
    level: Level = "error" if wrong and matters and not own else "warning"
    cure = _OWN_CURE if own else _CURE
    return [Finding("unreached", level, told + figures, cure, layer=limit.layer)]


def _run(
    case: Case,
    session: Session,
    artifacts: CaseArtifacts,
    document: Mapping[str, Any],
    reached: Reached,
    allowed: list[float],
) -> tuple[bool, str]:
    """The input as a further sample of the comparison: whether a runtime leaves its budget there,
    and by how much each is off."""
    structure, data = artifacts.conversion.structure, artifacts.conversion.data
    assert artifacts.built is not None
    if structure is None or data is None or not allowed:
        return False, ""
    exact = evaluate(document, artifacts.built.weights, reached.sample)
    sample = {
        name: array.astype(artifacts.stimulus[name].dtype) for name, array in reached.sample.items()
    }
    given = to_runtime(structure, list(sample), sample, by_shape=True)
    wrong, parts = False, []
    for runtime in case.confirm_on:
        known = artifacts.runs.get(runtime.name)
        if known is None or known.result is not None:
            continue
        run = session.operators.run(
            runtime,
            data.tobytes(),
            given,
            outputs=len(structure.outputs),
            bounds=session.settings.bounds(case.subject),
            resize=any(size < 0 for tensor in structure.inputs for size in tensor.signature),
        )
        if run.result is not None:
            continue
        answers = from_runtime(structure, artifacts.conversion.output_names, run.outputs)
        pairs = [
            (float(np.abs(a - b).max(initial=0.0)), allowed[k])
            for k, (a, b) in enumerate(zip(exact, answers, strict=False))
            if a.shape == b.shape and k < len(allowed)
        ]
        off = max(pairs, key=lambda pair: pair[0] / pair[1] if pair[1] else 0.0, default=None)
        if off is not None:
            wrong = wrong or off[0] > off[1]
            parts.append(f"{runtime.name} is off by {off[0]:.3g} there")
    return wrong, f"; {', '.join(parts)}" if parts else ""
