"""Find the oracle of an operator by its name in the schema."""

from __future__ import annotations

from reference.operators import sequence_lstm
from reference.operators.elements import activations, elementwise, functions, requantise, softmax
from reference.operators.kernel import Answer, Call, Kernel, NoOracle
from reference.operators.moves import comparison, gather, movement, slicing
from reference.operators.profiles import OperatorProfile
from reference.operators.sums import batch_matmul, convolution, fully_connected, pooling, reduction

#: Each module of this package that computes operators has a table KERNELS of its own.
_TABLES: tuple[dict[str, Kernel], ...] = (
    requantise.KERNELS,
    activations.KERNELS,
    functions.KERNELS,
    softmax.KERNELS,
    movement.KERNELS,
    slicing.KERNELS,
    gather.KERNELS,
    comparison.KERNELS,
    sequence_lstm.KERNELS,
    fully_connected.KERNELS,
    convolution.KERNELS,
    elementwise.KERNELS,
    pooling.KERNELS,
    reduction.KERNELS,
    batch_matmul.KERNELS,
)

KERNELS: dict[str, Kernel] = {name: kernel for table in _TABLES for name, kernel in table.items()}


def compute(call: Call, profile: OperatorProfile) -> Answer:
    """What an operator must answer. Raises NoOracle where nothing is known of it."""
    if call.name not in KERNELS:
        raise NoOracle(call.name)
    return KERNELS[call.name](call, profile)
