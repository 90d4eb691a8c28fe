"""Kernels are told by their bits, and the state by a stream of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.diagnosis.device_kernels import Answers, Kernels, tell

Array = NDArray[Any]
ORDER = tuple(k % 3 for k in range(16))


def _drawn(dtype: str, seed: int) -> Answers:
    """Answers of kernels that carry their state: the stream is not the samples again."""
    random = np.random.default_rng(seed)
    whole = random.integers(-100, 100, (3 + len(ORDER), 1, 5, 4)).astype(dtype)
    streamed = whole[3:]
    streamed[0] = whole[0]
    return Answers((whole[:3],), (streamed,), ORDER)


REFERENCE, OTHER = (Kernels(name, _drawn("int8", k)) for k, name in enumerate("AB"))
KNOWN = (REFERENCE, OTHER)


def _changed(array: Array, place: tuple[int, ...], by: int = 1) -> Array:
    found = array.copy()
    found[place] += by
    return found


def test_bits_name_the_kernels_and_a_carried_state() -> None:
    told = tell(OTHER.answers, KNOWN)
    assert (told.kernels, told.state, told.lost) == (("B",), "carried", 0)
    assert str(told) == (
        "these 380 outputs are those of B with the state carried from invoke to invoke, to the bit"
    )


def test_a_cleared_state_is_told_with_what_is_lost() -> None:
    device = replace(REFERENCE.answers, streamed=REFERENCE.answers.cleared)
    told = tell(device, KNOWN)
    assert (told.kernels, told.state) == (("A",), "cleared")
    differing = device.streamed[0] != REFERENCE.answers.streamed[0]
    assert told.lost == int(differing.sum()) > 250
    assert "with the state cleared at each invoke, to the bit" in str(told)


def test_kernels_that_clear_the_state_are_named_before_others_of_the_same_bits() -> None:
    clearing = replace(REFERENCE.answers, streamed=REFERENCE.answers.cleared)
    told = tell(clearing, [REFERENCE, Kernels("clears", clearing)])
    assert (told.kernels, told.state) == (("clears",), "cleared")
    assert told.lost > 250


def test_a_model_without_state_has_none() -> None:
    stateless = replace(REFERENCE.answers, streamed=REFERENCE.answers.cleared)
    told = tell(stateless, [Kernels("A", stateless)])
    assert (told.state, told.lost) == ("none", 0)


def test_a_stream_that_is_neither_is_unknown() -> None:
    streamed = _changed(REFERENCE.answers.streamed[0], (9, 0, 2, 1))
    told = tell(replace(REFERENCE.answers, streamed=(streamed,)), KNOWN)
    assert (told.kernels, told.state) == (("A",), "unknown")
    assert "first invoke 9, step 2, row 0, unit 1" in str(told)


def test_bits_of_nobody_are_placed() -> None:
    isolated = _changed(REFERENCE.answers.isolated[0], (1, 0, 3, 2), 5)
    told = tell(replace(REFERENCE.answers, isolated=(isolated,)), KNOWN)
    assert (told.kernels, told.nearest, told.different, told.largest) == ((), "A", 1, 5.0)
    assert told.first.startswith("sample 1, step 3, row 0, unit 2: ")
    assert "nobody's kernels: 1 of 60 outputs are not those of A, by up to 5" in str(told)
    assert not told.swapped


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_swapped_bytes_are_named(dtype: str) -> None:
    whole = _drawn(dtype, 3)
    device = replace(whole, isolated=tuple(a.byteswap() for a in whole.isolated))
    told = tell(device, [Kernels("A", whole)])
    assert told.swapped
    assert "big-endian" in str(told)


def test_kernels_that_agree_here_are_all_named() -> None:
    told = tell(REFERENCE.answers, [REFERENCE, replace(REFERENCE, name="C")])
    assert told.kernels == ("A", "C")
    assert "those of A and C (which agree here)" in str(told)


def test_kernels_alike_from_rest_are_told_apart_by_the_stream() -> None:
    streamed = _changed(REFERENCE.answers.streamed[0], (7, 0, 0, 0))
    twin = Kernels("twin", replace(REFERENCE.answers, streamed=(streamed,)))
    assert tell(twin.answers, [REFERENCE, twin]).kernels == ("twin",)


def test_nan_and_zero_are_compared_by_their_bits() -> None:
    value = np.array([[np.nan, 0.0]], np.float32)
    known = Kernels("A", Answers((value,), (value,), (0,)))
    assert tell(known.answers, [known]).exact
    negative = Answers((np.array([[np.nan, -0.0]], np.float32),), (value,), (0,))
    assert tell(negative, [known]).different == 1


@pytest.mark.parametrize("shape", [(3, 1, 5, 3), (3, 5, 4)])
def test_other_shapes_are_an_error(shape: tuple[int, ...]) -> None:
    device = replace(REFERENCE.answers, isolated=(np.zeros(shape, np.int8),))
    with pytest.raises(ValueError, match="other shapes"):
        tell(device, KNOWN)
