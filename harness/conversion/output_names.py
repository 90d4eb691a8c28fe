"""Match the outputs of a flatbuffer that somebody else converted with its Keras model's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Any

from harness.flatbuffer.structure import Structure

#: A name and its number, as converters give outputs: output_1, Identity_2, model_1. The first one
#: may have none. (StatefulPartitionedCall:1 counts the outputs of a function, whose order is
#: Keras's or that of their names: it decides nothing.)
_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?(?::0)?$")
#: Orders that are tried where nothing says which one is right.
_MOST_ORDERS = 720


@dataclass(frozen=True)
class Matched:
    """The name of each of Keras's outputs in the file, in Keras's order. by: what decided it;
    empty where nothing did, and the file's own order stands in."""

    names: tuple[str, ...]
    by: str = ""


def match(structure: Structure, outputs: Sequence[Mapping[str, Any]]) -> Matched:
    """Match by the signature's names, else by numbers in names, else by shapes.

    outputs: of the Keras model, in its order, each with `name` and `shape`.
    """
    names = structure.output_names
    if len(names) != len(outputs) or len(set(names)) != len(names):
        return Matched(names)
    if len(names) == 1:
        return Matched(names, "it is the only one")
    wanted = [str(entry["name"]) for entry in outputs]
    if sorted(wanted) == sorted(names):
        return Matched(tuple(wanted), "names")
    if numbered := by_number(names):
        return Matched(numbered, "numbers in names")
    orders = list(islice(fitting(structure, [entry["shape"] for entry in outputs]), 2))
    if len(orders) == 1:
        return Matched(orders[0], "shapes")
    return Matched(names)


def fitting(
    structure: Structure, shapes: Sequence[Sequence[int | None]]
) -> Iterator[tuple[str, ...]]:
    """Every order of the file's output names in which shapes fit, the file's own first."""
    names, tensors = structure.output_names, structure.outputs
    for order in islice(permutations(range(len(names))), _MOST_ORDERS):
        if len(order) == len(shapes) and all(
            _alike(tensors[k].signature, shape) for k, shape in zip(order, shapes, strict=True)
        ):
            yield tuple(names[k] for k in order)


def _alike(signature: Sequence[int], shape: Sequence[int | None]) -> bool:
    return len(signature) == len(shape) and all(
        a < 0 or b is None or a == b for a, b in zip(signature, shape, strict=True)
    )


def by_number(names: Sequence[str]) -> tuple[str, ...]:
    """Names of one stem in the order of their numbers; empty for others."""
    found = []
    for name in names:
        match = _NUMBERED.match(name)
        assert match is not None
        found.append((match[1], int(match[2] or 0), name))
    stems, numbers = {stem for stem, _, _ in found}, sorted(number for _, number, _ in found)
    if len(stems) != 1 or numbers not in (list(range(len(names))), list(range(1, len(names) + 1))):
        return ()
    return tuple(name for _, _, name in sorted(found, key=lambda entry: entry[1]))
