"""Describe as data how the LSTM kernels of devices compute, by their versions.

Factors are those of reference.lstm.profiles. Sources read and built: ARM-software/CMSIS-NN
(Source/LSTMFunctions, Source/NNSupportFunctions, Source/BasicMathFunctions) with the wrapper
micro/kernels/cmsis_nn/unidirectional_sequence_lstm.cc of tensorflow/tflite-micro.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import TFLM, Profile

#: What a kernel does with hidden and cell state between two invokes.
Contract = Literal["carried", "cleared", "destroyed"]

#: The legacy kernel's finest cell scale: it shifts the stored cell state of a finer one, 2**-12.
FINEST_UNSHIFTED_LOG2 = -12

TFLM_FLOAT32 = replace(
    TFLM, name="TensorFlow Lite Micro with float32 scale products", scale_product="float32"
)

#: CMSIS-NN from 24.02 on behind TensorFlow Lite Micro's wrapper, which gives it no state.
CMSIS_NN = replace(
    TFLM_FLOAT32,
    name="CMSIS-NN",
    half_bit="int32",
    first_recurrent="left_out",
    recurrent_product="unsaturated",
    other_activation="sigmoid",
    input_times_candidate="int32",
    vanishing_cell_clip="ignored",
    state="cleared",
)
CMSIS_NN_FLOAT64 = replace(
    CMSIS_NN, name="CMSIS-NN with float64 scale products", scale_product="float64"
)
CMSIS_NN_HELIUM = replace(CMSIS_NN, name="CMSIS-NN on Helium", accumulator="helium")
CMSIS_NN_SINGLE = replace(CMSIS_NN, name="CMSIS-NN with single rounding", rounding="single")
CMSIS_NN_CARRIED = replace(CMSIS_NN, name="CMSIS-NN with the states passed", state="carried")
#: arm_lstm_unidirectional_s8_s16 of CMSIS-NN 4.x and 5.0, int8 only. Its i*g wraps nowhere: the
#: sum with f*c is made in 32 bits.
CMSIS_NN_2023 = replace(
    CMSIS_NN,
    name="CMSIS-NN of 2023",
    first_recurrent="computed",
    other_activation="tanh",
    cell_update="shift",
    cell_clip="ignored",
    cell_shift="in_place",
    hidden_quantisation="intermediate",
    hidden_multiplier="float32",
    state="carried",
)


@dataclass(frozen=True)
class DeviceKernels:
    """The LSTM kernels of one SDK, as far as they are known.

    int8, int16: the profile for each type of activations; None where it is unknown. Float LSTMs
    run in the reference code everywhere, with their state carried.
    versions: of which SDKs it is true, by date or release. proof: how it is known: "measured", of
    compiled kernels; "read", of sources only.
    note: what else an engineer has to know of it.
    """

    name: str
    title: str
    versions: str
    int8: Profile | None
    int16: Profile | None
    proof: Literal["measured", "read"] = "measured"
    note: str = ""

    @property
    def known(self) -> bool:
        return self.int8 is not None or self.int16 is not None

    def profile_of(self, model: IntegerLstm) -> Profile | None:
        """The arithmetic for a model's type of activations."""
        return self.int8 if model.activation_dtype == "int8" else self.int16


_OPEN = "whether this TFLM still clears the state was not seen: its sources could not be read"

