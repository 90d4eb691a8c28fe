"""List what a file could compute instead of its source model: order, scale, time, other options.

Each candidate is one known fault of a conversion, as a change of the source model. Nothing here
says that a file has the fault: `trial` carries the changed model out and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnosis.layer_candidates import of_layers
from harness.diagnosis.source_model import Arrays, Source

Array = NDArray[Any]
#: Outputs of one shape whose order is tried: 4! orders.
MOST_OUTPUTS = 4


@dataclass(frozen=True, eq=False)
class Candidate:
    """One fault that a file may have.

    name: short, for the report. says: what the file then computes. cure: what to do. change: the
    source model with the fault. factor, by: of a scaling, and the same with another factor: several
    may fit alike.
    """

    name: str
    says: str
    cure: str
    change: Callable[[Source], Source]
    factor: float = 1.0
    by: Callable[[float], Candidate] | None = None


def candidates(source: Source, calibration: Arrays) -> Iterator[Candidate]:
    """Every fault that this model could have, the simplest first.

    calibration: samples [N, batch, …] by input name, whose mean and deviation a normalisation
    would have used; empty where there are none.
    """
    yield from _of_several_inputs(source)
    yield from _of_outputs(source)
    for name in source.stimulus:
        yield from _of_order(source, name)
        yield from _of_scale(source, name, calibration)
    yield _carried()
    for layer, name, says, cure, change in of_layers(source):
        yield Candidate(f"{name}: {layer}", says, cure, change)


def _carried() -> Candidate:
    return Candidate(
        "state-carried",
        "each sample starts in the state that the one before left",
        "reset the state before each sample, or create the interpreter anew",
        lambda source: replace(source, carries=True),
    )


def _of_several_inputs(source: Source) -> Iterator[Candidate]:
    for a, b in combinations(source.stimulus, 2):
        one, other = source.stimulus[a], source.stimulus[b]
        if one.shape == other.shape and one.dtype == other.dtype:

            def swap(given: Source, a: str = a, b: str = b) -> Source:
                one, other = given.stimulus[a], given.stimulus[b]
                return given.with_input(a, other).with_input(b, one)

            yield Candidate(
                "inputs-swapped",
                f"inputs {a!r} and {b!r} are swapped",
                "convert with a signature that names the inputs, and set them by name",
                swap,
            )


def _of_outputs(source: Source) -> Iterator[Candidate]:
    count = len(source.document["outputs"])
    names = [str(name) for name in source.document["outputs"]]
    if 1 < count <= MOST_OUTPUTS:
        for order in list(permutations(range(count)))[1:]:
            shown = ", ".join(names[k] for k in order)
            yield Candidate(
                "outputs-swapped",
                f"the outputs come as {shown} where the model has {', '.join(names)}",
                "convert with a signature that names the outputs, and read them by name",
                partial(_after, change=partial(_ordered, order=order)),
            )
    yield Candidate(
        "outputs-reversed-in-time",
        "the outputs have their time steps in reverse order",
        "reverse the sequence that a backward layer gives",
        lambda given: _after(given, lambda found: [_flipped(y, 2, 4) for y in found]),
    )
    yield Candidate(
        "outputs-late",
        "each time step of the outputs is that of the step before",
        "look for a shift by one step: padding, or an output that is read too early",
        lambda given: _after(given, lambda found: [_late(y) if y.ndim > 3 else y for y in found]),
    )
    yield Candidate(
        "outputs-reversed",
        "the values of each output are in reverse order",
        "look for the order of the classes",
        lambda given: _after(given, lambda found: [_flipped(y, -1, 3) for y in found]),
    )


def _ordered(found: list[Array], order: Sequence[int]) -> list[Array]:
    return [found[k] for k in order]


def _after(source: Source, change: Callable[[list[Array]], list[Array]]) -> Source:
    return replace(source, after=change)


def _flipped(values: Array, axis: int, least: int) -> Array:
    return np.flip(values, axis) if values.ndim >= least else values


def _late(values: Array) -> Array:
    """[N, batch, time, …] one step later, the first of zeros."""
    return np.concatenate([np.zeros_like(values[:, :, :1]), values[:, :, :-1]], axis=2)


def _early(values: Array) -> Array:
    return np.concatenate([values[:, :, 1:], np.zeros_like(values[:, :, :1])], axis=2)


def _of_order(source: Source, name: str) -> Iterator[Candidate]:
    """Axes and order of one input, [N, batch, time, …]."""
    array = source.stimulus[name]

    def of(change: Callable[[Array], Array]) -> Callable[[Source], Source]:
        return lambda given: given.with_input(name, change(given.stimulus[name]))

    if array.ndim < 3 or array.shape[2] < 2:
        return
    what = f"input {name!r}"
    yield Candidate(
        "time-reversed",
        f"{what} is read with its time steps in reverse order",
        "look for a reversal (go_backwards, REVERSE_V2, [::-1]) that one of the two lacks",
        of(lambda x: np.flip(x, 2)),
    )
    yield Candidate(
        "one-step-late",
        f"{what} is read one step late: a zero first, the last step never",
        "look for a shift by one step: padding on the left, or a window that starts too early",
        of(_late),
    )
    yield Candidate(
        "one-step-early",
        f"{what} is read one step early: the first step never, a zero last",
        "look for a shift by one step: padding on the right, or a window that starts too late",
        of(_early),
    )
    if array.ndim >= 4 and array.shape[-1] > 1:
        if array.shape[-1] == array.shape[-2]:
            yield Candidate(
                "axes-transposed",
                f"{what} is read with time and features transposed",
                "feed [time, features], as the model was trained",
                of(lambda x: x.swapaxes(-1, -2)),
            )
        else:
            yield Candidate(
                "axes-transposed",
                f"{what} is read as if its axes had been transposed: [features, time] in memory",
                "transpose where axes change place; reshape only renames them",
                of(lambda x: x.swapaxes(-1, -2).reshape(x.shape)),
            )
            yield Candidate(
                "axes-transposed",
                f"{what} is read as [features, time] in memory and then transposed",
                "transpose where axes change place; reshape only renames them",
                of(lambda x: x.reshape(*x.shape[:-2], x.shape[-1], x.shape[-2]).swapaxes(-1, -2)),
            )
        yield Candidate(
            "features-reversed",
            f"{what} is read with its features in reverse order",
            "look for the order of the columns or channels",
            of(lambda x: np.flip(x, -1)),
        )


#: Factors between raw data and what models are trained on: bytes, int16 samples, per cent, milli.
FACTORS = (255.0, 256.0, 128.0, 127.5, 100.0, 1000.0, 32768.0)


def _of_scale(source: Source, name: str, calibration: Arrays) -> Iterator[Candidate]:
    """What a normalisation before the model, or a second one, makes of an input."""
    array = source.stimulus[name]

    def of(change: Callable[[Array], Array]) -> Callable[[Source], Source]:
        return lambda given: given.with_input(name, change(given.stimulus[name]))

    what = f"input {name!r}"
    if array.dtype.kind != "f":
        for by in (1, -1):
            yield Candidate(
                "ids-shifted",
                f"{what} is read with its ids {by:+d}",
                "look for an id that one of the two reserves (padding, unknown)",
                of(partial(_moved, by=by)),
            )
        return
    normalised = "normalise on one side only: in the model, or in what feeds it"

    def scaled(factor: float, says: str) -> Candidate:
        times = factor if says == "multiplied" else 1 / factor
        told, change = f"{what} is {says} by", of(partial(np.multiply, times))
        again = partial(scaled, says=says)
        return Candidate("scaled", f"{told} {factor:g}", normalised, change, factor, again)

    for factor in FACTORS:
        for says in ("divided", "multiplied"):
            yield scaled(factor, says)
    for says, change in _AFFINE:
        yield Candidate("scaled", f"{what} is mapped by {says}", normalised, of(change))
    known = np.asarray(calibration.get(name, np.zeros(0)), np.float64)
    if known.size and known.ndim == array.ndim:
        axes = tuple(range(known.ndim - 1))
        for mean, deviation, how in (
            (known.mean(), known.std(), "mean and deviation"),
            (known.mean(axes), known.std(axes), "each feature's mean and deviation"),
        ):
            if np.all(deviation > 0):
                yield Candidate(
                    "standardised",
                    f"{what} is standardised by {how} of the calibration samples",
                    normalised,
                    of(partial(_standardised, mean=mean, deviation=deviation)),
                )
                yield Candidate(
                    "standardised",
                    f"{what} is multiplied by {how} of the calibration samples",
                    normalised,
                    of(partial(_unstandardised, mean=mean, deviation=deviation)),
                )


def _moved(ids: Array, by: int) -> Array:
    return np.maximum(ids + by, 0).astype(ids.dtype)


def _standardised(x: Array, mean: Array, deviation: Array) -> Array:
    return np.asarray((x - mean) / deviation)


def _unstandardised(x: Array, mean: Array, deviation: Array) -> Array:
    return np.asarray(x * deviation + mean)


_AFFINE: Sequence[tuple[str, Callable[[Array], Array]]] = (
    ("x / 127.5 - 1", lambda x: x / 127.5 - 1),
    ("127.5 (x + 1)", lambda x: 127.5 * (x + 1)),
    ("2 x - 1", lambda x: 2 * x - 1),
    ("(x + 1) / 2", lambda x: (x + 1) / 2),
    ("x - 128", lambda x: x - 128),
    ("x + 128", lambda x: x + 128),
)
