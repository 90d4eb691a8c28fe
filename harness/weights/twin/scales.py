"""Hold a file's activation scales to those that the given calibration samples make.

The source, converted by the file's own recipe with those samples, has a scale for every tensor.
The calibrator runs a float32 model and records extremes, so equal samples give equal scales but for
the last digits; samples in another order give an LSTM other ones, since its state is carried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.weights.twin.graphs import Graph, tensors_of
from harness.weights.twin.pairing import Paired, paired

#: float32 sums of another machine: the oracles' suites measure 2.6e-7 of an ordinary model; a
#: scale that is off by this moves no value by a twentieth of a step.
TOLERANCE = 2.0**-12
#: A zero point is rounded from a quotient of two ends, and may fall on either side.
ZERO_POINTS = 1
_INTEGERS = ("int8", "uint8", "int16")


@dataclass(frozen=True)
class Apart:
    """A tensor with another quantisation. title: what it is to which operator. given, asked: scale
    and zero point, of the file and of the calibration. position: of that operator."""

    title: str
    tensor: str
    given: tuple[float, int]
    asked: tuple[float, int]
    position: int | None

    @property
    def factor(self) -> float:
        """Of the file's scale over what is asked for."""
        return self.given[0] / self.asked[0]

    @property
    def size(self) -> float:
        """By how many bits the two part."""
        return abs(math.log2(self.factor))

    def __str__(self) -> str:
        if abs(self.factor - 1) <= TOLERANCE:
            return f"{self.title} zero point {self.given[1]}, not {self.asked[1]}"
        return f"{self.title} × {self.factor:.4g} ({self.given[0]:.4g} for {self.asked[0]:.4g})"


@dataclass(frozen=True)
class Scales:
    """apart: tensors whose quantisation is not that of the calibration, the furthest first, of
    `compared`. narrowed: tensors between two QUANTIZE operators that the source's conversion does
    not have, with the factor by which their steps are coarser than those on either side."""

    compared: int
    apart: tuple[Apart, ...]
    narrowed: tuple[tuple[str, float], ...] = ()

    @cached_property
    def is_calibrations(self) -> bool:
        return not self.apart


def compare(content: bytes, twin: bytes) -> Scales:
    """The activation scales of the main graph's paired operators.

    twin: converted by the same recipe with the samples that the user names. Raises ValueError when
    the bytes are no .tflite file.
    """
    pairs = paired(Graph(content), Graph(twin))
    seen: set[int] = set()
    found, compared = [], 0
    for title, tensor, other, position in _both(pairs):
        if tensor in seen:
            continue
        seen.add(tensor)
        given, asked = pairs.own.quantisation(tensor), pairs.twin.quantisation(other)
        if given is None or asked is None or given[0] != asked[0] or given[0] not in _INTEGERS:
            continue
        if not (_sound(given[1]) and _sound(asked[1])):
            continue
        compared += 1
        one = Apart(title, pairs.own.tensor_name(tensor), given[1:], asked[1:], position)
        moved = abs(given[2] - asked[2]) > ZERO_POINTS
        if abs(one.factor - 1) > TOLERANCE or moved:
            found.append(one)
    found.sort(key=lambda one: -one.size)
    return Scales(compared, tuple(found), tuple(narrowed(pairs)))


def _sound(scale: float) -> bool:
    return math.isfinite(scale) and scale >= float(np.finfo(np.float32).tiny)


def _both(pairs: Paired) -> Iterator[tuple[str, int, int, int]]:
    """Tensors of the file and of the twin that hold the same numbers: what each is, and the
    operator's position. What an operator makes is told of it, and not of those that read it."""
    both = [(own, tensors_of(own), tensors_of(twin)) for own, twin in pairs.pairs]
    for reads in (False, True):
        for own, mine, its in both:
            if len(mine) == len(its):
                for (what, a), (_, b) in zip(mine, its, strict=True):
                    if what.startswith("input ") == reads:
                        yield f"{what} of {own.name} operator {own.position}", a, b, own.position


def narrowed(pairs: Paired) -> Iterator[tuple[str, float]]:
    """Integer tensors that QUANTIZE operators put between two others, in steps coarser than both
    and than any that the twin has there: every value is rounded to them."""
    for own, twin in pairs.pairs:
        for (place, _), (other, _) in zip(own.activations, twin.activations, strict=False):
            mine = pairs.own.chain(own.given[place])
            its = pairs.twin.chain(twin.given[other])
            if len(mine) < 3 or len(mine) <= len(its):
                continue
            ends = [q for k in (mine[0], mine[-1]) if (q := pairs.own.quantisation(k)) is not None]
            widest = max((q[1] for q in ends), default=0.0)
            for tensor in mine[1:-1]:
                given = pairs.own.quantisation(tensor)
                if given is not None and widest and given[1] > widest * (1 + TOLERANCE):
                    yield pairs.own.tensor_name(tensor), given[1] / widest
