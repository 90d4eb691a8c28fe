"""Call operators' oracles on values that stand in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call
from reference.operators.profiles import TFLITE_DEFAULT, OperatorProfile
from reference.operators.table import compute

Array = NDArray[Any]


def _of(dtype: Any) -> Callable[[Any], Array]:
    def make(values: Any) -> Array:
        return np.asarray(np.array(values).astype(dtype))

    return make


int8, int16, int32, int64, uint8 = map(_of, (np.int8, np.int16, np.int32, np.int64, np.uint8))
float16, float32 = map(_of, (np.float16, np.float32))


def changed(profile: OperatorProfile, **factors: Any) -> OperatorProfile:
    """A profile with other factors."""
    return replace(profile, **factors)


def tensor(value: Any, scale: float | tuple[float, ...] = (), zero: int = 0, **more: Any) -> Tensor:
    """The tensor of a value; scales are float32's."""
    scales = scale if isinstance(scale, tuple) else (scale,)
    array = np.asarray(value)
    stored = tuple(float(np.float32(one)) for one in scales)
    return Tensor("t", array.dtype.name, array.shape, stored, (zero,) * len(stored), **more)


def answer(
    name: str,
    *values: Any,
    tensors: tuple[Tensor | None, ...] | None = None,
    output: Tensor | tuple[Tensor, ...] | None = None,
    profile: OperatorProfile = TFLITE_DEFAULT,
    **options: Any,
) -> Answer:
    """What an operator must give. tensors: of the values, plain ones by default. output: a tensor
    like the first value's by default."""
    arrays = tuple(None if value is None else np.asarray(value) for value in values)
    if tensors is None:
        tensors = tuple(None if array is None else tensor(array) for array in arrays)
    if output is None:
        output = next(one for one in tensors if one is not None)
    outputs = output if isinstance(output, tuple) else (output,)
    return compute(Call(name, 1, options, tensors, arrays, outputs), profile)


def value(name: str, *values: Any, **more: Any) -> Array:
    """The one output of an operator, due to the bit."""
    found = answer(name, *values, **more)
    assert found.allowed == (None,)
    (result,) = found.values
    return result
