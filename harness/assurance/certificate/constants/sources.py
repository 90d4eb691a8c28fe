"""Make the models that are gated with their source, and read what the gate says of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.recipes import RECIPES
from fixtures.variants import Input, Node, Variant
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import gated
from harness.checks.quantization import measure_quantization
from harness.checks.structure import measure_structure
from harness.conversion.inspection import inspect
from harness.conversion.results import Conversion
from harness.flatbuffer.scale_repair import repaired
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Asked, Case
from harness.pipeline.twins import Twins
from harness.session.session import Session

Array = NDArray[Any]
Edit = Callable[[bytes], bytes]
STEPS, FEATURES, WORDS = 12, 4, 24
_X = (Input("x", (STEPS, FEATURES)),)
_LSTM = {"units": 8}
_SOFTMAX = {"units": 3, "activation": "softmax"}

CONVOLVED = Variant(
    "certificate-convolved",
    "a convolution, an LSTM and a classifier",
    _X,
    (
        Node(
            "conv",
            "Conv1D",
            {"filters": 6, "kernel_size": 3, "padding": "same", "activation": "relu"},
            ("x",),
        ),
        Node("pool", "MaxPooling1D", {"pool_size": 2}, ("conv",)),
        Node("lstm", "LSTM", _LSTM, ("pool",)),
        Node("dense", "Dense", _SOFTMAX, ("lstm",)),
    ),
    ("dense",),
)
EMBEDDED = Variant(
    "certificate-embedded",
    "an embedding of words, of which the samples use some, an LSTM and a classifier",
    (Input("x", (STEPS,), "int32", vocabulary=WORDS),),
    (
        Node("embedding", "Embedding", {"input_dim": 2 * WORDS, "output_dim": 6}, ("x",)),
        Node("lstm", "LSTM", _LSTM, ("embedding",)),
        Node("dense", "Dense", _SOFTMAX, ("lstm",)),
    ),
    ("dense",),
)
NORMALISED = Variant(
    "certificate-normalised",
    "both directions, normalisations, a leaky Dense, and two heads",
    _X,
    (
        Node(
            "both",
            "Bidirectional",
            {
                "layer": {"class": "LSTM", "config": {"units": 6, "return_sequences": True}},
                "merge_mode": "concat",
            },
            ("x",),
        ),
        Node("norm", "BatchNormalization", {"epsilon": 1e-2}, ("both",)),
        Node("conv", "Conv1D", {"filters": 6, "kernel_size": 3}, ("norm",)),
        Node("folded", "BatchNormalization", {"epsilon": 1e-2}, ("conv",)),
        Node("mean", "GlobalAveragePooling1D", {}, ("folded",)),
        Node("hidden", "Dense", {"units": 6}, ("mean",)),
        Node("leaky", "LeakyReLU", {"alpha": 0.1}, ("hidden",)),
        Node("alpha", "Dense", _SOFTMAX, ("leaky",)),
        Node("beta", "Dense", _SOFTMAX, ("leaky",)),
    ),
    ("alpha", "beta"),
)
SOURCES = (CONVOLVED, EMBEDDED, NORMALISED)
_STRICT = Asked(recipes=True, runtimes=True, strict=True)


@dataclass(eq=False)
class Made:
    """By variant, what the pipeline makes of it, and its float32 conversion. Nothing to close."""

    artifacts: dict[str, CaseArtifacts] = field(default_factory=dict)

    def close(self) -> None:
        self.artifacts.clear()

    def of(self, bench: InjectionBench, variant: Variant) -> CaseArtifacts:
        """As if somebody else had converted it: with the twins of its source, and no runs."""
        if variant.name not in self.artifacts:
            plain = bench.artifacts(gated(variant), "float32", runtimes=()).conversion
            found = bench.artifacts(gated(variant), "int8", runtimes=())
            self.artifacts[variant.name] = replace(
                found,
                conversion=_mended(bench, found.conversion),
                twins=Twins(plain, found.conversion),
                calibrated_with={},
                recalibrated={},
                runs={},
            )
        return self.artifacts[variant.name]


def made(session: Session) -> Made:
    return Made()


def _mended(bench: InjectionBench, conversion: Conversion) -> Conversion:
    """With its scales repaired: those that the converter lets contradict each other are no fault
    of these."""
    assert conversion.data is not None
    return _edited(bench, conversion, repaired(conversion.data.tobytes())[0])


def _edited(bench: InjectionBench, conversion: Conversion, content: bytes) -> Conversion:
    changed = inspect(bench.pipeline.converter.inspector, np.frombuffer(content, np.uint8))
    return replace(changed, output_names=conversion.output_names)


def said(
    bench: InjectionBench,
    variant: Variant,
    edit: Edit | None = None,
    calibrated: Callable[[Array], Array] | None = None,
) -> list[Reading]:
    """What a strict gate with --calibration says of a variant's int8 file, once edited, or
    calibrated with other samples than those that it is told."""
    healthy = bench.session.keep(made).of(bench, variant)
    conversion = healthy.conversion
    if calibrated is not None:
        samples = {name: calibrated(array) for name, array in healthy.calibration.items()}
        conversion = bench.pipeline.converter.convert(gated(variant), RECIPES["int8"], samples)
        conversion = _mended(bench, conversion)
    if edit is not None:
        assert conversion.data is not None
        conversion = _edited(bench, conversion, edit(conversion.data.tobytes()))
    case = Case("certificate", gated(variant), RECIPES["int8"])
    bench.session.admit(case, replace(healthy, conversion=conversion))
    found = []
    with bench.asked(_STRICT):
        for measure in (measure_structure, measure_quantization):
            checked = measure(case, bench.session)
            agreed = checked.measured.result.agreed
            found.append(Reading(measure.__name__, 0.0 if agreed else None))
            for one in checked.findings:
                if one.level in ("error", "warning"):
                    measured = one.share if one.share is not None and one.share > 1 else None
                    found.append(Reading(f"rule {one.rule}", measured, one.message))
    return found
