"""Hold what a device needs for a model to the limits that its project promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def too_large(found: Mapping[str, Any], arena_limit: int | None, size_limit: int | None) -> str:
    """What of a model is larger than its project promises, empty where nothing is.

    found: its figures, in bytes.
    """
    limits_of = (
        ("smallest tensor arena", "arena_bytes", arena_limit, "--arena-limit"),
        ("flatbuffer", "flatbuffer_bytes", size_limit, "--size-limit"),
    )
    return "; ".join(
        f"the {what} has {found[name]:,} bytes, {found[name] - limit:,} more than {flag} allows"
        for what, name, limit, flag in limits_of
        if limit is not None and found[name] > limit
    )
