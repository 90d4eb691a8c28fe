"""Read what the original model of a flatbuffer answered, as another framework recorded it.

Nothing is assumed of the framework: an .npz has one array per output, and the numbers themselves
say how far they were rounded when they were written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures import array_files
from harness.conversion.output_names import by_number
from harness.flatbuffer.structure import Structure, Tensor

Array = NDArray[Any]
#: The most decimals that are taken for those of a table.
_MOST_DECIMALS = 6


@dataclass(frozen=True, eq=False)
class Recorded:
    """The original model's answers.

    outputs: float64 [N, batch, …], in the flatbuffer's order. rounding: how far each output's
    numbers may be off because of how they were written down, in its unit. origin: that in words.
    """

    outputs: tuple[Array, ...]
    rounding: tuple[float, ...]
    origin: str


def load(path: Path) -> dict[str, Array]:
    """The arrays of the file. Raises ValueError for a file that can be no answers at all."""
    found = array_files.of_option("--expected", path)
    if not found:
        raise ValueError(f"--expected {path}: no array; expected one for each output")
    for name, array in found.items():
        what = f"--expected {path}: array {name!r}"
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{what} is of type {array.dtype}; expected real numbers")
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(f"{what} has shape {list(array.shape)}; expected [N, …] answers")
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise ValueError(f"{what}: {bad} of {array.size} values are NaN or infinite")
    return found


def from_file(path: Path, structure: Structure, samples: int) -> Recorded:
    """The answers to so many samples, in the order of the flatbuffer's outputs.

    Several arrays are known by the signature's names or the tensors'; those that numpy.savez named
    itself (arr_0, arr_1, …) are in the order of numbers in the names (output_0, output_1, …), or
    else of the flatbuffer, and one array of one output may have
    any name. Raises ValueError for anything else, naming what was expected.
    """
    found = load(path)
    arrays = _in_order(path, found, structure)
    fitted = [
        _fitted(array, tensor, name, samples, path)
        for (name, array), tensor in zip(arrays, structure.outputs, strict=True)
    ]
    known = [_rounding(array) for _, array in arrays]
    return Recorded(
        tuple(array.astype(np.float64) for array in fitted),
        tuple(most for most, _ in known),
        " and ".join(dict.fromkeys(told for _, told in known)),
    )


def _in_order(path: Path, found: dict[str, Array], structure: Structure) -> list[tuple[str, Array]]:
    """Name and array of each output."""
    signed, plain = structure.output_names, tuple(tensor.name for tensor in structure.outputs)
    if len(found) == len(signed) == 1:
        return [(signed[0], next(iter(found.values())))]
    order = by_number(signed) or signed
    counted = tuple(f"arr_{order.index(name)}" for name in signed)
    for names in (signed, plain, counted):
        if sorted(found) == sorted(names):
            return [(shown, found[name]) for shown, name in zip(signed, names, strict=True)]
    raise ValueError(
        f"--expected {path}: expected the arrays {', '.join(signed)}; found {', '.join(found)}"
    )


def _fitted(array: Array, tensor: Tensor, name: str, samples: int, path: Path) -> Array:
    """With the batch axis. Raises ValueError where it cannot be answers of this output."""
    what = f"--expected {path}: output {name!r}"
    if array.dtype.kind in "iu" and (tensor.scale or tensor.dtype.startswith("float")):
        raise ValueError(
            f"{what}: its numbers are {array.dtype}; expected real numbers: the integers of a "
            "quantised model have to be dequantised, x = (q - zero_point) * scale"
        )
    shape, given = tensor.signature or tensor.shape, list(array.shape)
    if array.ndim == len(shape) and shape and shape[0] in (-1, 1):
        array = array[:, np.newaxis]
    fits = array.ndim == len(shape) + 1 and all(
        size < 0 or size == there for size, there in zip(shape, array.shape[1:], strict=True)
    )
    if not fits:
        text = ", ".join("?" if size < 0 else str(size) for size in shape[1:])
        raise ValueError(
            f"{what}: expected answers of shape [N, {text}]; found {given}"
            if text
            else f"{what}: expected answers of shape [N]; found {given}"
        )
    if len(array) != samples:
        raise ValueError(
            f"{what}: expected {samples} answers, one for each sample of --inputs; "
            f"found {len(array)}"
        )
    return array


def _rounding(array: Array) -> tuple[float, str]:
    """How far the numbers may be off, and what shows it: half a unit of the last decimal of a
    table, or of the last place of the type."""
    if array.dtype.kind != "f":
        return 0.0, "integers"
    real = array.astype(np.float64)
    last = float(np.spacing(np.abs(array).max(initial=0)).astype(np.float64))
    if np.any(real != np.rint(real)):
        for decimals in range(1, _MOST_DECIMALS + 1):
            if 0.5 * 10.0**-decimals <= last:
                break  # whatever the type holds has so few decimals
            if np.array_equal(np.round(real, decimals).astype(array.dtype), array):
                return 0.5 * 10.0**-decimals, f"{decimals} decimals"
    return last / 2, str(array.dtype)


def reversed_in_time(expected: Sequence[Array]) -> list[Array]:
    """The answers [N, batch, steps, …] with their steps in reverse; others as they are."""
    return [array[:, :, ::-1] if array.ndim >= 4 else array for array in expected]
