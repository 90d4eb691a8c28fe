"""Compare each constant of two paired operators, element by element, to the rounding that is due.

A number stored in a type may be off by what storing it there costs and by nothing else: half a
step of its own scale, and what float32 loses where the converter folds one layer into another. A
scale is what the source's values ask for: the largest magnitude / 127 of a kernel, of each channel
where each has its own, (largest - least, zero among them) / 255 of a constant with a zero point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.weights.differences import allowed_difference
from harness.weights.twin.graphs import LOOKING_UP, Operator, Value
from harness.weights.twin.pairing import core

Array = NDArray[Any]
#: Relative difference of what was computed in float32, some operations deep: a folded kernel, a
#: scale that is a quotient of one.
_COMPUTED = 2.0**-20
#: A scale that is a product of two float32 ones.
_SCALE = 2.0**-19
#: Where each operator has its weights and its bias.
KERNELS = {
    **dict.fromkeys(("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"), (1,)),
    **dict.fromkeys(("TRANSPOSE_CONV", "EMBEDDING_LOOKUP", "BATCH_MATMUL"), (1,)),
    "GATHER": (0,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 9)),
}
BIASES = {
    **dict.fromkeys(("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"), (2,)),
    "TRANSPOSE_CONV": (3,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (12, 13, 14, 15),
}
_LSTM_PLACES = {
    **dict(enumerate(("input", "forget", "cell", "output"), 1)),
    **dict(enumerate(("input", "forget", "cell", "output"), 5)),
    **dict(enumerate(("input", "forget", "cell", "output"), 12)),
}
#: Places of an axis, which may be counted from either end, by operator.
_AXES = {
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), (1,)),
    **dict.fromkeys(("REVERSE_V2", "ARG_MAX", "ARG_MIN", "CUMSUM"), (1,)),
    "SPLIT": (0,),
}
#: Operators whose sizes are those of their outputs, which are compared by what reads them.
_SIZES = ("RESHAPE", "TRANSPOSE_CONV", "BROADCAST_TO", "FILL", "RESIZE_BILINEAR")


def title(operator: Operator, place: int) -> str:
    """What an input is to its operator, in words."""
    kind = operator.kind
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM" and place in _LSTM_PLACES:
        what = "input kernel" if place < 5 else "recurrent kernel" if place < 9 else "bias"
        return f"the {what} of the {_LSTM_PLACES[place]} gate"
    if place in KERNELS.get(kind, ()):
        return "the table" if kind in ("GATHER", "EMBEDDING_LOOKUP") else "the kernel"
    return "the bias" if place in BIASES.get(kind, ()) else f"constant {place}"


def differences(
    own: Operator, twin: Operator, rank: int, same_batch: bool
) -> Iterator[tuple[str, str, float | None]]:
    """Kind, message without its operator, and share of each constant that is not the twin's.

    rank: axes of the operator's first computed input. same_batch: whether sizes may be compared.
    """
    for place in sorted(own.constants.keys() | twin.constants.keys()):
        value, want = own.constants.get(place), twin.constants.get(place)
        if value is None or want is None:
            yield from _absent(own, twin, place, value, want)
        elif value.real and want.real:
            yield from compared(own, place, value, want)
        elif not value.real and not want.real and same_batch and own.kind not in _SIZES:
            mine, its = (_counted(own, place, v.values, rank) for v in (value, want))
            if mine.shape != its.shape or not np.array_equal(mine, its):
                told = f"{title(own, place)} is {_list(mine)}, in the model's own conversion "
                yield "option", f"{told}{_list(its)}", None


def _absent(
    own: Operator, twin: Operator, place: int, value: Value | None, want: Value | None
) -> Iterator[tuple[str, str, float | None]]:
    """A constant that one of the two lacks: a bias of zeros may be left out."""
    there = value or want
    assert there is not None
    if place in BIASES.get(own.kind, ()) and there.real and np.any(there.values):
        has_input = [o.inputs[place] >= 0 if place < len(o.inputs) else False for o in (own, twin)]
        if not all(has_input):
            side = "is missing" if value is None else "is one that the model does not have"
            yield "bias", f"{title(own, place)} {side}", None


def compared(
    own: Operator, place: int, value: Value, want: Value
) -> Iterator[tuple[str, str, float | None]]:
    """Kind, message without its operator, and share of a constant that is not the wanted one.

    own: the operator that has `value` at a place. want: in the file's own layout.
    """
    what = title(own, place)
    kind = "bias" if place in BIASES.get(own.kind, ()) else "weight"
    found, wanted = value.values, want.values
    if core(found) == core(wanted):
        found = found.reshape(wanted.shape)
        step = np.broadcast_to(value.step, value.values.shape).reshape(wanted.shape)
        value = replace(value, values=found, step=step)
    else:
        told = f"{what} has shape {list(found.shape)}, in the model's own conversion "
        yield kind, f"{told}{list(wanted.shape)}", None
        return
    if not found.size:
        return
    allowed = _allowed(value, want)
    if own.kind in LOOKING_UP and value.scales:
        # Its scale is that of the rows that the calibration has seen; others may be cut off.
        wanted = np.clip(wanted, *value.ends)
    with np.errstate(invalid="ignore", over="ignore"):
        share = np.abs(found - wanted) / allowed
    share = np.where((found == wanted) | (np.isnan(found) & np.isnan(wanted)), 0.0, share)
    share = np.where(np.isnan(share), np.inf, share)
    if (share > 1).any():
        yield kind, f"{what} {_told(own, place, found, wanted, share)}", float(share.max())
    elif kind == "weight" and value.scales and own.kind not in LOOKING_UP:
        yield from _scales(what, value, wanted)


def _allowed(value: Value, want: Value) -> Array:
    """What storing it costs: `allowed_difference`, and for a twin that is stored in integers
    itself what that cost. float32: what folding loses of the largest of its row."""
    wanted = np.abs(want.values)
    folded = _COMPUTED * wanted + 2.0**-22 * float(wanted[np.isfinite(wanted)].max(initial=0.0))
    allowed = allowed_difference(want.values, value.step, value.dtype) + folded
    if want.scales:
        allowed = allowed + np.asarray(want.step) / 2
    return np.asarray(allowed + 1e-30)


def _told(own: Operator, place: int, found: Array, wanted: Array, share: Array) -> str:
    """How the values differ, as plainly as it can be said."""
    wrong = share > 1
    channels = _channels(own, place, found.ndim)
    if channels is not None:
        axis = tuple(k for k in range(found.ndim) if k != channels)
        off = wrong.any(axis=axis)
        dead = off & ~np.any(found != 0, axis=axis)
        if dead.any():
            return f"is zero in channel {_some(np.flatnonzero(dead))}: dead, the model's is not"
        size = found.shape[channels]
        if size > 1 and off.sum() > 1:
            shapes = [_by_largest(values, axis) for values in (found, wanted)]
            mirrored = np.abs(np.flip(shapes[0], channels) - shapes[1]).mean()
            if mirrored < 0.05 * np.abs(shapes[0] - shapes[1]).mean():
                return "has its channels in reverse order"
            if told := _by_channel(found, wanted, axis):
                return told
    if not np.any(found) and np.any(wanted):
        return "is zero, and the model's is not"
    if np.any(wanted):
        with np.errstate(all="ignore"):
            factor = float((found * wanted).sum() / np.square(wanted).sum())
            close = np.abs(found - factor * wanted) <= 0.02 * np.abs(wanted) + 1e-12
        if wrong.sum() > 1 and close.mean() > 0.9 and abs(factor - 1) > 2.0**-10:
            return f"is {factor:.4g} times the model's: its scale is wrong"
    error = np.where(wrong, np.abs(found - wanted), 0.0)
    error = np.where(np.isnan(error), np.inf, error)
    at = tuple(int(k) for k in np.unravel_index(int(error.argmax()), error.shape))
    return (
        f"differs in {int(wrong.sum())} of {found.size} values, most at {list(at)}: "
        f"{found[at]:.8g}, the model's own is {wanted[at]:.8g}"
    )


def _by_largest(values: Array, axis: tuple[int, ...]) -> Array:
    """Each channel by its largest magnitude: with any scale of its own it is the same."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    return np.asarray(values / np.where(largest > 0, largest, 1.0))


