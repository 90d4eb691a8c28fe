"""List what is said of device kernels: every integer conversion on each of those chosen."""

from __future__ import annotations

from dataclasses import dataclass

from fixtures.runtimes import RUNTIMES
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from reference.lstm.device_profiles import KERNELS, DeviceKernels, kernels_named


@dataclass(frozen=True)
class KernelCase(Case):
    """One conversion on the kernels of a device. runtime: TensorFlow Lite Micro, whose answer on
    the host is what has been tested."""

    kernels: str = ""
    #: Whether the run says that its models are streamed.
    streaming: bool = False

    @property
    def id(self) -> str:
        return f"{self.shared.id}/{self.kernels}"

    @property
    def shared(self) -> Case:
        """The case of parity on the host."""
        return Case("test_parity", self.subject, self.recipe, self.runtime)

    @property
    def device(self) -> DeviceKernels:
        return KERNELS[self.kernels]


def has_integers(selection: Selection) -> bool:
    """Whether a run has conversions of which kernels could be asked."""
    return any(recipe.calibrated or s.kind == "tflite" for s, recipe in selection.pairs())


def kernel_cases(selection: Selection) -> list[KernelCase]:
    """None without kernels."""
    return [
        KernelCase(
            "test_kernels",
            subject,
            recipe,
            RUNTIMES["tflm"],
            kernels=name,
            streaming=selection.streaming,
        )
        for subject, recipe in selection.pairs()
        if recipe.calibrated or subject.kind == "tflite"
        for name in selection.kernels
    ]


def check_names(names: list[str]) -> None:
    """Raises ValueError for names that nobody knows, and for kernels that are only known of."""
    try:
        found = kernels_named(names)
    except ValueError as error:
        raise ValueError(f"--kernels {error}") from error
    for kernels in found:
        if not kernels.known:
            raise ValueError(
                f"--kernels {kernels.name}: {kernels.title} ({kernels.versions}) is unknown to the "
                f"bit, and nothing can be said of its answers; {kernels.note}. Ask the board itself"
            )
