"""Say which operators a delegate takes over from the interpreter's own kernels.

Measured on x86-64 with the interpreters' defaults: TensorFlow 2.15.1 and LiteRT 2.3.0 both hand
operators to XNNPACK, each to the version that it was built with. What the delegate refuses is left
to the built-in kernel.
"""

from __future__ import annotations

import numpy as np

from reference.operators.kernel import Call
from reference.operators.profiles import OperatorProfile
from reference.operators.rescaling import activation_range

_INT8 = {
    "xnnpack_2023": frozenset(
        {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SUB", "MUL", "MEAN"}
    ),
    "xnnpack_2026": frozenset(
        {
            "FULLY_CONNECTED",
            "CONV_2D",
            "DEPTHWISE_CONV_2D",
            "ADD",
            "SUB",
            "MUL",
            "MEAN",
            "SUM",
            "BATCH_MATMUL",
        }
    ),
}
_FLOAT32 = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})


def delegated(call: Call, profile: OperatorProfile) -> bool:
    """Whether XNNPACK computes an operator, where that makes a difference."""
    if profile.delegate == "none":
        return False
    tensors = [tensor for tensor in (*call.inputs, *call.outputs) if tensor is not None]
    kinds = tensors[0].dtype, tensors[-1].dtype
    if kinds == ("float32", "float32"):
        return call.name in _FLOAT32
    if kinds != ("int8", "int8") or call.name not in _INT8[profile.delegate]:
        return False
    if call.name == "MEAN" and profile.delegate == "xnnpack_2023":
        axes = sorted(np.ravel(call.value(1)).tolist())  # it knows no negative ones
        return call.value(0).ndim == 4 and axes in ([2], [1, 2])
    if profile.delegate == "xnnpack_2023":  # it refuses an activation that leaves one value
        activation = call.options.get("fused_activation_function", "NONE")
        low, high = activation_range(activation, tensors[-1], "even")
        return low < high
    return True
