"""Say which operators a delegate takes over from the interpreter's own kernels.

Measured on x86-64 with the interpreters' defaults: TensorFlow 2.15.1 and LiteRT 2.3.0 both hand
operators to XNNPACK, each to the version that it was built with. What the delegate refuses is left
to the built-in kernel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reference.operators.description import ABSENT, Graph
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


def unpacked(graph: Graph, profile: OperatorProfile) -> frozenset[int]:
    """Positions of the operators that XNNPACK carries out once, when it is prepared: DEQUANTIZE of
    a constant (tensorflow/lite/delegates/xnnpack/xnnpack_delegate.cc, static_unpack_nodes_).

    What it makes of the constant is the delegate's own. The operator's output is not written for
    those that it takes over, nor where it is an output of the model: whoever reads it there reads
    memory that nothing has filled.
    """
    if profile.delegate == "none":
        return frozenset()
    return frozenset(
        position
        for position, operator in enumerate(graph.operators)
        if operator.name == "DEQUANTIZE" and all(_constant(graph, k) for k in operator.inputs)
    )


def _constant(graph: Graph, tensor: int) -> bool:
    if tensor == ABSENT:
        return False
    return graph.tensors[tensor].data is not None and not graph.tensors[tensor].variable


#: The inputs that say what shape the outputs have.
_SHAPES = {
    **dict.fromkeys(("RESHAPE", "TILE", "BROADCAST_TO", "PAD", "PADV2", "EXPAND_DIMS"), (1,)),
    **{"FILL": (0,), "RANGE": (0, 1, 2), "SLICE": (1, 2), "STRIDED_SLICE": (1, 2, 3)},
}


#: Computed before the first run, when tensors get their sizes (TFLite 2.15.1, kTfLitePersistentRo):
#: of any tensor, and of constants. Measured for these; of constants, PACK, ADD, SUB, CAST, SLICE,
#: SQUEEZE, EXPAND_DIMS, FILL, SUM and the like are not.
_AT_ONCE = ("SHAPE", "RANK")
_OF_CONSTANTS = (
    "STRIDED_SLICE", "CONCATENATION", "GATHER", "MUL", "RESHAPE", "REDUCE_PROD", "RANGE",
    "BROADCAST_ARGS",
)  # fmt: skip


@lru_cache(maxsize=64)
def dynamic(graph: Graph) -> frozenset[int]:
    """The tensors whose sizes are known only once operators have run: their shape is computed, and
    not at once from what is known before."""
    found: set[int] = set()
    known = {k for k, t in enumerate(graph.tensors) if t.data is not None and not t.variable}
    for operator in graph.operators:
        inputs = {k for k in operator.inputs if k != ABSENT}
        shapes = {
            operator.inputs[k] for k in _SHAPES.get(operator.name, ()) if k < len(operator.inputs)
        }
        if (shapes & inputs) - known or found & inputs:
            found |= set(operator.outputs)
        elif operator.name in _AT_ONCE or (operator.name in _OF_CONSTANTS and inputs <= known):
            known |= set(operator.outputs)
    return frozenset(found)
