"""Say what a device's kernels do to one LSTM that the host's do not, with the figures."""

from __future__ import annotations

from harness.kernels.answers import OperatorAnswer
from harness.structure.findings import Finding, at
from reference.lstm.device_profiles import DeviceKernels
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.kernel_limits import (
    GATE_LIMIT,
    clip_vanishes,
    largest_recurrent_share,
    wrapped_share,
)
from reference.lstm.profiles import Profile


def remarks(answer: OperatorAnswer, kernels: DeviceKernels, host: Profile) -> list[Finding]:
    """What parts this operator on these kernels from the host's arithmetic, or nearly does.

    answer: the operator's inputs and outputs on the kernels.
    """
    model, profile = answer.found.parameters, answer.profile
    assert isinstance(model, IntegerLstm)
    found = [
        *_recurrent_product(model, profile, host, answer),
        *_vanishing_clip(model, profile, host),
        *_activation(model, profile, host),
        *_cell_scale(model, profile, kernels),
        *_accumulator(model, profile, answer),
    ]
    return at(answer.found.position, found)


def _recurrent_product(
    model: IntegerLstm, profile: Profile, host: Profile, answer: OperatorAnswer
) -> list[Finding]:
    if profile.recurrent_product == host.recurrent_product:
        return []
    largest = largest_recurrent_share(model, answer.outputs)
    if largest <= GATE_LIMIT:
        return []
    return [
        Finding(
            "kernel-recurrent-product",
            "warning",
            f"the recurrent share of a gate reaches {largest:.1f}, beyond ±{GATE_LIMIT:g}, where "
            f"the host's kernel saturates it before the sum and {profile.name} does not",
            "smaller recurrent weights (a regulariser, a constraint): within ±8 both agree",
            share=largest / GATE_LIMIT,
        )
    ]


def _vanishing_clip(model: IntegerLstm, profile: Profile, host: Profile) -> list[Finding]:
    if not clip_vanishes(model) or profile.cell_clip == "ignored":
        return []
    if profile.vanishing_cell_clip == host.vanishing_cell_clip:
        return []
    return [
        Finding(
            "kernel-vanishing-clip",
            "warning",
            f"the cell clip of {model.cell_clip:g} is less than one step of the cell state "
            f"({model.cell_scale:.3g}): the host's kernel forces the cell to 0, {profile.name} "
            "ignores the clip",
            "leave the clip out (0), or make it larger than a step",
        )
    ]


def _activation(model: IntegerLstm, profile: Profile, host: Profile) -> list[Finding]:
    if model.activation == "tanh" or profile.other_activation == host.other_activation:
        return []
    return [
        Finding(
            "kernel-activation",
            "warning",
            f"the fused activation {model.activation} becomes {profile.other_activation} on "
            f"{profile.name}, and something else on the host",
            "use tanh, the only activation that the kernels share",
        )
    ]


def _cell_scale(model: IntegerLstm, profile: Profile, kernels: DeviceKernels) -> list[Finding]:
    bits = -12 - model.cell_scale_log2
    if profile.cell_shift != "in_place" or bits <= 0:
        return []
    return [
        Finding(
            "kernel-cell-destroyed",
            "error",
            f"the cell scale is 2^{model.cell_scale_log2}: {profile.name} ({kernels.versions}) "
            f"shifts the stored cell state right by {bits} after every step, so that 1/{2**bits} "
            "of the memory is left each time",
            "update to CMSIS-NN 24.02 or later, or calibrate so that |c| reaches 8 (2^-12)",
        )
    ]


def _accumulator(model: IntegerLstm, profile: Profile, answer: OperatorAnswer) -> list[Finding]:
    if profile.accumulator != "helium" or model.activation_dtype != "int16":
        return []
    share = wrapped_share(model, answer.inputs)
    if not share:
        return []
    return [
        Finding(
            "kernel-accumulator",
            "warning",
            f"{share:.2%} of the input accumulators do not fit the 32 bits that {profile.name} "
            f"adds them in: the input's scale of {model.input_scale:.3g} is so small that the "
            "biases become too large",
            "normalise the inputs to about ±1, or use int8",
            share=share,
        )
    ]
