"""Check one conversion's quantisation: scales, ranges and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fixtures.recipes import REWRITTEN
from fixtures.stimuli import OPEN_TIMESTEPS
from harness.checks.beside_source.own_conversion import scale_findings
from harness.checks.calibration import measured_share
from harness.checks.conversion import measure_conversion
from harness.checks.findings_verdict import Checked, ended, failing_of, weighed
from harness.checks.model_values import cell_ranges, samples_in_order
from harness.checks.scale_share import measured_scale_share
from harness.comparison import budgets
from harness.flatbuffer.scale_repair import consistent
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import affine_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.quantization.calibration import (
    cell_findings,
    dependence_findings,
    input_findings,
    range_findings,
)
from harness.quantization.expected_scales import calibrated_findings, uncertainty
from harness.quantization.scale_predictions import (
    NO_INT16,
    OperatorBench,
    Predicted,
    inputs_for,
    integer_lstms,
    predict,
)
from harness.quantization.scale_rules import FIXED_SCALES, quantization_findings
from harness.session.session import Session
from harness.structure.findings import Finding
from harness.structure.lstm_contract import fused_lstms
from harness.support.cache import Store
from harness.weights.lstm_matching import matches
from reference.budgets.monte_carlo import CELL_CLIP
from reference.network import UnsupportedLayer

#: Rules whose effect the one-operator runs measure.
_MEASURED = ("hidden-scale", "cell-scale")


#: An output may leave its range although the same samples have calibrated it.
_MORE = (
    "calibrate with more samples, well mixed: the calibrator carries the state from each sample "
    "into the next, and has seen few answers from rest"
)


def operator_bench(session: Session) -> OperatorBench:
    """The session's, on the runtimes that were asked for."""
    return OperatorBench(session.heavy, session.light, session.store, session.settings.runtimes)


def measure_quantization(case: Case, session: Session) -> Checked:
    """Scales, zero points and calibration of an integer model, and what they make of each LSTM.

    Scales must be those of the calibration. Every fused LSTM is run alone on both runtimes: each
    must answer as its integer oracle, to the last bit, and be wrong exactly where a broken rule
    predicts it.
    """
    with session.account.time("structure"):
        return _check(case, session, session.keep(operator_bench))


def _check(case: Case, session: Session, bench: OperatorBench) -> Checked:
    artifacts = session.artifacts(case)
    measured = measure_conversion(case, session)
    structure, data = artifacts.conversion.structure, artifacts.conversion.data
    if not measured.result.agreed or structure is None or data is None:
        return Checked(measured, structure=structure)
    findings = _findings(session, case, artifacts, structure, data.tobytes())
    parted: list[str] = []
    for number, (found, model) in enumerate(integer_lstms(data.tobytes())):
        axis = 0 if model.time_major else 1
        opened = structure.tensors[found.input].signature[axis] < 0
        timesteps = OPEN_TIMESTEPS if opened else found.input_shape[axis]
        x = inputs_for(model, timesteps, session.settings.seed)
        said, partings = bench.examine(model, x)
        rules = [f for f in findings if f.rule in _MEASURED and f.operator == found.position]
        for name in bench.runtimes:
            told = [partings[name]]
            if case.subject.registered:
                told.append(_unpredicted(name, said[name], rules))
            parted += [f"fused LSTM {number}: {sentence}" for sentence in told if sentence]
        left = predict(consistent(model), x) if rules else {}
        findings = [_measured(f, rules, said, left) for f in findings]
    # A known limitation of the converter is a wrong answer all the same.
    share = measured_share(case, session, artifacts, findings)
    scales = measured_scale_share(case, session, artifacts, findings)
    findings = weighed(case, session, findings, share, ("failed", "limitation"), scales)
    failing = failing_of(case, session, findings)
    return Checked(ended(measured, findings, failing, parted), tuple(findings), structure)