KERNELS: dict[str, DeviceKernels] = {
    kernels.name: kernels
    for kernels in (
        DeviceKernels(
            "tflm-reference",
            "TensorFlow Lite Micro's reference kernel",
            "TFLM from 2026-10-16 (5736ea1) on",
            TFLM,
            TFLM,
        ),
        DeviceKernels(
            "tflm-reference-float32",
            "TensorFlow Lite Micro's reference kernel, older",
            "TFLM up to 2026-10-08 (5328e0d)",
            TFLM_FLOAT32,
            TFLM_FLOAT32,
        ),
        DeviceKernels(
            "cmsis-nn",
            "CMSIS-NN on Cortex-M",
            "TFLM 2024-04-23 to 2026-08-20 with CMSIS-NN 6.0, 7.0 or 4ab83cc3",
            CMSIS_NN,
            CMSIS_NN,
            note=(
                "from 4ab83cc3 on a TFLM of before 2026-06-24 passes a pointer that was never "
                "set, which is undefined"
            ),
        ),
        DeviceKernels(
            "cmsis-nn-float64",
            "CMSIS-NN in a TFLM whose scale products are float64",
            "TFLM from 2026-10-16 on",
            CMSIS_NN_FLOAT64,
            CMSIS_NN_FLOAT64,
            proof="read",
            note=_OPEN,
        ),
        DeviceKernels(
            "cmsis-nn-helium",
            "CMSIS-NN on Cortex-M with Helium (M52, M55, M85)",
            "as cmsis-nn, built with MVE",
            CMSIS_NN,
            CMSIS_NN_HELIUM,
        ),
        DeviceKernels(
            "cmsis-nn-single-rounding",
            "CMSIS-NN built with CMSIS_NN_USE_SINGLE_ROUNDING",
            "as cmsis-nn, without Helium",
            CMSIS_NN_SINGLE,
            CMSIS_NN_SINGLE,
        ),
        DeviceKernels(
            "cmsis-nn-carried",
            "CMSIS-NN behind a wrapper that passes the variable tensors",
            "CMSIS-NN from 4ab83cc3 (2026-06-17) on with such a wrapper; some vendors' forks",
            CMSIS_NN_CARRIED,
            CMSIS_NN_CARRIED,
        ),
        DeviceKernels(
            "cmsis-nn-2024",
            "CMSIS-NN 24.02, whose int16x8 is the reference kernel",
            "TFLM 2024-02-09 to 2024-04-23 with CMSIS-NN 24.02",
            CMSIS_NN,
            TFLM_FLOAT32,
            note="until 2024-03-18 the wrapper also read a buffer that nothing had written",
        ),
        DeviceKernels(
            "cmsis-nn-2023",
            "CMSIS-NN 4.x and 5.0, whose int16x8 is the reference kernel",
            "TFLM 2023-03-02 to 2024-02-09 with CMSIS-NN 4.x or 5.0",
            CMSIS_NN_2023,
            TFLM_FLOAT32,
            note="a cell scale under 2^-12 loses its cell state from step to step",
        ),
        DeviceKernels(
            "esp-nn",
            "ESP-NN, which has no LSTM: the reference kernel",
            "esp-tflite-micro 99f49e1 (2026-08-14) with ESP-NN d45b843 (2026-04-27)",
            TFLM_FLOAT32,
            TFLM_FLOAT32,
            proof="read",
        ),
        DeviceKernels(
            "hifi",
            "Cadence HiFi 3, 4 and 5",
            "tflite-micro's kernels/xtensa with an nnlib of 2024-05 to 2025-09",
            None,
            None,
            proof="read",
            note=(
                "read only: the state is carried, both gate products saturate, a clip of 0 steps "
                "is ignored; the hardware's sigmoid and tanh are not in any source"
            ),
        ),
        DeviceKernels(
            "ethos-u",
            "Arm Ethos-U by Vela",
            "Vela 5.2.0",
            None,
            None,
            proof="read",
            note=(
                "read only: the LSTM is unrolled into other operators with the NPU's own sigmoid "
                "and tanh, the state is carried; an LSTM that Vela leaves to the CPU runs on "
                "CMSIS-NN, which clears it"
            ),
        ),
    )
}


def kernels_named(names: Sequence[str]) -> tuple[DeviceKernels, ...]:
    """The kernels of these names, in the order given and each once.

    Raises ValueError for a name that is not known, with those that are.
    """
    unknown = [name for name in names if name not in KERNELS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: unknown; known are {', '.join(KERNELS)}")
    return tuple(KERNELS[name] for name in dict.fromkeys(names))


def contract(model: IntegerLstm, profile: Profile) -> Contract:
    """What becomes of a model's hidden and cell state at the next invoke.

    Destroyed: they are handed on, but the kernel itself shifts the cell state away.
    """
    if profile.state == "cleared":
        return "cleared"
    finest = FINEST_UNSHIFTED_LOG2
    if profile.cell_shift == "in_place" and model.cell_scale_log2 < finest:
        return "destroyed"
    return "carried"
