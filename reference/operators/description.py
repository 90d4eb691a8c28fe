"""Describe a flatbuffer's graphs as plain data, for oracles that know no schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: An optional input or output that is not there.
ABSENT = -1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph.

    dtype: NumPy's name. shape: as stored; sizes that the file leaves open are those of the values.
    scale, zero_point: one entry, one for each channel along `axis`, or none; scales are the
    file's float32 values, exactly. data: of a constant. variable: keeps its value between invokes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    axis: int | None = None
    data: Array | None = None
    variable: bool = False

    @property
    def step(self) -> float:
        """The scale of a tensor that has one. Raises ValueError for none or several."""
        if len(self.scale) != 1:
            raise ValueError(f"tensor {self.name!r} has {len(self.scale)} scales, expected one")
        return self.scale[0]

    @property
    def zero(self) -> int:
        """The zero point of a per-tensor quantisation; 0 where none is written."""
        return self.zero_point[0] if self.zero_point else 0


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of a graph.

    name: the schema's, such as FULLY_CONNECTED. inputs, outputs, intermediates: tensor indices,
    ABSENT for those left out. options: the schema's fields in its own spelling (stride_w), with
    enumerations by name (fused_activation_function: RELU, padding: SAME).
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    intermediates: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """One subgraph: its tensors, its operators in the order of execution, inputs and outputs."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """All subgraphs of a flatbuffer; the first one is what an interpreter invokes."""

    graphs: tuple[Graph, ...]


def scales_along(tensor: Tensor, ndim: int) -> NDArray[np.float64]:
    """A tensor's scales as float64, shaped to broadcast against values of ndim axes.

    Converters have written the kernel's axis for a bias, too, which has only one."""
    scale = np.asarray(tensor.scale, np.float64)
    if scale.size == 1 or tensor.axis is None:
        return scale.reshape(()) if scale.size == 1 else scale
    shape = [1] * ndim
    shape[tensor.axis if tensor.axis < ndim else -1] = -1
    return scale.reshape(shape)