def _by_channel(found: Array, wanted: Array, axis: tuple[int, ...]) -> str:
    """Whether each channel is the model's times a factor of its own; empty where it is not."""
    squares = np.square(wanted).sum(axis=axis, keepdims=True)
    if not squares.all() or not np.isfinite(found).all():
        return ""
    factors = (found * wanted).sum(axis=axis, keepdims=True) / squares
    if np.ptp(factors) < 2.0**-7 or not (factors > 0).all():
        return ""
    if (np.abs(found - factors * wanted) <= 0.02 * np.abs(wanted).max()).mean() < 0.99:
        return ""
    low, high = float(factors.min()), float(factors.max())
    told = f"is {low:.4g} to {high:.4g} times the model's"
    return f"{told}, each channel by another factor: the channels' scales are wrong"


def _channels(own: Operator, place: int, rank: int) -> int | None:
    """The axis of a kernel's output channels."""
    if place not in KERNELS.get(own.kind, ()) or rank < 2:
        return None
    return rank - 1 if own.kind == "DEPTHWISE_CONV_2D" else 0


def _scales(what: str, value: Value, wanted: Array) -> Iterator[tuple[str, str, float | None]]:
    """Scales that the source's values do not ask for. Any is right for zeros."""
    if value.dtype != "int8":
        return
    rows = wanted.reshape(1, -1)
    if len(value.scales) > 1:
        if value.axis >= wanted.ndim or wanted.shape[value.axis] != len(value.scales):
            return
        rows = np.moveaxis(wanted, value.axis, 0).reshape(len(value.scales), -1)
    worst: tuple[float, int, float] | None = None
    for k, (row, scale) in enumerate(zip(rows, value.scales, strict=True)):
        low, high = min(0.0, float(row.min())), max(0.0, float(row.max()))
        asked = [max(-low, high) / 127]
        if not value.symmetric or low == 0.0 or high == 0.0:
            asked.append((high - low) / 255)
        if asked[0] <= np.finfo(np.float32).tiny:
            continue
        apart = min(abs(scale / one - 1) for one in asked if one > 0) / _SCALE
        if apart > 1 and (worst is None or apart > worst[0]):
            nearest = min((one for one in asked if one > 0), key=lambda one: abs(scale / one - 1))
            worst = apart, k, nearest
    if worst is not None:
        share, k, right = worst
        of = f" of channel {k}" if len(value.scales) > 1 else ""
        told = f"the scale{of} of {what} is {value.scales[k]:.8g}, the model's values ask for "
        yield "scale", f"{told}{right:.8g}", share


def _counted(own: Operator, place: int, values: Array, rank: int) -> Array:
    """Axes counted from the first one, in order."""
    if place in _AXES.get(own.kind, ()) and rank:
        return np.sort(np.asarray(values).reshape(-1) % rank)
    return np.asarray(values)


def _list(values: Array) -> str:
    flat = values.reshape(-1)
    told = ", ".join(str(v) for v in flat[:8])
    return f"[{told}{', …' if flat.size > 8 else ''}]" if values.ndim else str(values)


def _some(numbers: Array) -> str:
    return ", ".join(str(n) for n in numbers[:6]) + (" …" if len(numbers) > 6 else "")
