"""Choose the samples of a stream by which a device shows what it does with the state."""

from __future__ import annotations

#: Invokes of a stream: enough for a state to show in every unit.
STREAM = 16


def stream_order(samples: int) -> tuple[int, ...]:
    """Which sample each invoke of a stream has."""
    return tuple(k % samples for k in range(max(STREAM, min(samples, 2 * STREAM))))