def _findings(
    session: Session, case: Case, artifacts: CaseArtifacts, structure: Structure, content: bytes
) -> list[Finding]:
    """What the rules say of a flatbuffer's scales and of the calibration behind them."""
    findings = quantization_findings(structure)
    if samples := samples_in_order(structure, artifacts):
        findings += input_findings(structure, samples)
    if not case.subject.registered:
        findings += _outputs(artifacts, structure)
    findings += _calibrated(case, artifacts, session.store)
    findings += scale_findings(artifacts)
    if artifacts.built is not None:
        integers = [lstm for lstm in fused_lstms(structure) if lstm.integer]
        matched = matches(content, artifacts.built.weights)
        layers = {m.lstm.position: m.layer for m in matched if m.lstm.subgraph == 0}
        findings += cell_findings(integers, layers, cell_ranges(case, artifacts, session.store))
    if case.recipe.name != REWRITTEN:
        findings += dependence_findings(structure, artifacts.recalibrated)
    return findings


def _outputs(artifacts: CaseArtifacts, structure: Structure) -> list[Finding]:
    """Whether each integer output holds what the model answers."""
    expected = artifacts.expected
    if expected is None or expected.missing:
        return []
    order = structure.output_positions(artifacts.conversion.output_names)
    found = []
    for position, values in zip(order, expected.outputs, strict=False):
        tensor = structure.outputs[position]
        affine = affine_of(tensor)
        if affine is not None and values.size and tensor.scale[0] not in FIXED_SCALES:
            told = range_findings(f"output {tensor.name!r}", tensor.name, affine, values)
            found += [replace(f, cure=_MORE) if f.rule == "too-narrow" else f for f in told]
    return found


def _unpredicted(runtime: str, said: Predicted, rules: Sequence[Finding]) -> str:
    """How a runtime's oracle parts from what the broken rules predict; empty when it does not."""
    broken = any(runtime in finding.predicts for finding in rules)
    if said.problem == NO_INT16 or (said.wrong or said.answer is None) == broken:
        return ""
    return (
        f"{runtime} is {'wrong' if said.wrong else 'right'} by its oracle (error {said.error:.3g}, "
        f"{said.over:.2g} of the budget) and the rules predict {'a fault' if broken else 'none'}"
    )


def _measured(
    finding: Finding,
    rules: Sequence[Finding],
    said: Mapping[str, Predicted],
    left: Mapping[str, Predicted],
) -> Finding:
    """A broken rule with the errors that it predicts, and those that its repair would leave; a
    warning where none leaves its budget."""
    if finding not in rules:
        return finding
    figures = ", ".join(
        f"{name} off by {one.error:.3g} ({one.over:.2g} × the budget"
        + (f", {left[name].error:.3g} once repaired)" if left[name].answer is not None else ")")
        for name, one in said.items()
        if one.answer is not None
    )
    harmless = not any(one.wrong or one.answer is None for one in said.values())
    level = "warning" if harmless else finding.level
    return replace(finding, level=level, message=f"{finding.message}; predicted: {figures}")


def _calibrated(case: Case, artifacts: CaseArtifacts, store: Store) -> list[Finding]:
    """The scales held to the calibration samples, where this run converted the model."""
    data, structure = artifacts.conversion.data, artifacts.conversion.structure
    built, exact = artifacts.built, artifacts.expected_of_keras
    if not artifacts.calibrated_with or data is None or structure is None or built is None:
        return []
    if exact is None or exact.missing:
        return []
    uncertain = uncertainty(exact.outputs, [budget.largest for budget in exact.budgets])
    try:
        document = budgets.description(case.subject, built.config)
        samples = artifacts.calibrated_with
        content = data.tobytes()
        how: dict[str, Any] = {"final_cell": True, "cell_clip": CELL_CLIP}
        ends = budgets.ranges(document, built.weights, samples, store, **how)
        return calibrated_findings(structure, content, built.weights, samples, ends, uncertain)
    except (UnsupportedLayer, ValueError):
        return []  # no oracle, or names that the parity suite reports
