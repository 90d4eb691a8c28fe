"""List a fault of each kind in kernels around the LSTM, on three architectures and alone.

Most of them move an answer by less than the budget of its precision: a comparison with Keras calls
them rounding. Each is a kernel's, not the file's: nothing in the file shows it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fixtures.recipes import AS_CONVERTED
from fixtures.subjects import Subject
from fixtures.variants import Input, Node, Variant
from harness.assurance.certificate.arithmetic import kernels
from harness.assurance.certificate.arithmetic.kernels import Change
from harness.assurance.certificate.constants.sources import CONVOLVED, EMBEDDED
from harness.assurance.certificate.fault import Fault
from harness.assurance.certificate.injection import HEALTHY, NATIVE, Injection
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import subject

Examine = Callable[[InjectionBench], list[Reading]]
_CONV, _DENSE, _SOFTMAX = "CONV_2D", "FULLY_CONNECTED", "SOFTMAX"

#: Two branches of one LSTM, merged.
MERGED = Variant(
    "certificate-merged",
    "an LSTM, two branches merged, and a classifier",
    (Input("x", (12, 4)),),
    (
        Node("lstm", "LSTM", {"units": 8, "return_sequences": True}, ("x",)),
        Node("left", "Dense", {"units": 12, "activation": "relu"}, ("lstm",)),
        Node("right", "Dense", {"units": 12}, ("lstm",)),
        Node("both", "Concatenate", {}, ("left", "right")),
        Node("dense", "Dense", {"units": 5, "activation": "softmax"}, ("both",)),
    ),
    ("dense",),
)

#: Name, family, subject, operator, what its kernel does.
_ROWS: tuple[tuple[str, str, Variant, str, Change], ...] = (
    ("bias left out", "bias lost", CONVOLVED, _CONV, kernels.no_bias),
    ("one bias off", "bias lost", CONVOLVED, _CONV, kernels.one_bias),
    ("coarse multiplier", "rescaled otherwise", CONVOLVED, _CONV, kernels.coarse_multiplier),
    ("kernel read backwards", "another axis", CONVOLVED, _CONV, kernels.reversed_channels),
    ("one bias off", "bias lost", EMBEDDED, _DENSE, kernels.one_bias),
    ("coarse multiplier", "rescaled otherwise", MERGED, _DENSE, kernels.coarse_multiplier),
    ("zero point off by one", "rescaled otherwise", EMBEDDED, _DENSE, kernels.no_zero_point),
    ("exponent too large", "rescaled otherwise", EMBEDDED, _SOFTMAX, kernels.wider_softmax),
    ("the other way round", "another axis", MERGED, "CONCATENATION", kernels.other_order),
    ("one bias off", "bias lost", MERGED, _DENSE, kernels.one_bias),
)
#: Name, and whether only the tensors inside show it or only the answer.
_OFF: tuple[tuple[str, bool], ...] = (
    ("one value of one tensor inside a step off", True),
    ("one value of the answer a step off", False),
)


def _converted(
    variant: Variant, injection: Injection, runtime: str, recipe: str = "int8"
) -> Examine:
    return lambda bench: bench.readings(subject(variant), recipe, injection, (runtime,))


def _alone(variant: Variant, injection: Injection, runtime: str) -> Examine:
    """The conversion as a user's file, of which nothing else is known."""

    def examine(bench: InjectionBench) -> list[Reading]:
        conversion = bench.artifacts(subject(variant), "int8", runtimes=()).conversion
        assert conversion.data is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{variant.name}.tflite"
            path.write_bytes(conversion.data.tobytes())
            lone = Subject(path.name, "tflite", path=path)
            runtimes = tuple(dict.fromkeys(("tflite", runtime)))
            return bench.readings(lone, AS_CONVERTED.name, injection, runtimes)

    return examine


def arithmetic_faults() -> list[Fault]:
    found = []
    for runtime in NATIVE:
        for name, family, variant, operator, change in _ROWS:
            injection = kernels.wrong_kernel(runtime, operator, change)
            setting = f"{variant.name.removeprefix('certificate-')} · int8 · {runtime}"
            named = f"{operator}: {name}"
            family = f"operator: {family}"
            made = _converted(variant, injection, runtime)
            found.append(Fault(named, family, "runtime", setting, made))
        # Of int8 the lower end of the type is that of the activation: left out it changes nothing.
        injection = kernels.wrong_kernel(runtime, _CONV, kernels.no_activation)
        found.append(
            Fault(
                f"{_CONV}: activation left out",
                "operator: activation lost",
                "runtime",
                f"convolved · float32 · {runtime}",
                _converted(CONVOLVED, injection, runtime, "float32"),
            )
        )
        injection = kernels.wrong_kernel(runtime, _DENSE, kernels.one_bias)
        found.append(
            Fault(
                f"{_DENSE}: one bias off",
                "operator: bias lost",
                "runtime",
                f"convolved · int8 · {runtime} · a file alone",
                _alone(CONVOLVED, injection, runtime),
            )
        )
        for name, exposed in _OFF:
            made = _converted(CONVOLVED, kernels.off_by_one(runtime, exposed), runtime)
            setting = f"convolved · int8 · {runtime}"
            found.append(Fault(name, "operator: off by one", "runtime", setting, made))
    return found


def arithmetic_neighbours() -> Iterator[tuple[str, Examine]]:
    """Name and examination of the same models on healthy kernels."""
    for variant in (CONVOLVED, EMBEDDED, MERGED):
        name = variant.name.removeprefix("certificate-")
        yield f"{name} · int8 · every operator", _both(_converted, variant)
        yield f"{name} · int8 · every operator of a file alone", _both(_alone, variant)


def _both(examined: Callable[[Variant, Injection, str], Examine], variant: Variant) -> Examine:
    def examine(bench: InjectionBench) -> list[Reading]:
        return [
            reading for runtime in NATIVE for reading in examined(variant, HEALTHY, runtime)(bench)
        ]

    return examine
