"""Hold a user's flatbuffer to the conversion of its source: findings of what is not the same."""

from __future__ import annotations

from collections.abc import Sequence

from fixtures.recipes import RECIPES
from harness.comparison import budgets
from harness.flatbuffer.scale_repair import repaired
from harness.flatbuffer.structure import quantization_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.structure.findings import Finding
from harness.weights.differences import Difference
from harness.weights.lstm_matching import matches
from harness.weights.twin import scales
from harness.weights.twin.audit import audit
from reference.network import UnsupportedLayer

#: Findings of one rule that are told one by one; the others are counted.
MOST_TOLD = 8
_CURE = "this file was not made from this model, or was changed: convert again"
_CALIBRATION = "convert again with the samples of --calibration, or name those it was made with"


def constant_findings(
    case: Case, artifacts: CaseArtifacts, known: Sequence[Finding]
) -> list[Finding]:
    """Constants, options, wires and outputs of a file that are not as in its source's conversion.

    known: what comparing weights with Keras's has found, which is not told twice.
    """
    data, twin = artifacts.conversion.data, artifacts.twins.content
    plain = artifacts.twins.plain
    if data is None or (case.subject.keras_path is None and plain is None):
        return []
    if plain is None:
        built = artifacts.built
        why = "" if built is None or built.result.agreed else f" ({built.result})"
        told = f"there is no conversion of the model to hold the file to{why}: its constants, "
        return [Finding("audit-partial", "note", f"{told}options and wires are not compared")]
    if twin is None:
        told = f"the model does not convert here ({plain.result}): only its LSTMs and Dense layers "
        return [Finding("audit-partial", "note", f"{told}are compared with the file")]
    weights = {} if artifacts.built is None else artifacts.built.weights
    lstms = {
        match.lstm.position: match.layer
        for match in matches(data.tobytes(), weights)
        if match.lstm.subgraph == 0
    }
    found = audit(data.tobytes(), twin, _layers(case, artifacts), lstms)
    if found.problem:
        told = f"not every constant is compared with the model's: {found.problem}"
        return [Finding("audit-partial", "note", told)]
    told_of = {(f.operator, f.rule) for f in known}
    ours = [
        one
        for one in found.differences
        if one.kind not in ("output-order", "output-names")
        and ((one.operator, "not-the-model") not in told_of or one.operator is None)
    ]
    findings = [_told(one) for one in _few(ours)]
    findings += [_output(one, artifacts) for one in found.differences if one not in ours]
    findings = [finding for finding in findings if finding.message]
    return findings + _apart(found.apart, found.one_converter)


def _told(one: Difference) -> Finding:
    return Finding(
        "not-the-model",
        "error",
        one.message,
        _CURE,
        share=one.share,
        layer=one.layer,
        operator=one.operator,
    )


def _output(one: Difference, artifacts: CaseArtifacts) -> Finding:
    """Outputs in another order are right for who reads them by name, and wrong for who counts."""
    if one.kind == "output-names":
        return Finding("output-names", "error", one.message, _CURE)
    if one.kind == "output-order":
        structure, built = artifacts.conversion.structure, artifacts.built
        names = set() if structure is None else set(structure.output_names)
        keras = [] if built is None else [str(entry["name"]) for entry in built.outputs]
        level = "note" if names == set(keras) else "warning"
        cure = "read them by the signature's names"
        return Finding("output-order", level, one.message, cure)  # type: ignore[arg-type]
    return Finding("", "note", "")


def _apart(apart: Sequence[Difference], one_converter: bool) -> list[Finding]:
    """Operators that only one of the two has: of one converter's version a changed file; else it
    may be what another version makes of the model."""
    if not apart:
        return []
    told = "; ".join(one.message for one in apart[:MOST_TOLD])
    if len(apart) > MOST_TOLD:
        told += f"; and {len(apart) - MOST_TOLD} more"
    position = next((one.operator for one in apart if one.operator is not None), None)
    if one_converter:
        message = f"the graph is not the model's: {told}"
        return [Finding("another-graph", "error", message, _CURE, operator=position)]
    message = f"the file has other operators than the model's own conversion: {told}"
    return [Finding("another-graph", "warning", message, _CURE, operator=position)]


def _few(found: Sequence[Difference]) -> list[Difference]:
    """The first differences, and a sentence that counts the others."""
    if len(found) <= MOST_TOLD:
        return list(found)
    rest = len(found) - MOST_TOLD + 1
    message = f"{rest} more constants and options are not the model's: it may be another one"
    return [*found[: MOST_TOLD - 1], Difference("weight", "", message)]


def _layers(case: Case, artifacts: CaseArtifacts) -> list[str]:
    if artifacts.built is None:
        return []
    try:
        document = budgets.description(case.subject, artifacts.built.config)
    except UnsupportedLayer:
        return list({key.rpartition("/")[0] for key in artifacts.built.weights})
    return [str(node["name"]) for node in document["nodes"]]


def scale_findings(artifacts: CaseArtifacts) -> list[Finding]:
    """Activation scales of a file that the samples of --calibration do not give, and values that
    are rounded once more on the way."""
    data, twin = artifacts.conversion.data, artifacts.twins.calibrated_content
    if data is None:
        return []
    content = data.tobytes()
    plain = artifacts.twins.content
    found = None if twin is None else _nearest(content, twin)
    findings = []
    narrowed = found.narrowed if found is not None else ()
    if found is None and plain is not None and _integer(artifacts):
        narrowed = scales.compare(content, plain).narrowed
    for tensor, factor in narrowed:
        message = (
            f"QUANTIZE operators that the model's own conversion does not have round the values "
            f"to steps {factor:.4g} times as coarse on the way, in tensor {tensor!r}"
        )
        findings.append(Finding("requantised", "error", message, _CURE, (tensor,)))
    if found is not None and found.apart:
        findings.append(_off(found))
    return findings


def _nearest(content: bytes, twin: bytes) -> scales.Scales:
    """Held to the conversion, and to the same with its scales repaired, which a user may have
    done (`python -m harness repair`)."""
    found = scales.compare(content, twin)
    if not found.apart:
        return found
    mended, changes = repaired(twin)
    other = scales.compare(content, mended) if changes else found
    return min((found, other), key=lambda one: len(one.apart))


def _off(found: scales.Scales) -> Finding:
    worst = found.apart[0]
    told = ", ".join(map(str, found.apart[:3])) + (", …" if len(found.apart) > 3 else "")
    if 2 * len(found.apart) <= found.compared:
        kept = f"the other {found.compared - len(found.apart)} are those of these samples"
    else:
        kept = "it was calibrated with others, or with these in another order"
    message = (
        f"{len(found.apart)} of {found.compared} activation tensors do not have the scale and zero "
        f"point that the samples of --calibration give: {told}; {kept}"
    )
    names = tuple(one.tensor for one in found.apart[:3])
    return Finding(
        "not-the-calibration", "warning", message, _CALIBRATION, names, operator=worst.position
    )


def _integer(artifacts: CaseArtifacts) -> bool:
    kinds = [name for name, recipe in RECIPES.items() if recipe.calibrated]
    return quantization_of(artifacts.conversion.structure) in kinds
