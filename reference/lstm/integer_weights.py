"""Hold the parameters of one integer LSTM: quantised arrays, scales and zero points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.lstm.weights import Gates, check_shapes


class GateScales(NamedTuple):
    """One scale for each gate; None where the gate has no such tensor."""

    i: float | None
    f: float
    c: float | None
    o: float


@dataclass(frozen=True, eq=False)
class IntegerLstm:
    """Everything the integer kernels read.

    activation_dtype: of input, hidden state and output: int8, or int16 (int16x8, TFLM only).
    input_kernel [units, features], recurrent_kernel [units, outputs]: int8, zero point 0.
    bias [units]: int32 (int64 with int16 activations), scale = input x input kernel.
    output_state_*: of the hidden state's variable tensor (input 18).
    hidden_*: of intermediate tensor 4, what the hidden state is before projection.
    cell_scale: of the int16 cell state; a power of two.
    peephole [units]: int16, for i, f and o. projection [outputs, units]: int8;
    projection_bias [outputs]: int32.
    cell_clip, projection_clip: in real units; 0 means none.
    activation: the fused one, of the candidate; kernels differ in what they make of any but tanh.

    Scales are float32 values. Raises ValueError for wrong shapes or dtypes.
    """

    input_kernel: Gates
    recurrent_kernel: Gates
    bias: Gates
    input_scale: float
    input_zero_point: int
    input_kernel_scale: GateScales
    recurrent_kernel_scale: GateScales
    output_state_scale: float
    output_state_zero_point: int
    hidden_scale: float
    hidden_zero_point: int
    cell_scale: float
    cell_clip: float = 0.0
    time_major: bool = False
    activation_dtype: Literal["int8", "int16"] = "int8"
    peephole: Gates | None = None
    peephole_scale: GateScales | None = None
    projection: NDArray[Any] | None = None
    projection_scale: float = 1.0
    projection_bias: NDArray[Any] | None = None
    projection_clip: float = 0.0
    output_scale: float = field(default=0.0)
    output_zero_point: int = 0
    activation: str = "tanh"

    def __post_init__(self) -> None:
        units, features = self.input_kernel.f.shape
        check_shapes(self.input_kernel, (units, features), self.cifg, "input kernel")
        check_shapes(self.recurrent_kernel, (units, self.outputs), self.cifg, "recurrent kernel")
        check_shapes(self.bias, (units,), self.cifg, "bias")
        if (self.peephole is None) != (self.peephole_scale is None):
            raise ValueError("peephole weights and their scales come together")
        if self.peephole is not None:
            check_shapes(self.peephole, (units,), self.cifg, "peephole", cell=False)
            if self.projection is not None and self.outputs != units:
                raise ValueError("the kernel reads peephole weights of the wrong length here")
        for kernel in self.input_kernel.present() + self.recurrent_kernel.present():
            if kernel.dtype != np.int8:
                raise ValueError(f"kernels must be int8, got {kernel.dtype}")
        if self.output_scale == 0.0:
            object.__setattr__(self, "output_scale", self.output_state_scale)
            object.__setattr__(self, "output_zero_point", self.output_state_zero_point)

    @property
    def units(self) -> int:
        return int(self.input_kernel.f.shape[0])

    @property
    def features(self) -> int:
        return int(self.input_kernel.f.shape[1])

    @property
    def outputs(self) -> int:
        return self.units if self.projection is None else int(self.projection.shape[0])

    @property
    def cifg(self) -> bool:
        return self.input_kernel.i is None

    @property
    def cell_scale_log2(self) -> int:
        """The power of two nearest to the cell scale (CheckedLog2)."""
        return round(float(np.log2(self.cell_scale)))
