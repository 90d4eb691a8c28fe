"""Pair the operators of two conversions of one model, whatever order they stand in.

An operator's partner is of its kind and reads what its own inputs' partners give. Where several
do, the constants decide: the nearest is taken. Where none does, because something before was
changed, kind, sizes and constants decide alone, and what the two read is a difference to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.weights.twin.graphs import SHAPING, Graph, Operator, signature

Array = NDArray[Any]
#: Operators that a converter may put in or leave out between two others.
_TRANSPARENT = {*SHAPING, "CAST"}


@dataclass(eq=False)
class Paired:
    """own: the file's graph, twin: the source's. partner: by position. tensors: by the file's
    tensor. alone, missing: operators of the file, and of the twin, that have no partner."""

    own: Graph
    twin: Graph
    partner: dict[int, int] = field(default_factory=dict)
    tensors: dict[int, int] = field(default_factory=dict)
    #: Of the twin, the positions that are taken.
    taken: set[int] = field(default_factory=set)

    @property
    def pairs(self) -> list[tuple[Operator, Operator]]:
        """In the file's order."""
        return [
            (self.own.by_position[a], self.twin.by_position[b])
            for a, b in sorted(self.partner.items())
        ]

    @property
    def alone(self) -> list[Operator]:
        return [o for o in self.own.operators if o.position not in self.partner]

    @property
    def missing(self) -> list[Operator]:
        return [o for o in self.twin.operators if o.position not in self.taken]

    def pair(self, one: Operator, other: Operator) -> None:
        self.partner[one.position] = other.position
        self.taken.add(other.position)
        for a, b in zip(one.outputs, other.outputs, strict=False):
            self.tensors[a] = b

    def before(self, graph: Graph, tensor: int) -> int:
        """A tensor, followed back over operators without a partner that only shape it."""
        seen = {o.position for o in (self.alone if graph is self.own else self.missing)}
        while (maker := graph.producer.get(tensor)) is not None:
            if maker.position not in seen or maker.kind not in _TRANSPARENT:
                break
            if not maker.activations:
                break
            tensor = maker.activations[0][1]
        return tensor


def paired(own: Graph, twin: Graph, main: bool = True) -> Paired:
    """The operators of two graphs. main: whether inputs may be matched by a signature's names."""
    found = Paired(own, twin)
    found.tensors.update(_inputs(own, twin, main))
    left, readers = list(own.operators), _by_what_they_read(twin)
    while True:
        still = [one for one in left if not _pair_by_inputs(found, one, readers)]
        if len(still) < len(left):
            left = still
            continue
        if not any(_pair_by_sizes(found, one) for one in left):
            return found
        left = [one for one in left if one.position not in found.partner]


def _inputs(own: Graph, twin: Graph, main: bool) -> dict[int, int]:
    by_place = dict(zip(own.inputs, twin.inputs, strict=False))
    if not main:
        return by_place
    mine, other = signature(own.model, "inputs"), signature(twin.model, "inputs")
    if len(mine) == len(own.inputs) and sorted(mine.values()) == sorted(other.values()):
        tensors = {name: tensor for tensor, name in other.items()}
        return {tensor: tensors[name] for tensor, name in mine.items()}
    return by_place


_Readers = dict[tuple[str, tuple[int | None, ...]], list[Operator]]


def _by_what_they_read(twin: Graph) -> _Readers:
    found: _Readers = {}
    for one in twin.operators:
        found.setdefault((one.kind, tuple(t for _, t in one.activations)), []).append(one)
    return found


def _pair_by_inputs(found: Paired, one: Operator, readers: _Readers) -> bool:
    """Pair an operator with the nearest one that reads the same, if there is one."""
    wanted = tuple(found.tensors.get(tensor) for _, tensor in one.activations)
    fitting = [
        other
        for other in readers.get((one.kind, wanted), ())
        if other.position not in found.taken and _alike(one, other)
    ]
    return _nearest(found, one, fitting)


def _pair_by_sizes(found: Paired, one: Operator) -> bool:
    """Pair an operator with the nearest one of its kind and sizes. One that only shapes is left
    alone: nothing tells it from another."""
    if one.kind in _TRANSPARENT:
        return False
    fitting = [
        other
        for other in found.missing
        if other.kind == one.kind
        and _alike(one, other)
        and len(other.activations) == len(one.activations)
        and _sizes(found.own, one) == _sizes(found.twin, other)
    ]
    return _nearest(found, one, fitting)


def _nearest(found: Paired, one: Operator, fitting: Sequence[Operator]) -> bool:
    if not fitting:
        return False

    def apart(other: Operator) -> tuple[float, int]:
        return _distance(one, other), abs(other.position - one.position)

    found.pair(one, fitting[0] if len(fitting) == 1 else min(fitting, key=apart))
    return True


def _alike(one: Operator, other: Operator) -> bool:
    """Whether their constants of real numbers stand at the same places and have the same sizes."""
    if len(one.outputs) != len(other.outputs):
        return False
    mine, its = ({k: v for k, v in o.constants.items() if v.real} for o in (one, other))
    both = mine.keys() & its.keys()
    # A bias of zeros may be left out.
    odd = [v for k, v in (mine | its).items() if k not in both]
    if any(np.any(value.values) for value in odd if value.values.ndim > 1):
        return False
    return all(core(mine[k].values) == core(its[k].values) for k in both)


def core(values: Array) -> tuple[int, ...]:
    """The sizes without leading ones, which broadcasting adds: a scalar's may be () or (1,)."""
    shape = list(values.shape)
    while shape and shape[0] == 1:
        del shape[0]
    return tuple(shape)


def _distance(one: Operator, other: Operator) -> float:
    total = 0.0
    for place, value in one.constants.items():
        want = other.constants.get(place)
        if want is None or not value.real or core(value.values) != core(want.values):
            continue
        size = float(np.abs(want.values).mean()) or 1.0
        found = value.values.reshape(want.values.shape)
        distance = float(np.abs(found - want.values).mean()) / size
        total += distance if np.isfinite(distance) else 1e9
    return total


def _sizes(graph: Graph, one: Operator) -> list[tuple[int, ...]]:
    """Of its outputs, without the batch."""
    return [graph.shape(tensor)[1:] for tensor in one.outputs]
