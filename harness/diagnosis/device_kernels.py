"""Tell by a device's answers which kernels it runs, and what it does with the state.

A kernel is known by its bits: what it answers to samples each from the initial state, and to a
stream of samples without a reset between them. A device runs the kernels whose bits it gives; one
that gives nobody's is told where it first leaves the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = tuple[Array, ...]
#: Whose bits the host gives: a name of reference.lstm.device_profiles.
REFERENCE = "tflm-reference"
State = Literal["carried", "cleared", "none", "unknown"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Outputs, each [N, …]: of samples from the initial state, and of a stream of them.

    order: which sample each invoke of the stream has.
    """

    isolated: Arrays
    streamed: Arrays = ()
    order: tuple[int, ...] = ()

    @property
    def cleared(self) -> Arrays:
        """What the stream gives where every invoke begins with the initial state."""
        return tuple(array[list(self.order)] for array in self.isolated) if self.order else ()


@dataclass(frozen=True, eq=False)
class Kernels:
    """Kernels that are known, by name, with what they answer, each with its own kind of state."""

    name: str
    answers: Answers


@dataclass(frozen=True)
class Told:
    """What a device's answers say.

    kernels: whose bits the answers from the initial state are; empty for nobody's. state: what the
    stream shows. values: outputs compared; different, largest: of the nearest kernels' bits, in
    steps of the output. first: where the answers first leave them. lost: values of the stream that
    are others than with a carried state. swapped: right, but for the order of their bytes.
    """

    kernels: tuple[str, ...]
    nearest: str
    state: State
    values: int
    streamed: int
    different: int = 0
    largest: float = 0.0
    first: str = ""
    lost: int = 0
    swapped: bool = False

    @property
    def exact(self) -> bool:
        return bool(self.kernels)

    def __str__(self) -> str:
        if not self.exact:
            text = (
                f"nobody's kernels: {self.different:,} of {self.values:,} outputs are not those of "
                f"{self.nearest}, by up to {self.largest:g}; first {self.first}"
            )
            return text + (
                "; with the bytes of each value the other way round they are: the device sends "
                "them big-endian"
                if self.swapped
                else ""
            )
        whose = _listed(self.kernels)
        how = {
            "carried": " with the state carried from invoke to invoke",
            "cleared": " with the state cleared at each invoke",
            "none": "",
            "unknown": ", but the stream is neither with the state carried nor cleared",
        }[self.state]
        count = self.values + self.streamed
        text = f"these {count:,} outputs are those of {whose}{how}, to the bit"
        if self.state == "unknown":
            count = self.values
            text = f"these {count:,} outputs are those of {whose}, to the bit{how}: {self.first}"
        return text


def tell(device: Answers, known: Sequence[Kernels]) -> Told:
    """Hold a device's answers to those of known kernels, of which the first carry the state.

    Raises ValueError where shapes differ.
    """
    values = sum(array.size for array in device.isolated)
    streamed = sum(array.size for array in device.streamed)
    ranked = sorted(known, key=lambda k: _different(device.isolated, k.answers.isolated))
    nearest, carrying = ranked[0], known[0].answers
    exact = [k for k in ranked if _different(device.isolated, k.answers.isolated) == 0]
    if not exact:
        wanted = nearest.answers.isolated
        return Told(
            (),
            nearest.name,
            _own_state(device),
            values,
            streamed,
            _different(device.isolated, wanted),
            _largest(device.isolated, wanted),
            _first(device.isolated, wanted, "sample"),
            _different(device.streamed, carrying.streamed),
            swapped=_different(tuple(map(_swapped, device.isolated)), wanted) == 0,
        )
    # Kernels that differ elsewhere may agree here; those count whose stream is the device's too.
    alike = [k for k in exact if _different(device.streamed, k.answers.streamed) == 0]
    moving = [k for k in exact if _different(k.answers.streamed, k.answers.cleared)]
    carrying = (moving or list(known))[0].answers  # of the same bits, if one is there
    lost = _different(device.streamed, carrying.streamed)
    state, first = _own_state(device), ""
    if state == "cleared" and _different(carrying.streamed, carrying.cleared) == 0:
        state = "none"
    elif state == "unknown" and alike:
        state = "carried"
    elif state == "unknown":
        first = _first(device.streamed, carrying.streamed, "invoke")
        first = f"{lost:,} of {streamed:,} are not carried, first {first}"
    names = tuple(k.name for k in alike or exact)
    return Told(names, exact[0].name, state, values, streamed, 0, 0.0, first, lost)


def _own_state(device: Answers) -> State:
    """Whether the stream is what the device gives to each of its samples by itself."""
    return "cleared" if _different(device.streamed, device.cleared) == 0 else "unknown"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]} (which agree here)"


def _different(got: Arrays, want: Arrays) -> int:
    return sum(int(np.count_nonzero(_bits(a) != _bits(b))) for a, b in _paired(got, want))


def _paired(got: Arrays, want: Arrays) -> list[tuple[Array, Array]]:
    if [(a.shape, a.dtype) for a in got] != [(a.shape, a.dtype) for a in want]:
        raise ValueError("the device's outputs have other shapes than the model's")
    return list(zip(got, want, strict=True))


def _bits(array: Array) -> Array:
    """Values that are equal only where their bits are: NaN is itself, and -0.0 is not 0.0."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _largest(got: Arrays, want: Arrays) -> float:
    with np.errstate(invalid="ignore", over="ignore"):  # a device may send any bits
        found = [
            np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0)
            for a, b in _paired(got, want)
        ]
    return float(max(found, default=0.0))


def _swapped(array: Array) -> Array:
    return array.byteswap()


def _first(got: Arrays, want: Arrays, what: str) -> str:
    """Where two answers first differ: sample, then step, row and unit."""
    for k, (a, b) in enumerate(_paired(got, want)):
        bad = _bits(a) != _bits(b)
        if not bad.any():
            continue
        if bad.ndim == 4:  # sample, row, step, unit: by step first
            sample, step, row, unit = np.argwhere(bad.swapaxes(1, 2))[0]
            place: tuple[int, ...] = (sample, row, step, unit)
            text = f"{what} {sample}, step {step}, row {row}, unit {unit}"
        else:
            place = tuple(np.argwhere(bad)[0])
            text = f"{what} {place[0]}, at {[int(n) for n in place[1:]]}"
        output = f"output {k}, " if len(got) > 1 else ""
        return f"{output}{text}: {a[place]:.6g}, expected {b[place]:.6g}"
    return ""
