"""Decide what fails: a finding is an error only where its consequence is proven.

A gate is red where a runtime that was asked for answers wrongly, refuses, crashes or hangs, and
where the file is another model than its source; all else is a warning with its figure, and fails
with `--strict` only. Each rule states here what it does to its user, and a run proves it: the
model's own comparison on the runtimes that were asked for, or, where there is no such comparison,
that of the operator alone. Scales that contradict each other decide too where they cost more than
the recipe, as a calibration does. The catalogue certifies an installation: there a rule that a
conversion breaks is an error whatever comes of it, since nothing else says that the converter has
changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.checks.scale_share import RULES
from harness.pipeline.cases import Judged, Verdict
from harness.quantization.calibration_share import Share
from harness.structure.findings import Finding, Level

#: file: the flatbuffer is another than its source, its recipe or the format say, whatever a runtime
#: makes of it. runtime: a runtime answers wrongly, or refuses it; its run proves it. calibration:
#: the calibration costs more than the recipe, or accounts for a runtime's wrong answer.
Consequence = Literal["file", "runtime", "calibration"]

#: What each rule that may be an error does.
CONSEQUENCES: Mapping[str, Consequence] = {
    **dict.fromkeys(
        (
            "not-the-model",
            "not-the-state-dict",
            "output-names",
            "unreached",
            "not-quantised",
            "float-island",
            "initial-state-dropped",
            "lstm-inputs",
            "lstm-state-variable",
            "lstm-state-shape",
            "lstm-shape",
            "lstm-constant",
            "lstm-dtype",
            "zero-point",
            "bias-scale",
            "calibration-empty",
            "calibration-dtype",
            "calibration-nan",
            "calibration-inf",
            "calibration-constant",
        ),
        "file",
    ),
    **dict.fromkeys(
        (
            "fusion-unaccounted",
            "fusion-rule",
            "fusion-contradicted",
            "fusion-unexplained",
            "missing-trackable",
            "open-batch",
            "keras-3",
            "flex",
            "float-operator",
            "lstm-activation",
            "lstm-intermediates",
            "lstm-20-inputs",
            "lstm-int16",
            "lstm-unsupported",
            "cell-clip",
            "another-graph",
            "requantised",
            "state-shared",
            "unrolled-cell",
            "scale-degenerate",
            "hidden-scale",
            "cell-scale",
            "multiplier-range",
            "fixed-scale",
            "same-scale",
            "calibrated-range",
            "bias-saturated",
            "tflm-operator",
            "tflm-hybrid",
            "tflm-hybrid-lstm",
            "tflm-gather-bool",
            "tflm-float16",
            "tflm-open-size",
            "tflm-dynamic",
            "tflm-loop",
        ),
        "runtime",
    ),
    "too-narrow": "calibration",
    "too-wide": "calibration",
    "not-the-calibration": "calibration",
}


@dataclass(frozen=True)
class Evidence:
    """What is proven of a case.

    certifying: a case of the catalogue. runs: by runtime, how its comparison of the whole model
    was judged, as far as there is one. families: by runtime its kernels, `tflite` or `tflm`, which
    findings predict for. share: what the calibration does to the error, where that was measured.
    """

    certifying: bool
    runs: Mapping[str, Judged]
    families: Mapping[str, str]
    share: Share | None = None
    #: The most decisions that rounding alone turns, of a classifier.
    turned_by_rounding: float | None = None
    #: Verdicts on a run that prove a finding: a known limitation may be one.
    proving: tuple[Verdict, ...] = ("failed",)
    #: What scales that contradict each other do to the error, where that was measured.
    scales: Share | None = None

    def failed(self, finding: Finding) -> list[str]:
        """The runtimes that the finding is about and whose comparison failed, or that turn more
        decisions than rounding explains."""
        about = self.about(finding)
        return [
            name
            for name in about
            if self.runs[name].verdict in self.proving or self._turned(self.runs[name])
        ]

    def _turned(self, judged: Judged) -> bool:
        told, ordinary = judged.measured.decisions, self.turned_by_rounding
        return told is not None and ordinary is not None and told["changed"] > ordinary

    def about(self, finding: Finding) -> list[str]:
        told = finding.predicts
        return [name for name in self.runs if not told or self.families.get(name) in told]


def decided(findings: Sequence[Finding], evidence: Evidence) -> list[Finding]:
    """The findings at the level that their proven consequence gives them."""
    if evidence.certifying:
        return list(findings)
    return [_decided(finding, evidence) for finding in findings]


def _decided(finding: Finding, evidence: Evidence) -> Finding:
    consequence = CONSEQUENCES.get(finding.rule, "runtime")
    if consequence == "calibration":
        return _by_share(finding, evidence)
    if finding.level != "error" or consequence == "file":
        return finding
    about = evidence.about(finding)
    if evidence.failed(finding):
        return finding
    if not about:
        # No comparison of the whole model: what was measured of the operator alone has decided.
        measured = bool(finding.predicts) and not evidence.runs
        return finding if measured else replace(finding, level="warning")
    if finding.rule in RULES and evidence.scales is not None and evidence.scales.decides:
        message = f"{finding.message}; {evidence.scales}, once the scales are repaired"
        return replace(finding, message=message, share=evidence.scales.ratio)
    figures = ", ".join(f"{name} {_figure(evidence.runs[name])}" for name in about)
    message = f"{finding.message}; the whole model shows nothing of it: {figures}"
    return replace(finding, level="warning", message=message)


def _by_share(finding: Finding, evidence: Evidence) -> Finding:
    share = evidence.share
    if share is None:
        failed = finding.level == "error" and evidence.failed(finding)
        return finding if failed else replace(finding, level="warning")
    level: Level = "error" if share.decides else "warning"
    return replace(finding, level=level, message=f"{finding.message}; {share}", share=share.ratio)


def _figure(judged: Judged) -> str:
    used = judged.measured.budget_used
    if used is None:
        return judged.measured.result.outcome.value
    told = judged.measured.decisions
    more = f" and turns {told['changed']} of {told['of']} decisions" if told else ""
    return f"uses {used:.2g} of its budget{more}"
