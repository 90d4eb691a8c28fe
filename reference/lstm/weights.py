"""Hold the parameters of one LSTM in the operator's layout.

Layout: inputs 1 to 17 and 20 to 23 of UNIDIRECTIONAL_SEQUENCE_LSTM
(tensorflow/lite/kernels/lstm_shared.h, 2.15.1): one matrix for each gate, rows are units.
Gates: i input, f forget, c cell (candidate), o output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Gates(NamedTuple):
    """One array for each gate; i is None when the input gate is coupled (CIFG), c is None
    for peephole weights, which the cell gate does not have."""

    i: Array | None
    f: Array
    c: Array | None
    o: Array

    def present(self) -> list[Array]:
        """The arrays that exist, in the order i, f, c, o."""
        return [gate for gate in self if gate is not None]

    def as_type(self, dtype: Any) -> Gates:
        """The same gates in another dtype."""
        i, f, c, o = (None if gate is None else np.asarray(gate, dtype) for gate in self)
        assert f is not None
        assert o is not None
        return Gates(i, f, c, o)


@dataclass(frozen=True, eq=False)
class LstmWeights:
    """Float weights of one LSTM.

    input_kernel: [units, features] each; recurrent_kernel: [units, outputs] each;
    bias: [units] each; peephole: [units] for i, f and o; layer_norm: [units] each;
    projection: [outputs, units]; projection_bias: [outputs]. outputs = units without projection.
    i is None in every Gates when the input gate is coupled to the forget gate.

    Raises ValueError when shapes or absent gates contradict each other.
    """

    input_kernel: Gates
    recurrent_kernel: Gates
    bias: Gates
    peephole: Gates | None = None
    projection: Array | None = None
    projection_bias: Array | None = None
    layer_norm: Gates | None = None

    def __post_init__(self) -> None:
        units, features = self.input_kernel.f.shape
        outputs = units if self.projection is None else self.projection.shape[0]
        check_shapes(self.input_kernel, (units, features), self.cifg, "input kernel")
        check_shapes(self.recurrent_kernel, (units, outputs), self.cifg, "recurrent kernel")
        check_shapes(self.bias, (units,), self.cifg, "bias")
        if self.peephole is not None:
            check_shapes(self.peephole, (units,), self.cifg, "peephole", cell=False)
        if self.layer_norm is not None:
            check_shapes(self.layer_norm, (units,), self.cifg, "layer norm")
        if self.projection is not None and self.projection.shape[1] != units:
            raise ValueError(f"projection {self.projection.shape} does not fit {units} units")
        if self.projection_bias is not None and self.projection_bias.shape != (outputs,):
            raise ValueError(f"projection bias has shape {self.projection_bias.shape}")

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

    @classmethod
    def from_keras(
        cls, kernel: Array, recurrent_kernel: Array, bias: Array | None = None
    ) -> LstmWeights:
        """From Keras's layout: kernel [features, 4 units], recurrent_kernel [units, 4 units],
        bias [4 units] or None for zeros; gate order i, f, c, o (keras/layers/rnn/lstm.py, 2.15).
        """
        if bias is None:
            bias = np.zeros(kernel.shape[1], kernel.dtype)
        return cls(
            Gates(*(part.T for part in np.split(kernel, 4, axis=1))),
            Gates(*(part.T for part in np.split(recurrent_kernel, 4, axis=1))),
            Gates(*np.split(bias, 4)),
        )


def check_shapes(
    gates: Gates, shape: tuple[int, ...], cifg: bool, name: str, cell: bool = True
) -> None:
    """Raise ValueError unless exactly the right gates are present, each of the shape."""
    if (gates.i is None) != cifg or (gates.c is None) == cell:
        raise ValueError(f"{name}: wrong gates are absent")
    for gate in gates.present():
        if gate.shape != shape:
            raise ValueError(f"{name} has shape {gate.shape}, expected {shape}")
