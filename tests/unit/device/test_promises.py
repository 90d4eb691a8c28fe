"""A project's limits fail what is larger, and say by how much."""

from __future__ import annotations

import pytest

from harness.device.promises import too_large

FOUND = {"arena_bytes": 5296, "flatbuffer_bytes": 27824}


@pytest.mark.parametrize(
    ("arena", "size"), [(None, None), (5296, None), (None, 27824), (6000, 30000)]
)
def test_what_fits_is_said_nothing_of(arena: int | None, size: int | None) -> None:
    assert too_large(FOUND, arena, size) == ""


def test_what_is_larger_is_named_with_its_option() -> None:
    told = too_large(FOUND, 5295, 20000)
    assert told == (
        "the smallest tensor arena has 5,296 bytes, 1 more than --arena-limit allows; "
        "the flatbuffer has 27,824 bytes, 7,824 more than --size-limit allows"
    )
